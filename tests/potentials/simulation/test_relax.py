"""Relaxation finds minima that are known in closed form."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms
from lennard_jones import argon

from intertwine.potentials.data.readers import from_atoms, read
from intertwine.potentials.simulation.relax import relax
from intertwine.potentials.structures.graph import GraphError
from intertwine.training.run import NumericalError

MINIMUM = 2 ** (1 / 6) * 3.4


@pytest.mark.parametrize("optimizer", ["bfgs", "lbfgs", "fire"])
def test_two_atoms_end_at_the_minimum_of_their_well(optimizer):
    start = Atoms("Ar2", [[0, 0, 0], [0, 0, 4.0]])
    found = relax(argon(), start, fmax=1e-6, steps=1000, optimizer=optimizer)
    assert found.path.converged
    assert found.atoms.get_distance(0, 1) == pytest.approx(MINIMUM, abs=1e-4)
    assert found.path.energy[-1] == pytest.approx(-0.0104, abs=1e-9)
    assert found.path.fmax[-1] < 1e-6 < found.path.fmax[0]
    assert len(found.path.energy) == len(found.path.fmax) == len(found.positions)
    assert start.get_distance(0, 1) == 4.0


def test_a_crystal_relaxes_its_cell_until_there_is_no_stress():
    start = bulk("Ar", "fcc", a=5.0, cubic=True)
    start.rattle(0.05, seed=0)
    fixed = relax(argon(), start, fmax=1e-4)
    free = relax(argon(), start, fmax=1e-4, cell="full", optimizer="fire", steps=2000)
    assert free.path.converged
    assert np.abs(free.atoms.get_stress()).max() < 1e-5 < np.abs(fixed.atoms.get_stress()).max()
    assert free.path.energy[-1] < fixed.path.energy[-1]
    assert np.array_equal(start.cell.array, fixed.atoms.cell.array)


def test_a_cell_may_keep_its_shape_or_its_volume():
    start = bulk("Ar", "fcc", a=5.0)
    start.set_cell(start.cell.array @ np.diag([1.1, 1.0, 0.95]), scale_atoms=True)
    free, volume, shape = (relax(argon(), start, cell=cell, fmax=1e-4).atoms for cell in ("full", "volume", "shape"))
    assert np.abs(free.get_stress()).max() < 1e-4
    np.testing.assert_allclose(volume.cell.cellpar()[3:], start.cell.cellpar()[3:], atol=1e-9)
    assert abs(volume.get_stress()[:3].mean()) < 1e-4 < np.abs(volume.get_stress()).max()
    assert shape.get_volume() == pytest.approx(start.get_volume(), rel=1e-9)
    assert np.ptp(shape.get_stress()[:3]) < 2e-4 < abs(shape.get_stress()[:3].mean())


def test_pressure_shrinks_the_cell():
    start = bulk("Ar", "fcc", a=5.2)
    volumes = [
        relax(argon(), start, cell="full", fmax=1e-4, pressure=pressure).atoms.get_volume() for pressure in (0.0, 0.006)
    ]
    assert volumes[1] < volumes[0] - 1.0


def test_too_few_steps_are_reported_as_not_converged():
    found = relax(argon(), Atoms("Ar2", [[0, 0, 0], [0, 0, 5.4]]), fmax=1e-6, steps=2)
    assert not found.path.converged
    assert len(found.path.energy) == 3


def test_the_trajectory_holds_every_step_with_its_labels_and_nothing_else(tmp_path):
    start = Atoms("Ar2", [[0, 0, 0], [0, 0, 4.3]], info={"REF_energy": 99.0, "note": "old"})
    shown = []
    found = relax(
        argon(), start, fmax=1e-4, trajectory=tmp_path / "path.extxyz",
        progress=lambda text, done, steps: shown.append((text, done, steps)),
    )  # fmt: skip
    frames = read(tmp_path / "path.extxyz", require=("energy", "forces"))
    np.testing.assert_allclose([frame.energy.item() for frame in frames], found.path.energy, atol=1e-7)
    np.testing.assert_allclose(frames[-1].positions.numpy(), found.atoms.positions, atol=1e-7)
    assert [done for _, done, _ in shown] == list(range(len(frames)))


def test_constraints_are_kept():
    start = Atoms("Ar3", [[0, 0, 0], [0, 0, 4.3], [0, 4.3, 0]], constraint=FixAtoms([0]))
    found = relax(argon(), start, fmax=1e-4)
    assert np.array_equal(found.atoms.positions[0], [0, 0, 0])
    assert found.atoms.get_distance(1, 2) == pytest.approx(MINIMUM, abs=1e-2)


def test_a_graph_can_be_relaxed():
    found = relax(argon(), from_atoms(Atoms("Ar2", [[0, 0, 0], [0, 0, 4.3]])), fmax=1e-4)
    assert found.path.converged


@pytest.mark.parametrize(
    ("start", "choices", "words"),
    [
        (Atoms("Ar2", [[0, 0, 0], [0, 0, np.nan]]), {}, "positions is nan"),
        (Atoms("Au2", [[0, 0, 0], [0, 0, 3.0]]), {}, "Au"),
        (Atoms("Ar2", [[0, 0, 0], [0, 0, 4.0]]), {"cell": "full"}, "periodic"),
        (Atoms("Ar2", [[0, 0, 0], [0, 0, 4.0]]), {"trajectory": "path.cif"}, "extxyz"),
        (Atoms("Ar2", [[0, 0, 0], [0, 0, 4.0]]), {"trajectory": "/nowhere/at/all/path.xyz"}, "no folder"),
    ],
)
def test_bad_input_is_one_line(start, choices, words):
    with pytest.raises(GraphError, match=words) as caught:
        relax(argon(), start, **choices)
    assert "\n" not in str(caught.value)


def test_a_relaxation_that_breaks_on_the_way_is_a_numerical_failure():
    # With the sign of the energy turned the atoms fall into each other.
    with pytest.raises(NumericalError, match="relaxation failed after step"):
        relax(argon(epsilon=-1.0), Atoms("Ar2", [[0, 0, 0], [0, 0, 3.0]]), optimizer="fire")
