"""Copies are found whatever was done to them, and what is no copy is not."""

import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell, molecule
from hypothesis import given
from hypothesis import strategies as st

from examples import examples
from intertwine.potentials.data.copies import find_copies
from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.structures.images import distances


def random_cell(rng: np.random.Generator, periodic: bool) -> Atoms:
    cell = np.diag(rng.uniform(3, 6, 3)) + rng.uniform(-1.5, 1.5, (3, 3))
    positions = rng.uniform(0, 1, (6, 3)) @ cell if periodic else rng.uniform(0, 4, (6, 3))
    return Atoms("H3O2C", positions, cell=cell if periodic else None, pbc=periodic)


def disguised(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """Another cell of the same lattice, other images of the atoms, another order, and a motion or reflection."""
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    other = atoms[rng.permutation(len(atoms))]
    if atoms.pbc.all():
        change = np.eye(3, dtype=int)
        change[0, 1], change[2, 0] = rng.integers(-2, 3, 2)
        other.positions += rng.integers(-2, 3, (len(atoms), 3)) @ atoms.cell.array
        other.set_cell(change @ atoms.cell.array @ rotation)
    other.positions = other.positions @ rotation + rng.normal(size=3)
    return other


@given(st.integers(0, 2**32), st.booleans())
@examples(40)
def test_a_disguised_structure_is_found_and_a_changed_one_is_not(seed, periodic):
    rng = np.random.default_rng(seed)
    atoms = random_cell(rng, periodic)
    matrix = atoms.get_all_distances(mic=periodic) + 9 * np.eye(6)
    if matrix.min() < 0.4:
        return
    other, changed = disguised(atoms, rng), atoms.copy()
    changed.positions[rng.integers(6)] += rng.choice([-0.2, 0.2], 3)
    changed_matrix = changed.get_all_distances(mic=periodic) + 9 * np.eye(6)
    graphs = [from_atoms(atoms), from_atoms(other)] + ([from_atoms(changed)] if changed_matrix.min() > 0.4 else [])
    assert [pair[:2] for pair in find_copies(graphs)] == [(0, 1)]


@pytest.mark.parametrize("periodic", [False, True])
def test_distances_are_those_of_ase(periodic):
    for seed in range(10):
        atoms = random_cell(np.random.default_rng(seed), periodic)
        if (atoms.get_all_distances(mic=periodic) + 9 * np.eye(6)).min() > 0.4:
            np.testing.assert_allclose(distances(from_atoms(atoms)), atoms.get_all_distances(mic=periodic), atol=1e-9)


def test_many_copies_of_one_structure_are_found_fast():
    graphs = [from_atoms(molecule("CH3CH2OH"))] * 200
    assert len(find_copies(graphs)) == 199


def test_orderings_of_an_alloy_on_one_lattice_differ_though_their_distances_do_not():
    rng, graphs = np.random.default_rng(0), []
    lattice = make_supercell(bulk("Ta", "bcc", a=3.3, cubic=True), 2 * np.eye(3))
    for _ in range(20):
        atoms = lattice.copy()
        atoms.numbers[rng.permutation(16)[:8]] = 42
        graphs.append(from_atoms(atoms))
    pairs = {(one, two) for one, two, _ in find_copies(graphs)}
    assert pairs and all(equal_on_lattice(graphs[one], graphs[two], lattice) for one, two in pairs)
    lost = [(one, two) for one, two in itertools.combinations(set(range(20)) - {two for _, two in pairs}, 2)]
    assert not any(equal_on_lattice(graphs[one], graphs[two], lattice) for one, two in lost[:60])
    molybdenum = [distances(graph)[graph.numbers == 42][:, graph.numbers == 42] for graph in graphs]
    by_distances = {np.sort(matrix.round(6).ravel()).tobytes() for matrix in molybdenum}
    assert len(by_distances) < 20 - len(pairs)


def equal_on_lattice(one, two, lattice: Atoms) -> bool:
    """By every translation and every signed permutation of the axes."""
    sites = np.rint(lattice.get_scaled_positions() * 4).astype(int)
    mine = {tuple(site) for site in sites[one.numbers.numpy() == 42]}
    yours = sites[two.numbers.numpy() == 42]
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            turned = yours[:, order] * signs
            for shift in sites:
                if {tuple(site) for site in (turned + shift) % 4} == mine:
                    return True
    return False
