"""Pairs of edges: found whatever their order, images and absences, and never between different lengths."""

from dataclasses import replace

import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.structures import pairs as module
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect, edge_vectors
from intertwine.potentials.structures.pairs import Pairs, find_pairs, pairs_of

SMALL_CELL = Atoms("H", cell=[[1.5, 0.2, 0], [0, 1.6, 0.3], [0.1, 0, 1.7]], pbc=True)
STRUCTURES = {"molecule": molecule("CH3CH2OH"), "crystal": bulk("NaCl", "rocksalt", a=5.6), "own images": SMALL_CELL}


def pairs(of: Graph) -> Pairs:
    return find_pairs(of.senders, of.receivers, of.shifts)


def edges(graph: Graph, chosen: torch.Tensor) -> Graph:
    return replace(graph, **{name: getattr(graph, name)[chosen] for name in ("senders", "receivers", "shifts")})


def by_hand(graph: Graph) -> list[set[int]]:
    """Edges by what they join, each in both directions."""
    found: dict[frozenset, set[int]] = {}
    rows = zip(graph.senders.tolist(), graph.receivers.tolist(), graph.shifts.tolist(), strict=True)
    for number, (sender, receiver, shift) in enumerate(rows):
        ways = (sender, receiver, *shift), (receiver, sender, *(-each for each in shift))
        found.setdefault(frozenset(ways), set()).add(number)
    return sorted(found.values(), key=min)


def by_pair(found: Pairs) -> list[set[int]]:
    rows = [set((found.of_edge == pair).nonzero().flatten().tolist()) for pair in range(len(found.first))]
    return sorted(rows, key=min)


@pytest.mark.parametrize("name", STRUCTURES)
def test_pairs_are_those_that_one_finds_by_hand_in_any_order_of_edges(name):
    graph = connect(from_atoms(STRUCTURES[name]), 3.2)
    assert len(pairs(graph).first) * 2 == len(graph.senders) > 0
    for each in (graph, edges(graph, torch.randperm(len(graph.senders)))):
        assert by_pair(pairs(each)) == by_hand(each)


@pytest.mark.parametrize("name", STRUCTURES)
def test_edges_of_a_pair_are_opposite_to_the_last_digit_or_equal(name):
    graph = connect(from_atoms(STRUCTURES[name]), 3.2)
    vectors, found = edge_vectors(graph), pairs(graph)
    firsts = vectors[found.first][found.of_edge]
    assert (torch.minimum((firsts - vectors).norm(dim=1), (firsts + vectors).norm(dim=1)) < 1e-14).all()
    assert torch.equal(found.of_edge[found.first], torch.arange(len(found.first)))


def test_an_edge_whose_reverse_is_missing_is_a_pair_of_its_own():
    graph = connect(from_atoms(SMALL_CELL), 3.2)
    some = edges(graph, torch.rand(len(graph.senders), generator=torch.Generator().manual_seed(0)) < 0.5)
    sizes = torch.bincount(pairs(some).of_edge)
    assert by_pair(pairs(some)) == by_hand(some) and set(sizes.tolist()) == {1, 2}


def test_edges_that_are_listed_twice_leave_every_edge_alone():
    graph = connect(from_atoms(SMALL_CELL), 3.2)
    twice = edges(graph, torch.arange(len(graph.senders)).repeat(2))
    assert torch.equal(pairs(twice).of_edge, torch.arange(len(twice.senders)))


def test_structures_of_a_batch_share_no_pair():
    graphs = [connect(from_atoms(atoms), 3.2) for atoms in STRUCTURES.values()]
    batch = collate(graphs)
    found = pairs(batch)
    ends = batch.structure[batch.receivers]
    assert len(found.first) == sum(len(pairs(graph).first) for graph in graphs)
    assert torch.equal(ends[found.first][found.of_edge], ends)


def test_no_edges_make_no_pairs():
    found = pairs(from_atoms(molecule("CH4")))
    assert found.first.shape == found.of_edge.shape == (0,)


def test_systems_too_large_for_the_keys_have_every_edge_alone(monkeypatch):
    monkeypatch.setattr(module, "LARGEST_KEY", 100)
    graph = connect(from_atoms(SMALL_CELL), 3.2)
    assert torch.equal(pairs(graph).of_edge, torch.arange(len(graph.senders)))


def test_pairs_are_found_once_for_a_graph_and_anew_when_its_edges_change(monkeypatch):
    graph, calls = connect(from_atoms(SMALL_CELL), 3.2), []
    monkeypatch.setattr(module, "find_pairs", lambda *edges: calls.append(0) or find_pairs(*edges))
    before = pairs_of(graph)
    assert pairs_of(replace(graph, positions=graph.positions + 1)) is before
    assert len(pairs_of(replace(graph, shifts=graph.shifts[torch.randperm(len(graph.shifts))])).of_edge) > 0
    graph.shifts.add_(torch.arange(3))
    assert not torch.equal(pairs_of(graph).of_edge, before.of_edge)
    assert len(calls) == 3
