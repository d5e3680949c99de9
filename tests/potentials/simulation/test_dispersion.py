"""D3 on top of a potential: published attraction of two argon atoms, derivatives of the sum, and one-line refusals."""

import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.mixing import SumCalculator
from lennard_jones import argon

from intertwine.potentials.data.readers import read, to_atoms
from intertwine.potentials.simulation.calculator import Calculator
from intertwine.potentials.simulation.dispersion import DispersionError, with_dispersion
from intertwine.potentials.simulation.md import simulate
from intertwine.potentials.simulation.relax import relax
from intertwine.training.checkpoint import CheckpointError

DFTD3 = pytest.importorskip("dftd3.ase").DFTD3


def pair(r: float, **box) -> Atoms:
    return Atoms("Ar2", [[0, 0, 0], [0.6 * r, 0.8 * r, 0]], **box)


def energy(atoms: Atoms, functional: str | None = None, **choices) -> float:
    atoms = atoms.copy()
    calculator = Calculator(argon())
    atoms.calc = with_dispersion(calculator, functional, **choices) if functional else calculator
    return atoms.get_potential_energy()


def test_energy_is_the_sum_of_both_and_dispersion_falls_as_the_sixth_power():
    """Beyond the cutoff of the potential only dispersion is left, C6 / r^6 + s8 C8 / r^8; argon's C6 is published."""
    added = energy(pair(3.8), "pbe") - energy(pair(3.8))
    assert -0.02 < added < -1e-3 and energy(pair(15.0)) == 0
    r = np.array([15.0, 20.0])
    effective = [-energy(pair(each), "pbe") * each**6 / (27.2114 * 0.529177**6) for each in r]
    c6 = np.linalg.solve(np.stack([np.ones(2), r**-2.0], axis=1), effective)[0]
    assert c6 == pytest.approx(64.6, rel=0.01)


def test_functional_and_damping_matter():
    found = {
        energy(pair(3.8), *names[:1], damping=names[1]) for names in (("pbe", "bj"), ("pbe", "zero"), ("blyp", "bj"))
    }
    assert len(found) == 3


BOXES = {
    "crystal": bulk("Ar", "fcc", a=5.2, cubic=True),
    "slab": pair(3.6, cell=[6, 6.5, 30], pbc=(True, True, False)),
}


def slopes(calculator: AseCalculator, atoms: Atoms) -> tuple[float, float]:
    """Force on atom 1 along y, and stress along xx, by differences of the energy."""

    def at(move: float = 0.0, strain: float = 0.0) -> float:
        other = atoms.copy()
        other.positions[1, 1] += move
        other.set_cell(other.cell.array @ np.diag([1 + strain, 1, 1]), scale_atoms=True)
        other.calc = calculator
        return other.get_potential_energy()

    h = 2e-4
    return (at(-h) - at(h)) / (2 * h), (at(strain=h) - at(strain=-h)) / (2 * h * atoms.get_volume())


@pytest.mark.parametrize("box", BOXES)
def test_forces_and_stress_are_derivatives_of_the_summed_energy(box):
    """They would not be with dftd3's own cutoffs, at which the energy jumps."""
    atoms = BOXES[box].copy()
    atoms.rattle(0.1, seed=1)

    def error(calculator: AseCalculator, of: AseCalculator) -> float:
        atoms.calc = calculator
        force, stress = slopes(of, atoms)
        return max(abs(force - atoms.get_forces()[1, 1]), 10 * abs(stress - atoms.get_stress()[0]))

    both = with_dispersion(Calculator(argon()), "pbe")
    assert error(both, both) < 3e-7
    assert error(Calculator(argon()), both) > 1e-4
    if box == "crystal":
        sharp = SumCalculator([Calculator(argon()), DFTD3(method="pbe", damping="d3bj")])
        assert error(sharp, sharp) > 1e-5


def test_a_molecule_has_no_stress_and_its_forces_add():
    atoms = pair(3.8)
    atoms.calc = with_dispersion(Calculator(argon()), "pbe")
    assert np.isfinite(atoms.get_forces()).all() and atoms.get_forces().sum(0) == pytest.approx(np.zeros(3), abs=1e-9)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"functional": "pbee"}, "no D3 parameters with bj damping for the functional 'pbee'"),
        ({"functional": "pbe", "species": (18, 118)}, r"knows the elements to 103, .*\[118\]"),
    ],
)
def test_what_d3_cannot_do_is_one_line(choices, words):
    potential = argon(species=choices.get("species", (18,)))
    with pytest.raises(DispersionError, match=words) as caught:
        with_dispersion(Calculator(potential), choices["functional"])
    assert "\n" not in str(caught.value)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dftd3.ase", None)
    with pytest.raises(DispersionError, match=r"intertwine\[dispersion\]"):
        with_dispersion(Calculator(argon()), "pbe")


def test_relaxation_with_dispersion_ends_where_both_forces_cancel(tmp_path):
    """A dimer of argon comes to rest nearer than without."""
    start = pair(3.9)
    alone = relax(argon(), start, fmax=1e-4)
    found = relax(argon(), start, fmax=1e-4, dispersion="pbe", trajectory=tmp_path / "path.extxyz")
    assert alone.path.converged and found.path.converged
    assert found.atoms.get_distance(0, 1) < alone.atoms.get_distance(0, 1) - 1e-3
    assert found.path.energy[-1] == pytest.approx(energy(found.atoms, "pbe"), abs=1e-9)
    assert read(tmp_path / "path.extxyz")[-1].energy.item() == pytest.approx(found.path.energy[-1], abs=1e-6)


def test_dynamics_with_dispersion_conserve_the_summed_energy_and_go_on_bit_for_bit(tmp_path):
    """The control: the energy of the potential alone is not what is conserved."""
    start, choices = BOXES["crystal"].copy(), {"timestep": 2.0, "temperature": 40.0, "record_every": 1}
    start.rattle(0.15, seed=1)
    run = simulate(argon(), start, steps=40, dispersion="pbe", trajectory=tmp_path / "run.extxyz", **choices)
    total = run.trace.potential + run.trace.kinetic
    alone = np.array([energy(frame) for frame in map(to_atoms, read(tmp_path / "run.extxyz"))]) / 4 + run.trace.kinetic
    assert 20 * np.ptp(total) < np.ptp(alone)
    assert run.trace.potential[-1] == pytest.approx(energy(run.atoms, "pbe") / 4, abs=1e-9)
    simulate(argon(), start, steps=20, dispersion="pbe", restart=tmp_path / "state", **choices)
    again = simulate(argon(), start, steps=40, dispersion="pbe", restart=tmp_path / "state", **choices)
    assert np.array_equal(again.trace.potential, run.trace.potential)
    with pytest.raises(CheckpointError, match="dispersion"):
        simulate(argon(), start, steps=60, restart=tmp_path / "state", **choices)
