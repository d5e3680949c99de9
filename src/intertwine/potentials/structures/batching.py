"""Many structures as one graph, and back; atoms and edges are renumbered, no symmetry group acts."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import torch

from intertwine.potentials.structures.graph import Graph, GraphError, Source

LABELS = ("energy", "forces", "stress")


def collate(graphs: Sequence[Graph]) -> Graph:
    """Join graphs into one batch; atoms, edges and structures keep their order.

    A label must be on all graphs or on none, and so must the edges, made with one cutoff: a half-labelled batch would
    train on fewer frames than the user believes.

    Raises:
        GraphError: nothing to join, or graphs that differ in labels, cutoff or dtype.

    Example:
        >>> from ase.build import molecule
        >>> from intertwine.potentials.data.readers import from_atoms
        >>> collate([from_atoms(molecule("H2O")), from_atoms(molecule("CO2"))]).structure.tolist()
        [0, 0, 0, 1, 1, 1]
    """
    if not graphs:
        raise GraphError("collate: the list of graphs is empty; expected at least one.")
    first = graphs[0]
    labels = {}
    for label in LABELS:
        values = [getattr(graph, label) for graph in graphs]
        present = [value is not None for value in values]
        if any(present) and not all(present):
            where = graphs[present.index(False)].place(0)
            raise GraphError(
                f"collate: {where}: {label} is missing, but other frames of the batch have it; label all or none."
            )
        labels[label] = torch.cat(values) if all(present) else None
    for graph in graphs:
        mine, other = _kind(graph), _kind(first)
        if mine != other:
            raise GraphError(
                f"collate: {graph.place(0)}: has {mine}, but {first.place(0)} has {other}; "
                "make them equal with connect(graph, cutoff) or graph.to(...)."
            )
    nodes = _offsets([graph.node_count for graph in graphs])
    structures = _offsets([graph.graph_count for graph in graphs])
    return Graph(
        positions=torch.cat([graph.positions for graph in graphs]),
        numbers=torch.cat([graph.numbers for graph in graphs]),
        structure=torch.cat([graph.structure + offset for graph, offset in zip(graphs, structures)]),
        cell=torch.cat([graph.cell for graph in graphs]),
        pbc=torch.cat([graph.pbc for graph in graphs]),
        senders=torch.cat([graph.senders + offset for graph, offset in zip(graphs, nodes)]),
        receivers=torch.cat([graph.receivers + offset for graph, offset in zip(graphs, nodes)]),
        shifts=torch.cat([graph.shifts for graph in graphs]),
        **labels,
        groups=_names(graphs),
        sources=_sources(graphs),
        cutoff=first.cutoff,
    )


def split(graph: Graph) -> list[Graph]:
    """The structures of a batch, one graph each; the inverse of `collate`.

    Example:
        >>> from ase.build import molecule
        >>> from intertwine.potentials.data.readers import from_atoms
        >>> graphs = [from_atoms(molecule(name)) for name in ("H2O", "CH4")]
        >>> [graph.node_count for graph in split(collate(graphs))]
        [3, 5]
    """
    if graph.graph_count == 1:
        return [graph]
    counts = torch.bincount(graph.structure, minlength=graph.graph_count)
    edges = torch.bincount(graph.structure[graph.receivers], minlength=graph.graph_count)
    nodes, pairs = _offsets(counts.tolist()), _offsets(edges.tolist())
    parts = []
    for index in range(graph.graph_count):
        atoms = slice(nodes[index], nodes[index + 1])
        pair = slice(pairs[index], pairs[index + 1])
        row = slice(index, index + 1)
        part = replace(
            graph,
            positions=graph.positions[atoms],
            numbers=graph.numbers[atoms],
            structure=torch.zeros_like(graph.structure[atoms]),
            cell=graph.cell[row],
            pbc=graph.pbc[row],
            senders=graph.senders[pair] - nodes[index],
            receivers=graph.receivers[pair] - nodes[index],
            shifts=graph.shifts[pair],
            energy=None if graph.energy is None else graph.energy[row],
            forces=None if graph.forces is None else graph.forces[atoms],
            stress=None if graph.stress is None else graph.stress[row],
            groups=graph.groups[row],
            sources=graph.sources[row],
        )
        parts.append(part)
    return parts


def _offsets(counts: list[int]) -> list[int]:
    """Running sum, beginning with 0."""
    return [0, *torch.tensor(counts).cumsum(0).tolist()]


def _names(graphs: Sequence[Graph]) -> tuple[str, ...]:
    """Groups of all structures, "" where unknown; empty when all are."""
    if not any(graph.groups for graph in graphs):
        return ()
    return tuple(chain.from_iterable(graph.groups or ("",) * graph.graph_count for graph in graphs))


def _sources(graphs: Sequence[Graph]) -> tuple[Source, ...]:
    known = all(graph.sources for graph in graphs)
    return tuple(chain.from_iterable(graph.sources for graph in graphs)) if known else ()


def _kind(graph: Graph) -> str:
    return f"cutoff {graph.cutoff}, {graph.positions.dtype}, device {graph.positions.device}"
