"""Frames that lack a label among frames that have it: a blank is NaN and counts nowhere. No group acts here."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from intertwine.potentials.structures.batching import LABELS, collate
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.lattice import complete


def collate_partial(graphs: Sequence[Graph]) -> Graph:
    """Join graphs of which some lack a label that others have; what they lack is NaN in the batch.

    A label that none of them has stays None. Readers refuse NaN, so a NaN here is a blank and nothing else.

    Example:
        >>> from ase.build import molecule
        >>> from intertwine.potentials.data.readers import from_atoms
        >>> water = from_atoms(molecule("H2O"))
        >>> labelled = replace(water, energy=torch.tensor([-2080.0], dtype=torch.float64))
        >>> collate_partial([labelled, water]).energy
        tensor([-2080.,    nan], dtype=torch.float64)
    """
    found = [label for label in LABELS if any(getattr(graph, label) is not None for graph in graphs)]
    return collate([_with_blanks(graph, found) for graph in graphs])


def _with_blanks(graph: Graph, labels: Sequence[str]) -> Graph:
    missing = [label for label in labels if getattr(graph, label) is None]
    sizes = {"energy": (graph.graph_count,), "forces": (graph.node_count, 3), "stress": (graph.graph_count, 3, 3)}
    for label in missing:
        dtype = torch.float64 if label == "energy" else graph.positions.dtype
        blank = torch.full(sizes[label], torch.nan, dtype=dtype, device=graph.positions.device)
        graph = replace(graph, **{label: blank})
    return with_volume(graph) if "stress" in missing else graph


def with_volume(graph: Graph) -> Graph:
    """A molecule or slab in a batch whose stress is computed: unit vectors stand in for the cell vectors it has not.

    Edges were made before and do not cross them. The stress of such a structure means nothing, and nobody reads it.
    """
    cells = [
        torch.from_numpy(complete(cell.double().cpu().numpy(), pbc.cpu().numpy()))
        for cell, pbc in zip(graph.cell, graph.pbc)
    ]
    return replace(graph, cell=torch.stack(cells).to(graph.cell))
