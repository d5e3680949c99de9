"""Batches are renumbered, never mixed."""

from dataclasses import fields, replace

import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.structures.batching import collate, split
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.neighbors import connect


def labelled(atoms: Atoms, group: str | None = None) -> Graph:
    forces = torch.randn(len(atoms), 3, generator=torch.Generator().manual_seed(0)).double().numpy()
    atoms.calc = SinglePointCalculator(atoms, energy=-float(len(atoms)), forces=forces)
    if group is not None:
        atoms.info["config_type"] = group
    return from_atoms(atoms)


def assert_equal(one: Graph, other: Graph) -> None:
    for field in fields(Graph):
        mine, yours = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, torch.Tensor):
            assert torch.equal(mine, yours) and mine.dtype == yours.dtype, field.name
        else:
            assert mine == yours, field.name


GRAPHS = [labelled(molecule("H2O"), "wet"), labelled(bulk("Cu", cubic=True), "metal"), labelled(Atoms("He"), "gas")]


@pytest.mark.parametrize("cutoff", [None, 4.0])
def test_split_undoes_collate(cutoff):
    graphs = GRAPHS if cutoff is None else [connect(graph, cutoff) for graph in GRAPHS]
    for before, after in zip(graphs, split(collate(graphs)), strict=True):
        assert_equal(before, after)


def test_batches_of_batches_are_flat():
    graphs = [connect(graph, 4.0) for graph in GRAPHS]
    assert_equal(collate([collate(graphs[:2]), graphs[2]]), collate(graphs))


def test_a_batch_of_one_is_the_graph_itself():
    assert_equal(collate(GRAPHS[:1]), GRAPHS[0])


def test_batch_keeps_places_for_messages():
    batch = collate(GRAPHS)
    assert batch.place(1, 5) == "Atoms Cu4 frame 0, atom 2"
    assert replace(batch, sources=()).place(1, 5) == "structure 1, atom 2"


@pytest.mark.parametrize("label", ["energy", "forces"])
def test_labels_are_on_all_or_none(label):
    bare = replace(GRAPHS[2], **{label: None})
    with pytest.raises(GraphError, match=f"Atoms He frame 0: {label} is missing"):
        collate([*GRAPHS[:2], bare])
    assert getattr(collate([bare, bare]), label) is None


def test_unconnected_graphs_do_not_hide_among_connected_ones():
    with pytest.raises(GraphError, match=r"cutoff None.*cutoff 4.0"):
        collate([connect(GRAPHS[0], 4.0), GRAPHS[1]])


def test_precisions_do_not_mix():
    with pytest.raises(GraphError, match=r"float32.*float64"):
        collate([GRAPHS[0], GRAPHS[1].to(dtype=torch.float32)])


def test_nothing_cannot_be_collated():
    with pytest.raises(GraphError, match="empty"):
        collate([])


def test_unknown_groups_are_blank_beside_known_ones():
    assert collate([GRAPHS[0], labelled(Atoms("He"))]).groups == ("wet", "")
    assert collate([labelled(Atoms("He")), labelled(Atoms("He"))]).groups == ()


def test_energy_stays_double_when_graphs_are_cast():
    batch = collate([graph.to(dtype=torch.float32) for graph in GRAPHS])
    assert batch.energy is not None and batch.energy.dtype == torch.float64 and batch.positions.dtype == torch.float32
