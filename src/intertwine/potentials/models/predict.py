"""Many structures through a potential in batches that fit in memory; no group acts but the potential's own."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import TypeVar

import torch

from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.uncertainty import Deviation, Estimator
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph, Prediction
from intertwine.potentials.structures.neighbors import connect

BATCH_EDGES = 16_384
"""Atoms and edges of a batch: what memory grows with, unlike the number of structures."""

Rows = TypeVar("Rows", Prediction, Deviation)


def predictions(
    potential: Potential,
    graphs: Sequence[Graph],
    *,
    forces: bool = True,
    stress: bool = False,
    estimator: Estimator | None = None,
    batch_edges: int = BATCH_EDGES,
) -> Iterator[tuple[Graph, Prediction, Deviation | None]]:
    """Batches without labels on the device of the potential, each with what is predicted for it, without autograd."""
    device = potential.get_buffer("species_index").device  # parameters there may be none
    with torch.no_grad():
        for members in batches_of_edges(graphs, potential.cutoff, batch_edges):
            batch = collate(members).to(device)
            if estimator is None:
                yield batch, potential(batch, forces=forces, stress=stress), None
            else:
                yield batch, *estimator(batch, forces=forces, stress=stress)


def batches_of_edges(graphs: Sequence[Graph], cutoff: float, limit: int) -> Iterator[list[Graph]]:
    """Connected structures without labels, as many at once as have `limit` atoms and edges together; at least one.

    Neighbours are searched batch by batch: edges of a large set never lie in memory together.
    """
    members, size = [], 0
    for graph in graphs:
        bare = replace(graph, energy=None, forces=None, stress=None)
        ready = bare if graph.cutoff == cutoff else connect(bare, cutoff)
        cost = ready.node_count + len(ready.senders)
        if members and size + cost > limit:
            yield members
            members, size = [], 0
        members.append(ready)
        size += cost
    if members:
        yield members


def apart(batch: Graph, rows: Rows) -> list[Rows]:
    """Results for a batch as results for each structure, on the CPU."""
    atoms = torch.bincount(batch.structure, minlength=batch.graph_count).tolist()
    columns = []
    for field in fields(rows):
        value = getattr(rows, field.name)
        counts = atoms if field.name in ("forces", "node_energy") else [1] * batch.graph_count
        columns.append([None] * batch.graph_count if value is None else value.cpu().split(counts))
    return [type(rows)(*parts) for parts in zip(*columns, strict=True)]
