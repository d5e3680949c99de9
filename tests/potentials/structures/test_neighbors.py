"""Neighbour lists against a sum over all images, and under every motion that must not change them."""

import itertools
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from hypothesis import assume, given
from hypothesis import strategies as st

from examples import examples
from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.lattice import complete, plane_spacing
from intertwine.potentials.structures.neighbors import connect, edge_vectors


def edges(graph: Graph) -> list[tuple[int, ...]]:
    """Receiver, sender and whole shift of every edge."""
    return list(zip(graph.receivers.tolist(), graph.senders.tolist(), *graph.shifts.long().T.tolist(), strict=True))


def vectors(graph: Graph) -> np.ndarray:
    """Edge vectors in an order of their own, to compare graphs whose shifts differ."""
    rows = np.column_stack([graph.receivers, graph.senders, edge_vectors(graph).numpy().round(6) + 0.0])
    return rows[np.lexsort(rows.T[::-1])]


def brute_force(atoms: Atoms, cutoff: float) -> tuple[set, set]:
    """Edges by trying every image that could be near: those inside the cutoff, those within rounding of it."""
    cell = complete(atoms.cell.array, atoms.pbc)
    reach = np.where(atoms.pbc, np.ceil(cutoff / plane_spacing(cell)) + 1, 0).astype(int)
    inside, doubtful = set(), set()
    for receiver, sender in itertools.product(range(len(atoms)), repeat=2):
        difference = atoms.positions[receiver] - atoms.positions[sender]
        nearest = np.where(atoms.pbc, -np.rint(difference @ np.linalg.inv(cell)), 0)
        for step in itertools.product(*(range(-n, n + 1) for n in reach)):
            shift = (nearest + step).astype(int)
            if receiver == sender and not shift.any():
                continue
            distance = np.linalg.norm(difference + shift @ cell)
            edge = (receiver, sender, *shift.tolist())
            if abs(distance - cutoff) < 1e-9:
                doubtful.add(edge)
            elif distance < cutoff:
                inside.add(edge)
    return inside, doubtful


def random_atoms(seed: int, pbc: tuple[bool, bool, bool], shape: str, count: int) -> Atoms:
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(2.5, 7, 3))
    if shape in ("skewed", "left-handed"):
        cell = cell + rng.uniform(-2.5, 2.5, (3, 3))
    if shape == "left-handed" and np.linalg.det(cell) > 0:
        cell = -cell
    if shape == "thin":
        cell[2] = [0, 0, rng.uniform(0.5, 1.2)]
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    cell = cell @ rotation
    fractions = rng.uniform(0, 1, (count, 3)) + rng.integers(-3, 4, (count, 3))  # not wrapped into the cell
    return Atoms(f"H{count}", positions=fractions @ cell, cell=cell, pbc=pbc)


SHAPES = st.sampled_from(["orthorhombic", "skewed", "left-handed", "thin"])


@given(st.integers(0, 2**32), st.tuples(*[st.booleans()] * 3), SHAPES, st.integers(1, 5), st.floats(1.0, 4.5))
@examples(120)
def test_edges_are_those_of_brute_force(seed, pbc, shape, count, cutoff):
    atoms = random_atoms(seed, pbc, shape, count)
    try:
        graph = connect(from_atoms(atoms), cutoff)
    except GraphError as error:
        assume("overlap" not in str(error) and "no volume" not in str(error))
        raise
    inside, doubtful = brute_force(atoms, cutoff)
    found = set(edges(graph))
    assert inside <= found <= inside | doubtful
    assert len(found) == len(edges(graph))


@pytest.mark.parametrize("pbc", [(True, True, True), (True, False, True), (False, True, False)])
def test_vectors_follow_the_convention_and_stay_below_the_cutoff(pbc):
    atoms = random_atoms(1, pbc, "skewed", 4)
    graph = connect(from_atoms(atoms), 4.0)
    by_hand = [
        atoms.positions[receiver] - atoms.positions[sender] + np.array(shift) @ atoms.cell.array
        for receiver, sender, *shift in edges(graph)
    ]
    np.testing.assert_allclose(edge_vectors(graph), by_hand, atol=1e-12)
    assert 0 < edge_vectors(graph).norm(dim=1).max() < 4.0


def test_the_other_sign_of_shift_would_leave_the_cutoff():
    graph = connect(from_atoms(random_atoms(1, (True, True, True), "skewed", 4)), 4.0)
    wrong = edge_vectors(replace(graph, shifts=-graph.shifts))
    assert wrong.norm(dim=1).max() > 4.0


def test_every_edge_has_its_reverse():
    found = set(edges(connect(from_atoms(random_atoms(2, (True, True, True), "left-handed", 4)), 4.0)))
    assert found == {(sender, receiver, -x, -y, -z) for receiver, sender, x, y, z in found}


def test_edges_ascend_by_receiver_then_sender_then_shift():
    found = edges(connect(from_atoms(random_atoms(3, (True, True, True), "thin", 4)), 4.0))
    assert found == sorted(found) and len(found) > 100


def test_crystal_has_twelve_nearest_neighbours():
    graph = connect(from_atoms(bulk("Cu", "fcc", a=3.6)), 3.0)
    assert graph.senders.tolist() == [0] * 12
    torch.testing.assert_close(edge_vectors(graph).norm(dim=1), torch.full((12,), 3.6 / 2**0.5, dtype=torch.float64))


def test_isolated_atoms_have_no_edges():
    graph = connect(from_atoms(Atoms("H2", positions=[[0, 0, 0], [0, 0, 9.0]])), 5.0)
    assert graph.senders.shape == (0,) and graph.shifts.shape == (0, 3) and graph.cutoff == 5.0


def test_rotation_turns_the_vectors_and_keeps_the_edges():
    atoms = random_atoms(4, (True, True, False), "skewed", 5)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turned = Atoms(atoms.numbers, positions=atoms.positions @ rotation, cell=atoms.cell.array @ rotation, pbc=atoms.pbc)
    before, after = connect(from_atoms(atoms), 4.0), connect(from_atoms(turned), 4.0)
    assert edges(before) == edges(after)
    np.testing.assert_allclose(edge_vectors(before) @ torch.tensor(rotation), edge_vectors(after), atol=1e-12)


def test_lattice_translations_of_single_atoms_change_shifts_only():
    atoms = random_atoms(5, (True, True, True), "skewed", 5)
    moved = atoms.copy()
    moved.positions += np.random.default_rng(0).integers(-3, 4, (5, 3)) @ atoms.cell.array
    before, after = connect(from_atoms(atoms), 4.0), connect(from_atoms(moved), 4.0)
    assert edges(before) != edges(after)
    np.testing.assert_array_equal(vectors(before), vectors(after))


def test_half_a_lattice_translation_changes_the_vectors():
    atoms = random_atoms(5, (True, True, True), "skewed", 5)
    moved = atoms.copy()
    moved.positions[0] += 0.5 * atoms.cell.array[0]
    before, after = vectors(connect(from_atoms(atoms), 4.0)), vectors(connect(from_atoms(moved), 4.0))
    assert before.shape != after.shape or not np.allclose(before, after)


def test_permutation_renames_the_edges():
    atoms = random_atoms(6, (True, True, True), "skewed", 5)
    order = [3, 0, 4, 1, 2]
    before, after = connect(from_atoms(atoms), 4.0), connect(from_atoms(atoms[order]), 4.0)
    renamed = {(order[receiver], order[sender], *shift) for receiver, sender, *shift in edges(after)}
    assert renamed == set(edges(before))


def test_atoms_of_one_structure_do_not_see_those_of_another():
    graphs = [from_atoms(molecule("H2O")), from_atoms(bulk("Cu", cubic=True)), from_atoms(Atoms("He"))]
    batch = connect(collate(graphs), 4.0)
    singles = collate([connect(graph, 4.0) for graph in graphs])
    assert edges(batch) == edges(singles)
    assert (batch.structure[batch.senders] == batch.structure[batch.receivers]).all()
    torch.testing.assert_close(edge_vectors(batch), edge_vectors(singles))


def test_slab_does_not_care_what_its_file_says_of_the_vacuum():
    slab = random_atoms(7, (True, True, False), "skewed", 5)
    other = slab.copy()
    other.cell[2] = [0.1, 0.2, 50.0]
    empty = slab.copy()
    empty.cell[2] = 0.0
    assert edges(connect(from_atoms(slab), 4.0)) == edges(connect(from_atoms(other), 4.0))
    assert edges(connect(from_atoms(slab), 4.0)) == edges(connect(from_atoms(empty), 4.0))


def test_edges_are_replaced_when_connected_again():
    graph = connect(connect(from_atoms(bulk("Cu")), 6.0), 3.0)
    assert edges(graph) == edges(connect(from_atoms(bulk("Cu")), 3.0)) and graph.cutoff == 3.0


def test_edges_are_the_same_in_single_precision():
    graph = from_atoms(random_atoms(8, (True, True, True), "skewed", 5))
    single = connect(graph.to(dtype=torch.float32), 4.0)
    assert edges(single) == edges(connect(graph, 4.0))
    assert single.shifts.dtype == edge_vectors(single).dtype == torch.float32


@pytest.mark.parametrize("batched", [False, True])
def test_vectors_are_differentiable_in_positions_and_cell(batched):
    graph = connect(from_atoms(random_atoms(9, (True, True, True), "skewed", 3)), 3.0)
    graph = collate([graph, graph]) if batched else graph

    def run(positions, cell):
        return edge_vectors(replace(graph, positions=positions, cell=cell))

    inputs = graph.positions.clone().requires_grad_(), graph.cell.clone().requires_grad_()
    assert torch.autograd.gradcheck(run, inputs)


WIDE = """
import numpy as np
from ase import Atoms
from intertwine.potentials.structures.neighbors import connect
from intertwine.potentials.data.readers import from_atoms
rng = np.random.default_rng(0)
for spread in {spreads}:
    corner = rng.uniform(0, 4, (6, 3)) * [1, 1, 0.3] + 1.2 * np.arange(6)[:, None]
    positions = np.concatenate([corner, corner + np.array(spread)])
    graph = connect(from_atoms(Atoms("H12", positions=positions)), 3.0)
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1)
    assert len(graph.senders) == (distances < 3.0).sum() - 12 > 0, spread
"""


def test_wide_flat_structures_do_not_end_the_process():
    spreads = [(1e5, 0, 0), (0, 1e5, 0), (0, 0, 1e5), (3e3, 3e3, 0), (0, 3e3, 3e3), (3e4, 3e4, 0), (9e5, 9e5, 9e5)]
    run = subprocess.run([sys.executable, "-c", WIDE.format(spreads=spreads)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
