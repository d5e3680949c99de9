"""One potential, and one calculator, for many threads: every thread gets what it would get alone."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import partial

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from lennard_jones import argon

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import build_potential, load, save_potential
from intertwine.potentials.simulation.calculator import Calculator
from intertwine.potentials.structures.neighbors import connect

THREADS = 8


@pytest.fixture(scope="module")
def mace(tmp_path_factory) -> Potential:
    """As users get one."""
    choices = {"species": [18], "cutoff": 5.0, "channels": 2, "edge_degree": 1, "correlation": 2, "radial_hidden": [4]}
    made = build_potential("mace", choices, {18: -1.0}, seed=0).double()
    return load(save_potential(tmp_path_factory.mktemp("threads") / "potential", made))


def structures():
    """One a thread, clusters and crystals of several sizes."""
    for index in range(THREADS):
        atoms = Atoms("Ar3", [[0, 0, 0], [0, 0, 3.8], [0, 3.8, 0]])
        if index % 2:
            atoms = bulk("Ar", "fcc", a=5.3) * (1, 1, index)
        atoms.rattle(0.05, seed=index)
        yield atoms


def answers(predict, atoms, calls):
    """Along a path: most steps are short enough for a list with a skin, some are not."""
    found = []
    for _ in range(calls):
        atoms.positions[0] += [0, 0.005, 0]
        found.append(predict(atoms))
    return np.stack(found)


def in_threads(predict, calls):
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda atoms: answers(predict, atoms, calls), structures()))


def asked(calculator, atoms):
    atoms.calc = calculator
    return np.append(atoms.get_forces(), atoms.get_potential_energy())


def test_one_potential_for_eight_threads(mace):
    def predict(atoms):
        prediction = mace(connect(from_atoms(Atoms(atoms), keys=None), mace.cutoff))
        return np.append(prediction.forces.detach().numpy(), prediction.energy.item())

    alone = [answers(predict, atoms, 10) for atoms in structures()]
    for one, other in zip(alone, in_threads(predict, 10), strict=True):
        assert np.array_equal(one, other)


def test_one_calculator_for_eight_threads():
    potential = argon()
    alone = [answers(partial(asked, Calculator(potential)), atoms, 100) for atoms in structures()]
    shared = in_threads(partial(asked, Calculator(potential)), 100)
    for one, other in zip(alone, shared, strict=True):
        assert np.array_equal(one, other)


def test_a_calculator_can_be_copied():
    atoms = next(structures())
    atoms.calc = Calculator(argon())
    energy = atoms.get_potential_energy()
    copy = deepcopy(atoms)
    copy.positions += 0.1
    assert abs(copy.get_potential_energy() - energy) < 1e-12
