"""Many structures in one graph end where each ends alone."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms, FixBondLength
from lennard_jones import argon

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.simulation.batched_lbfgs import BatchedLBFGS
from intertwine.potentials.simulation.batched_relax import relax_all
from intertwine.potentials.simulation.calculator import Calculator
from intertwine.potentials.simulation.relax import relax


def crystals(count: int = 5) -> list[Atoms]:
    found = []
    for seed in range(count):
        atoms = bulk("Ar", "fcc", a=5.2 + 0.05 * seed, cubic=True).repeat((1 + seed % 2, 1, 1))
        atoms.rattle(0.15, seed=seed)
        found.append(atoms)
    return found


@pytest.mark.parametrize("cell", ["none", "full", "volume", "shape"])
def test_every_structure_ends_where_ase_takes_it(cell):
    outcomes = relax_all(argon(), crystals(), fmax=1e-3, cell=cell, pressure=0.0 if cell == "shape" else 0.001)
    for start, found in zip(crystals(), outcomes):
        pressure = 0.0 if cell == "shape" else 0.001
        alone = relax(argon(), start, fmax=1e-3, cell=cell, pressure=pressure)
        assert found.converged and alone.path.converged
        for atoms in (found.atoms, alone.atoms):
            atoms.info["enthalpy"] = (
                atoms.get_potential_energy() + (pressure if cell != "none" else 0) * atoms.get_volume()
            )
        assert found.atoms.info["enthalpy"] == pytest.approx(alone.atoms.info["enthalpy"], abs=1e-4)
        assert found.atoms.get_volume() == pytest.approx(alone.atoms.get_volume(), rel=2e-3)
        if cell == "none":
            assert np.array_equal(found.atoms.cell.array, start.cell.array)
        if cell == "shape":
            assert found.atoms.get_volume() == pytest.approx(start.get_volume(), rel=1e-12)
        again = found.atoms.copy()
        again.calc = Calculator(argon())
        assert found.atoms.get_potential_energy() == pytest.approx(again.get_potential_energy(), abs=1e-10)
        np.testing.assert_allclose(found.atoms.get_forces(), again.get_forces(), atol=1e-10)


def test_a_batch_of_one_at_a_time_takes_the_same_steps():
    together = relax_all(argon(), crystals(), fmax=1e-4, cell="full")
    singly = relax_all(argon(), crystals(), fmax=1e-4, cell="full", edges=1)
    for one, other in zip(together, singly):
        assert one.steps == other.steps
        np.testing.assert_allclose(one.atoms.positions, other.atoms.positions, atol=1e-9)


def test_a_structure_that_cannot_be_computed_with_disturbs_no_other():
    far = Atoms("Ar2", [[0, 0, 0], [0, 0, 4.2]])
    bad = [
        Atoms("Au2", [[0, 0, 0], [0, 0, 3.0]]),
        Atoms("Ar2", [[0, 0, 0], [0, 0, 0.1]]),
        Atoms("Ar2", [[0, 0, 0], [0, 0, np.nan]]),
        Atoms("Ar2", [[0, 0, 0], [0, 0, 4.0]], constraint=FixBondLength(0, 1)),
    ]
    seen = []
    outcomes = relax_all(argon(), [far, *bad, far], fmax=1e-5, done=lambda index, found: seen.append(index))
    assert sorted(seen) == list(range(6))
    assert [found.converged for found in outcomes] == [True, False, False, False, False, True]
    for found, words in zip(outcomes[1:], ["Au", "overlap", "nan", "FixBondLength"]):
        assert words in found.failure and "\n" not in found.failure
    for found in (outcomes[0], outcomes[5]):
        assert found.atoms.get_distance(0, 1) == pytest.approx(2 ** (1 / 6) * 3.4, abs=1e-3)


def test_a_structure_that_fails_on_its_way_is_told_and_the_others_arrive():
    # With the sign of the energy turned the dimer falls into itself, and the atom alone is at its minimum.
    outcomes = relax_all(argon(epsilon=-1.0), [Atoms("Ar2", [[0, 0, 0], [0, 0, 3.0]]), Atoms("Ar")], steps=100)
    assert outcomes[1].converged and outcomes[1].steps == 0
    assert not outcomes[0].converged
    assert outcomes[0].failure.startswith("after step")


def test_held_atoms_stay_and_free_cells_need_periods():
    atoms = crystals(1)[0]
    atoms.set_constraint(FixAtoms([0, 2]))
    (found,) = relax_all(argon(), [atoms], fmax=1e-3)
    assert np.array_equal(found.atoms.positions[[0, 2]], atoms.positions[[0, 2]])
    assert found.converged and found.steps > 0
    (cluster,) = relax_all(argon(), [from_atoms(Atoms("Ar2", [[0, 0, 0], [0, 0, 4.0]]))], cell="full")
    assert "periodic" in cluster.failure


def test_too_few_steps_are_told():
    (found,) = relax_all(argon(), [Atoms("Ar2", [[0, 0, 0], [0, 0, 5.4]])], fmax=1e-6, steps=2)
    assert not found.converged and found.steps == 2 and found.failure is None


def test_quadratic_bowls_side_by_side_are_solved_each_by_itself():
    soft, stiff = (torch.diag(torch.tensor(rows, dtype=torch.float64)) for rows in ([1.0, 1, 1], [5.0, 60, 300]))
    left = []
    for memory in (20, 1):
        search = BatchedLBFGS(reach=10.0, memory=memory)
        search.add(torch.tensor([2, 1]))
        x = torch.tensor([[1.0, 2.0, -1.0], [0.5, 0.0, 1.0], [1.0, -2.0, 0.5]], dtype=torch.float64)
        for _ in range(12):
            x = x + search.step(torch.cat([x[:2] @ soft, x[2:] @ stiff]))
        left.append([x[:2].abs().max().item(), x[2:].abs().max().item()])
    assert max(left[0]) < 1e-6
    assert left[1][1] > 100 * left[0][1]  # one pair does not know the three curvatures of the second bowl
