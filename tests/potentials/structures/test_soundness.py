"""Checks that hold back what must not be computed with, and nothing else."""

import itertools

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from hypothesis import given
from hypothesis import strategies as st

from examples import examples
from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import GraphError
from intertwine.potentials.structures.lattice import complete, plane_spacing
from intertwine.potentials.structures.soundness import CLOSEST, THINNEST, check, check_species


def shortest_distance(atoms: Atoms) -> float:
    cell = complete(atoms.cell.array, atoms.pbc)
    reach = np.where(atoms.pbc, np.ceil(CLOSEST / plane_spacing(cell)) + 1, 0).astype(int)
    best = np.inf
    for one, two in itertools.product(range(len(atoms)), repeat=2):
        difference = atoms.positions[one] - atoms.positions[two]
        difference = difference - np.where(atoms.pbc, np.rint(difference @ np.linalg.inv(cell)), 0) @ cell
        for step in itertools.product(*(range(-n, n + 1) for n in reach)):
            if one != two or any(step):
                best = min(best, float(np.linalg.norm(difference + np.array(step) @ cell)))
    return best


@given(st.integers(0, 2**32), st.tuples(*[st.booleans()] * 3), st.floats(0.15, 3.0), st.integers(1, 6))
@examples(150)
def test_overlap_is_found_exactly_when_it_is_there(seed, pbc, size, count):
    rng = np.random.default_rng(seed)
    cell = rng.uniform(-1, 1, (3, 3)) * size + np.diag(rng.uniform(0.2, 1, 3)) * size
    atoms = Atoms(f"H{count}", positions=rng.uniform(-3, 3, (count, 3)) @ cell, cell=cell, pbc=pbc)
    full = complete(cell, np.array(pbc))
    if plane_spacing(full).min() < THINNEST:
        with pytest.raises(GraphError, match="no volume"):
            from_atoms(atoms)
    elif shortest_distance(atoms) < CLOSEST:
        with pytest.raises(GraphError, match="overlap"):
            from_atoms(atoms)
    else:
        from_atoms(atoms)


def test_overlap_names_pair_and_distance_within_the_batch():
    graph = collate([from_atoms(molecule("H2O")), from_atoms(molecule("CO2"))])
    graph.positions[5] = graph.positions[3] + torch.tensor([0.0, 0.0, 0.25])
    with pytest.raises(GraphError, match=r"Atoms CO2 frame 0, atom 0: positions overlap, atom 2 is 0.25 A away"):
        check(graph)


def test_many_atoms_on_one_spot_do_not_fill_the_memory():
    with pytest.raises(GraphError, match=r"overlap, atom .* is 0 A away"):
        from_atoms(Atoms("H30000", positions=np.zeros((30000, 3))))


@pytest.mark.parametrize("atoms", [bulk("Cu"), bulk("Si", cubic=True), molecule("H2"), Atoms("He")], ids=str)
def test_ordinary_structures_pass(atoms):
    from_atoms(atoms)


def test_unknown_species_are_named_with_those_known():
    batch = collate([from_atoms(molecule("H2O")), from_atoms(molecule("HCl"))])
    check_species(batch, (1, 8, 17))
    with pytest.raises(GraphError, match=r"ClH frame 0, atom 0: species Cl \(17\) is unknown.*knows H, O; train"):
        check_species(batch, (8, 1))
