"""Neighbour lists, found by vesin; E(3) and permutations act on positions, and edges follow."""

from dataclasses import replace
from math import cbrt, trunc

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from vesin import NeighborList

from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.lattice import complete, plane_spacing
from intertwine.potentials.structures.soundness import check_distances, check_structure

MOST_EDGES = 3e8
"""Edges of one structure beyond which the cutoff is taken for a mistake: they alone would fill 10 GB."""
VESIN_CELLS = 9e4
"""Cells that vesin bins atoms into, at most, with a margin of a tenth for its rounding."""


def connect(graph: Graph, cutoff: float) -> Graph:
    r"""The graph with an edge for every ordered pair of atoms nearer than `cutoff`, periodic images included.

        vector = positions[receivers] - positions[senders] + shifts @ cell[structure[receivers]],   |vector| < cutoff

    Edges come in both directions, sorted by receiver, then sender, then shift, so that the same structure gives the
    same graph on every run. An atom may neighbour its own images; an atom without neighbours has no edges, which is no
    error. Edges that the graph already had are replaced.

    Raises:
        GraphError: whatever `check_structure` or `check_distances` refuses, or a cutoff that is no sensible length.

    Example:
        >>> from ase.build import bulk
        >>> from intertwine.potentials.data.readers import from_atoms
        >>> connect(from_atoms(bulk("Cu", "fcc", a=3.6)), 3.0).senders.shape
        torch.Size([12])
    """
    if not 0 < cutoff < float("inf"):
        raise GraphError(f"connect: cutoff is {cutoff}, expected a positive length in Angstrom; 5.0 is usual.")
    check_structure(graph)
    check_distances(graph)
    positions = graph.positions.detach().cpu().numpy().astype(np.float64)
    cells = graph.cell.detach().cpu().numpy().astype(np.float64)
    counts = torch.bincount(graph.structure, minlength=graph.graph_count).tolist()
    parts, first = [], 0
    for index, (count, cell, pbc) in enumerate(zip(counts, cells, graph.pbc.cpu().numpy())):
        points = np.ascontiguousarray(positions[first : first + count])
        expected = _expected_edges(points, cell, pbc, cutoff)
        if expected > MOST_EDGES:
            raise GraphError(
                f"{graph.place(index)}: cutoff {cutoff} A would make about {expected:.0e} edges, expected at most "
                f"{MOST_EDGES:.0e}; check the units of cutoff and cell."
            )
        receivers, senders, shifts = _pairs(points, cell, pbc, cutoff)
        parts.append((receivers + first, senders + first, shifts))
        first += count
    receivers, senders, shifts = (np.concatenate(arrays) for arrays in zip(*parts))
    device = graph.positions.device
    return replace(
        graph,
        senders=torch.from_numpy(senders).to(device),
        receivers=torch.from_numpy(receivers).to(device),
        shifts=torch.from_numpy(shifts).to(device, graph.positions.dtype),
        cutoff=float(cutoff),
    )


def edge_vectors(graph: Graph) -> Float[Tensor, "edge 3"]:
    """From sender to receiver, Angstrom, see `connect`.

        vector = positions[receivers] - positions[senders] + shifts @ cell[structure[receivers]]

    Differentiable in positions and cell, and the only place where this formula stands.
    """
    if graph.graph_count == 1:
        offsets = graph.shifts @ graph.cell[0]
    else:
        offsets = torch.einsum("ei,eij->ej", graph.shifts, graph.cell[graph.structure[graph.receivers]])
    return graph.positions[graph.receivers] - graph.positions[graph.senders] + offsets


def _pairs(
    points: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Receivers, senders and whole shifts of one structure, sorted."""
    reach = _reach(points, cell, pbc, cutoff)
    search = NeighborList(cutoff=reach, full_list=True, n_threads=1)
    receivers, senders, shifts, distances = search.compute(points, cell, pbc, "ijSd")
    # vesin's vector runs from i to j, at points[j] - points[i] + S cell. We let i receive, so the shift changes sign.
    shifts = -shifts
    if reach > cutoff:
        near = distances < cutoff
        receivers, senders, shifts = receivers[near], senders[near], shifts[near]
    order = np.lexsort((*shifts.T[::-1], senders, receivers))
    return receivers[order].astype(np.int64), senders[order].astype(np.int64), shifts[order]


def _reach(points: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float) -> float:
    """The cutoff to ask vesin for: larger than ours when its cell grid would else have a side of no cells.

    vesin 0.6 shrinks a grid of more than 10^5 cells in proportion, rounds the short side of a wide and flat one down to
    zero, and ends the process with a division by zero. See `test_wide_flat_structures_do_not_end_the_process`.
    """
    extent = np.ptp(points, axis=0)
    extent = np.maximum(1.01 * np.where(extent < 1e-6, 1.0, extent), 1.0)
    spacing = np.where(pbc, plane_spacing(complete(cell, pbc)), extent)
    reach = cutoff
    while True:
        x, y, z = (max(trunc(length / reach), 1) for length in spacing)
        if x * y * z <= VESIN_CELLS:
            return reach
        z_scaled = trunc(cbrt(VESIN_CELLS / ((x / y) * (y / z) ** 2)))
        y_scaled = trunc(y / z * z_scaled)
        if min(z_scaled, y_scaled, trunc(x / y * y_scaled)) > 0:
            return reach
        reach *= 1.1


def _expected_edges(points: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float) -> float:
    """Edges if the atoms filled their box evenly; vacuum does not count."""
    extent = np.where(pbc, 1.0, np.ptp(points @ np.linalg.inv(complete(cell, pbc)), axis=0) + cutoff)
    volume = abs(np.linalg.det(complete(cell, pbc))) * extent.prod()
    return len(points) ** 2 / volume * 4 / 3 * np.pi * cutoff**3
