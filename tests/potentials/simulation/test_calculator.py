"""The calculator against ASE's own Lennard-Jones, with and without a kept neighbour list."""

import ase.calculators.lj
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from lennard_jones import argon

from intertwine.potentials.simulation import calculator as calculator_file
from intertwine.potentials.simulation.calculator import Calculator
from intertwine.potentials.structures.graph import GraphError
from intertwine.potentials.structures.soundness import CLOSEST


def oracle() -> ase.calculators.lj.LennardJones:
    return ase.calculators.lj.LennardJones(epsilon=0.0104, sigma=3.4, rc=6.0, ro=5.0, smooth=True)


def crystal(seed: int = 0, repeat: int = 2) -> Atoms:
    atoms = bulk("Ar", "fcc", a=5.3).repeat(repeat)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.03 * np.random.default_rng(seed).standard_normal((3, 3))), True)
    atoms.rattle(0.1, seed=seed)
    return atoms


def cluster() -> Atoms:
    atoms = bulk("Ar", "fcc", a=5.3).repeat(3)
    atoms.pbc = False
    atoms.cell = None
    atoms.rattle(0.1, seed=1)
    return atoms


def slab() -> Atoms:
    atoms = crystal()
    atoms.pbc = (True, True, False)
    return atoms


@pytest.mark.parametrize(
    "atoms", [crystal(), crystal(repeat=1), cluster(), slab()], ids=["crystal", "one", "cluster", "slab"]
)
def test_energy_forces_and_stress_are_those_of_ase(atoms):
    atoms.calc = Calculator(argon())
    expected = atoms.copy()
    expected.calc = oracle()
    assert atoms.get_potential_energy() == pytest.approx(expected.get_potential_energy(), abs=1e-12)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    np.testing.assert_allclose(atoms.get_forces(), expected.get_forces(), atol=1e-12)
    np.testing.assert_allclose(atoms.get_potential_energies(), expected.get_potential_energies(), atol=1e-12)
    if atoms.pbc.all():
        np.testing.assert_allclose(atoms.get_stress(), expected.get_stress(), atol=1e-13)


def test_stress_is_the_finite_difference_of_the_energy_with_strain():
    atoms, step = crystal(), 1e-5
    atoms.calc = Calculator(argon())
    stress = atoms.get_stress(voigt=False)
    for row, column in [(0, 0), (1, 2), (0, 2)]:
        energies = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[row, column] += sign * step / 2
            strain[column, row] += sign * step / 2
            strained = atoms.copy()
            strained.calc = Calculator(argon())
            strained.set_cell(atoms.cell.array @ strain, scale_atoms=True)
            energies.append(strained.get_potential_energy())
        assert (energies[0] - energies[1]) / (2 * step) / atoms.get_volume() == pytest.approx(
            stress[row, column], abs=1e-8
        )


def test_a_kept_list_gives_the_bits_of_a_new_one_at_every_step():
    rng = np.random.default_rng(0)
    for start in (crystal(), cluster(), slab()):
        kept, new = start.copy(), start.copy()
        kept.calc, new.calc = Calculator(argon(), skin=0.8), Calculator(argon(), skin=0.0)
        for _ in range(40):
            kept.positions += 0.05 * rng.standard_normal(kept.positions.shape)
            new.positions = kept.positions
            assert kept.get_potential_energy() == new.get_potential_energy()
            assert np.array_equal(kept.get_forces(), new.get_forces())
        assert new.calc.searches == 40
        assert 2 < kept.calc.searches < 25


def test_a_list_is_kept_while_the_cell_breathes_and_gives_the_bits_of_a_new_one():
    rng = np.random.default_rng(1)
    kept, new = crystal(), crystal()
    kept.calc, new.calc = Calculator(argon(), skin=0.8), Calculator(argon(), skin=0.0)
    for step in range(60):
        strain = np.eye(3) * (1 + 0.01 * np.sin(step / 3)) + 0.003 * rng.standard_normal((3, 3))
        kept.set_cell(kept.cell.array @ strain, scale_atoms=True)
        kept.positions += 0.02 * rng.standard_normal(kept.positions.shape)
        new.cell, new.positions = kept.cell, kept.positions
        assert kept.get_potential_energy() == new.get_potential_energy()
        assert np.array_equal(kept.get_stress(), new.get_stress())
    assert 2 < kept.calc.searches < 40


def test_a_list_kept_for_too_long_would_be_noticed():
    kept, new = crystal(), crystal()
    kept.calc, new.calc = Calculator(argon(), skin=0.8), Calculator(argon(), skin=0.0)
    kept.get_potential_energy()
    kept.calc._near = lambda atoms: True
    rng = np.random.default_rng(0)
    kept.positions += 0.5 * rng.standard_normal(kept.positions.shape)
    new.positions = kept.positions
    assert abs(kept.get_potential_energy() - new.get_potential_energy()) > 1e-5


@pytest.mark.parametrize(
    "change",
    [
        lambda atoms: atoms.set_cell(atoms.cell.array * 0.9, scale_atoms=True),
        lambda atoms: setattr(atoms, "pbc", (True, True, False)),
        lambda atoms: atoms.wrap(),
        lambda atoms: atoms.set_atomic_numbers([36, *atoms.numbers[1:]]),
        lambda atoms: atoms.positions.__setitem__(0, atoms.positions[0] + [0.3, 0, 0]),
    ],
    ids=["cell", "pbc", "wrap", "element", "moved"],
)
def test_a_list_is_not_kept_when_the_structure_changes(change):
    atoms = crystal()
    atoms.positions += atoms.cell.array.sum(axis=0) * 0.7  # some atoms outside of the cell
    atoms.calc = Calculator(argon(species=(18, 36)), skin=0.5)
    atoms.get_potential_energy()
    change(atoms)
    atoms.get_potential_energy()
    assert atoms.calc.searches == 2
    fresh = atoms.copy()
    fresh.calc = Calculator(argon(species=(18, 36)), skin=0.0)
    assert atoms.get_potential_energy() == pytest.approx(fresh.get_potential_energy(), abs=1e-12)


def test_atoms_that_drift_as_a_whole_need_a_new_list_only_now_and_then():
    atoms = crystal()
    atoms.calc = Calculator(argon(), skin=0.5)
    energies = []
    for _ in range(30):
        atoms.positions += [0.05, 0.0, 0.0]
        energies.append(atoms.get_potential_energy())
    assert np.ptp(energies) < 1e-11
    assert atoms.calc.searches <= 8


def test_float32_loses_no_digits_far_from_the_origin():
    near, far = crystal(), crystal()
    far.positions += 3000.0
    for atoms in (near, far):
        atoms.calc = Calculator(argon(torch.float32))
    np.testing.assert_allclose(far.get_forces(), near.get_forces(), atol=1e-6)
    assert far.get_forces().dtype == np.float64


def test_reference_energies_are_part_of_the_energies():
    atoms = cluster()
    atoms.calc = Calculator(argon(reference=-5.0))
    assert atoms.get_potential_energies().sum() == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
    assert atoms.get_potential_energy() < -5.0 * len(atoms)


def test_one_atom_alone_has_its_reference_energy_and_no_force():
    atoms = Atoms("Ar", calculator=Calculator(argon(reference=-5.0)))
    assert atoms.get_potential_energy() == -5.0
    assert np.array_equal(atoms.get_forces(), np.zeros((1, 3)))


def test_nothing_is_computed_twice():
    atoms = crystal()
    atoms.calc = Calculator(argon())
    calls = []
    atoms.calc.potential.register_forward_hook(lambda *_: calls.append(1))
    atoms.get_forces(), atoms.get_potential_energy(), atoms.get_forces()
    assert len(calls) == 1
    assert "stress" not in atoms.calc.results
    atoms.get_stress(), atoms.get_forces()
    assert len(calls) == 2
    atoms.positions[0] += 0.01  # the stress has been asked for: from here on it comes with the forces
    atoms.get_forces(), atoms.get_stress(), atoms.get_potential_energy()
    assert len(calls) == 3


def broken(**choices) -> Atoms:
    atoms = crystal()
    for name, value in choices.items():
        getattr(atoms, name)[0] = value
    return atoms


@pytest.mark.parametrize(
    ("atoms", "words"),
    [
        (broken(positions=[np.nan, 0, 0]), ["atom 0", "positions is nan"]),
        (broken(positions=[np.inf, 0, 0]), ["atom 0", "positions is inf"]),
        (broken(numbers=79), ["atom 0", "Au", "knows Ar"]),
        (broken(numbers=0), ["atom 0", "numbers is 0"]),
        (broken(cell=[0.0, 0.0, 0.0]), ["cell vector 0 is zero"]),
        (broken(cell=[np.nan, 0, 0]), ["cell is nan"]),
        (Atoms("Ar2", [[0, 0, 0], [0, 0, 0.01]]), ["overlap", "0.01 A"]),
        (Atoms(), ["no atoms"]),
    ],
)
def test_bad_structures_are_refused_in_one_line_on_the_first_call(atoms, words):
    atoms.calc = Calculator(argon())
    with pytest.raises(GraphError) as caught:
        atoms.get_potential_energy()
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_coordinate_that_becomes_non_finite_is_refused_while_a_list_is_kept(value):
    atoms = crystal()
    atoms.calc = Calculator(argon())
    atoms.get_potential_energy()
    atoms.positions[3, 1] = value
    with pytest.raises(GraphError, match="atom 3: positions"):
        atoms.get_forces()


def test_atoms_that_come_to_overlap_while_a_list_is_kept_are_refused():
    atoms = Atoms("Ar2", [[0, 0, 0], [0, 0, CLOSEST + 0.1]])
    atoms.calc = Calculator(argon(), skin=2.0)
    atoms.get_potential_energy()
    atoms.positions[1, 2] = CLOSEST - 0.1
    with pytest.raises(GraphError, match="overlap"):
        atoms.get_potential_energy()
    assert atoms.calc.searches == 1


def test_a_result_that_is_not_finite_is_an_error():
    atoms = crystal()
    atoms.calc = Calculator(argon(epsilon=float("inf")))
    with pytest.raises(GraphError, match=r"Potential: the energy .* is (nan|-?inf)"):
        atoms.get_potential_energy()


def test_a_molecule_has_no_stress():
    atoms = cluster()
    atoms.calc = Calculator(argon())
    with pytest.raises(Exception, match="stress"):
        atoms.get_stress()


@pytest.mark.parametrize("atoms", [crystal(), cluster()], ids=["crystal", "cluster"])
def test_many_atoms_are_computed_along_a_curve_and_answered_in_their_own_order(atoms, monkeypatch):
    atoms = atoms[np.random.default_rng(0).permutation(len(atoms))]
    kept, expected = Calculator(argon()), Calculator(argon())
    results = []
    for many in (1, 10**6):
        monkeypatch.setattr(calculator_file, "MANY", many)
        here = kept if many == 1 else expected
        for step in range(3):
            atoms.positions += 0.01 * np.random.default_rng(step).standard_normal(atoms.positions.shape)
            results.append((many, step, here.compute(atoms.copy())))
        atoms.positions -= sum(
            0.01 * np.random.default_rng(step).standard_normal(atoms.positions.shape) for step in range(3)
        )
    assert kept._order is not None and expected._order is None and kept.searches == 1
    assert not torch.equal(kept._order, torch.arange(len(atoms)))
    for (_, _, found), (_, _, wanted) in zip(results[:3], results[3:], strict=True):
        assert found["energy"] == pytest.approx(wanted["energy"], rel=1e-12)
        np.testing.assert_allclose(found["forces"], wanted["forces"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(found["energies"], wanted["energies"], rtol=0, atol=1e-12)


def test_messages_name_atoms_by_their_place_in_the_file_whatever_the_order(monkeypatch):
    atoms = cluster()[::-1]
    messages = []
    for many in (1, 10**6):
        monkeypatch.setattr(calculator_file, "MANY", many)
        calculator = Calculator(argon())
        calculator.compute(atoms)
        near = atoms.copy()
        near.positions[3] = near.positions[4] + (0.9 * CLOSEST, 0, 0)
        calculator._near = lambda atoms: True  # a jump within the list that is kept
        with pytest.raises(GraphError) as refused:
            calculator.compute(near)
        messages.append(str(refused.value))
    assert messages[0] == messages[1]
