"""Which edges are the two directions of one pair of atoms, and so equally long; E(3) leaves that alone."""

from collections.abc import MutableMapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from intertwine.potentials.structures.graph import Graph

LARGEST_KEY = 2**62
_FOUND: MutableMapping[Tensor, tuple[Tensor, Tensor, tuple[int, ...], "Pairs"]] = WeakTensorKeyDictionary()


class Pairs(NamedTuple):
    """Edges by pair: edge e belongs to pair p = `of_edge[e]`, whose vector is that of edge `first[p]` up to its sign.

    Whatever depends on lengths alone is computed once for a pair, from the vector of its first edge. The energy is the
    same, and so are forces and stress; its slope by the vector of a first edge then holds what belongs to the other,
    which pulls the same atoms along the same line.
    """

    first: Int[Tensor, "pair"]
    """An edge of every pair."""
    of_edge: Int[Tensor, "edge"]
    """The pair of every edge."""


def pairs_of(graph: Graph) -> Pairs:
    """The pairs of a graph; the same edges, unchanged, are sorted once.

    Example:
        >>> from ase.build import molecule
        >>> from intertwine.potentials.data.readers import from_atoms
        >>> from intertwine.potentials.structures.neighbors import connect
        >>> pairs = pairs_of(connect(from_atoms(molecule("H2O")), 4.0))
        >>> pairs.first.tolist(), pairs.of_edge.tolist()
        ([0, 1, 3], [0, 1, 0, 2, 1, 2])
    """
    edges = graph.senders, graph.receivers, graph.shifts
    if any(each.is_inference() for each in edges):  # such tensors do not count how often they are written to
        return find_pairs(*edges)
    versions = tuple(each._version for each in edges)
    receivers, shifts, before, found = _FOUND.get(graph.senders, (None, None, (), None))
    if found is None or receivers is not graph.receivers or shifts is not graph.shifts or before != versions:
        found = find_pairs(*edges)
        _FOUND[graph.senders] = graph.receivers, graph.shifts, versions, found
    return found


def find_pairs(senders: Int[Tensor, "edge"], receivers: Int[Tensor, "edge"], shifts: Float[Tensor, "edge 3"]) -> Pairs:
    r"""Sort edges by pair of atoms and image: an edge and its reverse, the opposite shift, get the same place.

        (sender, receiver, shift)   and   (receiver, sender, -shift)

    An edge whose reverse is missing is a pair of its own, and so is every edge where one is listed twice, or where the
    system is too large for the keys: sums over a pair have at most two terms, and so no order.

    Example:
        >>> find_pairs(torch.tensor([0, 0]), torch.tensor([0, 0]), torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]])).of_edge
        tensor([0, 0])
    """
    count = senders.shape[0]
    whole = shifts.long()
    reach = 2 * int(whole.abs().max()) + 1 if count else 1
    nodes = int(torch.maximum(senders, receivers).max()) + 1 if count else 1
    every = torch.arange(count, device=senders.device)
    if nodes**2 * reach**3 > LARGEST_KEY:
        return Pairs(every, every)
    place = (whole[:, 0] * reach + whole[:, 1]) * reach + whole[:, 2]  # its sign turns with that of the shift
    turned = (senders < receivers) | ((senders == receivers) & (place < 0))
    low, high = torch.minimum(senders, receivers), torch.maximum(senders, receivers)
    key = (low * nodes + high) * reach**3 + torch.where(turned, -place, place)
    keys, index, sizes = torch.unique(key, return_inverse=True, return_counts=True)
    if (sizes > 2).any():
        return Pairs(every, every)
    return Pairs(torch.full_like(keys, count).scatter_reduce(0, index, every, "amin"), index)
