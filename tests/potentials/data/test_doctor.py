"""Every rule of the data doctor finds what it is for, and is silent on data that are well."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.units import Bohr, Hartree, kcal, mol

from intertwine.potentials.data.doctor import RULES, examine
from intertwine.potentials.data.label_keys import LabelKeys
from intertwine.potentials.data.readers import from_atoms, write
from intertwine.potentials.data.survey import Finding

WATER = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
TOTAL = -76.4 * Hartree
LONE = {"H": -0.5 * Hartree, "O": -75.0 * Hartree}


def springs(x: torch.Tensor) -> torch.Tensor:
    """Bonds O-H as stiff as real ones, and a weaker spring between the hydrogens, eV."""
    oh = (x[1:] - x[0]).norm(dim=1) - 0.96
    hh = (x[1] - x[2]).norm() - 1.51
    return 23.0 * oh.square().sum() + 4.0 * hh.square() + TOTAL


def labelled(positions: np.ndarray, energy: Callable = springs, numbers: str = "OH2", **cell) -> Atoms:
    x = torch.tensor(positions, requires_grad=True)
    value = energy(x)
    (gradient,) = torch.autograd.grad(value, x)
    atoms = Atoms(numbers, positions, **cell)
    atoms.calc = SinglePointCalculator(atoms, energy=value.item(), forces=-gradient.numpy())
    return atoms


def molecules(count: int = 40, seed: int = 0) -> list[Atoms]:
    """Water at some temperature, every frame on its own."""
    rng = np.random.default_rng(seed)
    return [labelled(WATER + rng.normal(0, 0.04, (3, 3))) for _ in range(count)]


def dimers(count: int = 40, seed: int = 0) -> list[Atoms]:
    """Two water molecules side by side."""
    both = [molecules(count, seed), molecules(count, seed + 1)]
    found = []
    for one, two in zip(*both):
        atoms = one + two
        atoms.positions[3:] += [0.3, 0.2, 3.0]
        results = {
            "energy": one.get_potential_energy() + two.get_potential_energy(),
            "forces": np.concatenate([one.get_forces(), two.get_forces()]),
        }
        atoms.calc = SinglePointCalculator(atoms, **results)
        found.append(atoms)
    return found


def trajectory(count: int = 40) -> list[Atoms]:
    """Water that vibrates, a small step a frame."""
    rng = np.random.default_rng(1)
    modes = rng.normal(0, 0.03, (2, 3, 3))
    return [labelled(WATER + modes[0] * np.sin(0.3 * t) + modes[1] * np.cos(0.41 * t)) for t in range(count)]


def lone_atoms() -> list[Atoms]:
    found = []
    for symbol, energy in LONE.items():
        atoms = Atoms(symbol, [[0, 0, 0]])
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=np.zeros((1, 3)))
        found.append(atoms)
    return found


def crystals(count: int = 24, modulus: float = 0.8, spread: float = 0.08) -> list[Atoms]:
    """Copper-like cells of several volumes: E = B V (log V/V0)^2 / 2, stress = dE/dV."""
    found = []
    rng = np.random.default_rng(2)
    for scale in np.linspace(1 - spread, 1 + spread, count):
        atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
        reference = atoms.get_volume()
        atoms.set_cell(atoms.cell.array * scale, scale_atoms=True)
        atoms.positions += rng.normal(0, 0.02, (4, 3))
        strain = np.log(atoms.get_volume() / reference)
        forces = rng.normal(0, 0.3, (4, 3))
        stress = np.array([modulus * strain] * 3 + [0.0] * 3)
        energy = -15.0 + 0.5 * modulus * reference * strain**2
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces - forces.mean(axis=0), stress=stress)
        found.append(atoms)
    return found


def scaled(images: list[Atoms], energy: float = 1, length: float = 1, forces: float | None = None, stress: float = 1):
    """The same data in other units."""
    found = []
    for atoms in images:
        other = atoms.copy()
        other.set_cell(atoms.cell.array * length)
        other.positions = atoms.positions * length
        results = dict(atoms.calc.results)
        factors = {"energy": energy, "forces": energy / length if forces is None else forces, "stress": stress}
        other.calc = SinglePointCalculator(
            other, **{name: np.asarray(v) * factors[name] for name, v in results.items()}
        )
        found.append(other)
    return found


def told(images: list[Atoms], which: int | None = None, **info) -> list[Atoms]:
    for index, atoms in enumerate(images):
        if which is None or index == which:
            atoms.info.update(info)
    return images


def labels(atoms: Atoms, **changes) -> Atoms:
    results = {**atoms.calc.results, **changes}
    atoms.calc = SinglePointCalculator(atoms, **{name: v for name, v in results.items() if v is not None})
    return atoms


def found(folder: Path, images: list[Atoms], other: list[Atoms] | None = None, **keys) -> dict[str, Finding]:
    """Findings by rule, of which there is at most one a rule and severity here."""
    ase.io.write(folder / "set.extxyz", images)
    if other is not None:
        ase.io.write(folder / "other.extxyz", other)
    against = [] if other is None else [folder / "other.extxyz"]
    return {finding.rule: finding for finding in examine([folder / "set.extxyz"], against, keys=LabelKeys(**keys))}


HEALTHY = {"molecules": molecules, "trajectory": trajectory, "crystals": crystals}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_data_have_neither_errors_nor_warnings(tmp_path, name):
    seen = found(tmp_path, HEALTHY[name]() + (lone_atoms() if name != "crystals" else []))
    assert {finding.severity for finding in seen.values()} <= {"note"}, seen
    assert ("labels.isolated" in seen) == (name == "crystals")


def test_every_rule_says_what_was_found_where_and_what_to_do(tmp_path):
    for finding in found(tmp_path, told(molecules(), which=7, charge=1)).values():
        assert finding.what and finding.remedy and "\n" not in finding.what + finding.remedy
        assert set(finding.as_dict()) == {"rule", "severity", "what", "remedy", "places"}
    assert len(RULES) == len({rule.__qualname__ + rule.__module__ for rule in RULES})


UNITS = {
    "energies in Hartree": (molecules, {"energy": 1 / Hartree, "forces": 1}, "units.energy", "Hartree"),
    "energies in kcal/mol": (molecules, {"energy": mol / kcal, "forces": 1}, "units.energy", "kcal/mol"),
    "forces in Hartree/Bohr": (molecules, {"forces": Bohr / Hartree}, "units.forces", "Hartree/Bohr"),
    "forces in kcal/mol/A": (molecules, {"forces": mol / kcal}, "units.forces", "kcal/mol"),
    "gradients": (molecules, {"forces": -1}, "units.forces", "-eV/Angstrom"),
    "positions in Bohr": (molecules, {"length": 1 / Bohr}, "units.length", "Bohr"),
    "positions in nm": (molecules, {"length": 0.1}, "units.length", "nm"),
    "positions in pm": (molecules, {"length": 100}, "units.length", "pm"),
    "crystals in Bohr": (crystals, {"length": 1 / Bohr}, "units.length", "Bohr"),
    "trajectory with forces in Hartree/Bohr": (trajectory, {"forces": Bohr / Hartree}, "units.work", "Hartree/Bohr"),
    "trajectory with energies in Hartree": (trajectory, {"energy": 1 / Hartree, "forces": 1}, "units.work", "Hartree"),
    "trajectory of gradients": (trajectory, {"forces": -1}, "units.work", "gradients"),
    "stress of VASP": (crystals, {"stress": -1}, "units.stress_sign", "-kbar"),
    "stress in GPa": (crystals, {"stress": 160.2}, "units.stress", "GPa"),
    "stress in kbar": (crystals, {"stress": 1602.0}, "units.stress", "kbar"),
}


@pytest.mark.parametrize("name", UNITS)
def test_other_units_and_signs_are_recognised(tmp_path, name):
    make, factors, rule, words = UNITS[name]
    assert rule not in found(tmp_path, make())
    finding = found(tmp_path, scaled(make(), **factors))[rule]
    assert words in finding.what + finding.remedy and finding.severity in ("warning", "error")


def test_atoms_that_do_not_touch_are_not_taken_for_bohr(tmp_path):
    argon = bulk("Ar", "fcc", a=5.3, cubic=True)
    frames = [argon.copy() for _ in range(12)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.05, seed=seed)
    assert "units.length" not in found(tmp_path, frames)


def test_pseudopotential_energies_say_nothing_of_their_unit(tmp_path):
    assert "units.energy" not in found(
        tmp_path, [labels(a, energy=a.get_potential_energy() - TOTAL - 14) for a in molecules()]
    )


def test_missing_labels_are_named_with_a_guess_of_the_key(tmp_path):
    none = molecules()
    for atoms in none:
        atoms.info["my_energy"], atoms.calc = -1.0, None
    seen = found(tmp_path, none)
    assert "'my_energy'" in seen["labels.energy"].remedy and "labels.forces" in seen
    some = molecules()
    labels(some[5], forces=None)
    finding = found(tmp_path, some)["labels.forces"]
    assert finding.severity == "warning" and "1 of 40" in finding.what and "frame 5" in finding.places[0]
    assert found(tmp_path, [labels(a, stress=None) for a in crystals()])["labels.stress"].severity == "note"
    assert "labels.stress" not in found(tmp_path, crystals())


def test_refused_frames_are_all_named_and_the_others_looked_at(tmp_path):
    ase.io.write(tmp_path / "set.extxyz", molecules())
    text = (tmp_path / "set.extxyz").read_text().split("\n")
    energies = [index for index, line in enumerate(text) if "energy=" in line]
    for index in (energies[3], energies[9]):
        text[index] = text[index].replace("energy=", "energy=x")
    (tmp_path / "bad.extxyz").write_text("\n".join(text))
    seen = {finding.rule: finding for finding in examine([tmp_path / "bad.extxyz", tmp_path / "missing.xyz"])}
    assert seen["file"].severity == "error"
    assert "labels.isolated" in seen
    places = [p for f in examine([tmp_path / "bad.extxyz"]) if f.rule == "file" for p in f.places]
    assert len(places) == 2 and "frame 3" in places[0] and "frame 9" in places[1]


def test_energies_of_two_names_must_agree_or_be_chosen(tmp_path):
    smeared = molecules()
    for atoms in smeared:
        atoms.info["free_energy"] = atoms.get_potential_energy() - 0.02
    finding = found(tmp_path, smeared)["labels.names"]
    assert finding.severity == "error" and "0.02 eV" in finding.what and "--energy-key free_energy" in finding.remedy
    assert "labels.names" not in found(tmp_path, smeared, energy="free_energy")


def test_zeroed_forces_of_constrained_atoms_are_an_error(tmp_path):
    fixed = molecules()
    for atoms in fixed:
        atoms.set_constraint(FixAtoms([0]))
    assert "labels.constrained" not in found(tmp_path, fixed)  # raw forces, as ase.io writes them
    zeroed = [labels(atoms, forces=atoms.get_forces() * [[0], [1], [1]]) for atoms in fixed]
    assert found(tmp_path, zeroed)["labels.constrained"].severity == "error"
    for atoms in zeroed:
        atoms.set_constraint()
    finding = found(tmp_path, zeroed)["labels.constrained"]
    assert finding.severity == "warning" and len(finding.places) > 30


def test_forces_that_do_not_balance_are_noticed(tmp_path):
    assert "labels.net_force" not in found(tmp_path, molecules())
    assert found(tmp_path, [labels(a, forces=a.get_forces() + 0.1) for a in molecules()])["labels.net_force"]
    assert found(tmp_path, [labels(a, forces=a.get_forces() * 0) for a in molecules()])["labels.zero"]


def test_isolated_atoms_that_disagree_are_an_error(tmp_path):
    twice = lone_atoms() + [labels(lone_atoms()[0], energy=-12.0)]
    assert found(tmp_path, molecules() + twice)["labels.isolated"].severity == "error"
    assert found(tmp_path, molecules() + lone_atoms()[:1])["labels.isolated"].what == "no isolated atom of O"


def test_charges_and_spins_that_are_not_read_are_told(tmp_path):
    assert "labels.charge" not in found(tmp_path, told(molecules(), charge=0))
    assert found(tmp_path, told(molecules(), charge=-1))["labels.charge"].severity == "note"
    finding = found(tmp_path, told(told(molecules(), spin=1), which=3, spin=3))["labels.spin"]
    assert finding.severity == "warning" and "frame 3" in finding.places[0]


def test_outliers_of_energy_and_force_are_found_among_compositions(tmp_path):
    images = molecules(60)
    assert not {"outliers.energy", "outliers.forces"} & set(found(tmp_path, images))
    labels(images[17], energy=images[17].get_potential_energy() + 5)
    labels(images[31], forces=images[31].get_forces() * 400)
    seen = found(tmp_path, images)
    assert seen["outliers.energy"].places == (seen["outliers.energy"].places[0],)
    assert "frame 17" in seen["outliers.energy"].places[0] and "frame 31" in seen["outliers.forces"].places[0]


def moved(atoms: Atoms, seed: int = 0, shift: float = 0.0) -> Atoms:
    """Turned, displaced, its atoms in another order; by `shift` not quite the same."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    order = rng.permutation(len(atoms))
    other = atoms[order]
    other.positions = (other.positions + rng.normal(0, shift, (len(atoms), 3))) @ rotation + 3.0
    other.set_cell(atoms.cell.array @ rotation)
    results = dict(atoms.calc.results)
    results["forces"] = results["forces"][order] @ rotation
    results.pop("stress", None)
    other.calc = SinglePointCalculator(other, **results)
    return other


@pytest.mark.parametrize("make", [molecules, crystals])
def test_repeats_are_found_after_motion_and_reordering(tmp_path, make):
    images = make()
    assert "copies.same" not in found(tmp_path, images)
    seen = found(tmp_path, [*images, moved(images[4])])
    assert len(seen["copies.same"].places) == 1 and "frame 4" in seen["copies.same"].places[0].split(" = ")[1]
    assert "copies.labels" not in seen
    assert "copies.same" not in found(tmp_path, [*images, moved(images[4], shift=0.05)])


def test_repeats_with_other_labels_are_an_error(tmp_path):
    images = molecules()
    again = moved(images[4])
    labels(again, energy=again.get_potential_energy() + 0.05)
    assert found(tmp_path, [*images, again])["copies.labels"].severity == "error"


def test_leaks_between_sets_are_found_exact_and_near(tmp_path):
    train, test = dimers(), dimers(seed=9)
    assert not {"copies.leak", "copies.near", "copies.elements"} & set(found(tmp_path, train, test))
    seen = found(tmp_path, train, [*test, moved(train[8]), moved(train[9], shift=0.002)])
    assert seen["copies.leak"].severity == "error" and "1 of 42" in seen["copies.leak"].what
    assert seen["copies.near"].severity == "warning" and "frame 9" in seen["copies.near"].places[0].split(" = ")[1]
    assert "Cu" in found(tmp_path, train, crystals())["copies.elements"].what


def test_boxes_and_directions_of_repetition_are_told(tmp_path):
    boxed = molecules()
    for atoms in boxed:
        atoms.set_cell([20, 20, 20])
    assert found(tmp_path, boxed)["cells.box"].severity == "note"
    crystal = crystals()
    assert not {"cells.open", "cells.partial", "cells.mixed"} & set(found(tmp_path, crystal))
    for atoms in crystal:
        atoms.pbc = False
        labels(atoms, stress=None)
    assert found(tmp_path, crystal)["cells.open"].severity == "warning"
    for atoms in crystal[::2]:
        atoms.pbc = (True, True, False)
    assert {"cells.partial", "cells.mixed"} <= set(found(tmp_path, crystal))


def test_atoms_much_nearer_than_a_bond_are_told(tmp_path):
    assert "cells.close" not in found(tmp_path, molecules())
    close = molecules()
    close[6] = labelled(WATER * 0.5)
    assert "frame 6" in found(tmp_path, close)["cells.close"].places[0]


def test_every_format_can_be_examined(tmp_path):
    graphs = [from_atoms(atoms) for atoms in molecules(12)]
    spoilt = replace(graphs[3], positions=graphs[2].positions)
    for name in ("set.h5", "set.db"):
        write(tmp_path / name, [*graphs[:3], spoilt])
        assert "copies.labels" in {finding.rule for finding in examine([tmp_path / name])}
