"""Edges listed by the node that they end or start at, for kernels on a GPU, while a graph lives. No group acts here."""

from collections.abc import MutableMapping
from typing import NamedTuple

import torch
from jaxtyping import Int, Int32
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_SORTED: MutableMapping[Tensor, tuple[int, "EdgesByNode"]] = WeakTensorKeyDictionary()
_CHECKED: MutableMapping[Tensor, tuple[int, int]] = WeakTensorKeyDictionary()


class EdgesByNode(NamedTuple):
    """Node n has the edges `edges[starts[n] : starts[n + 1]]`, in their first order."""

    edges: Int32[Tensor, "edge"]
    starts: Int32[Tensor, "node+1"]


def edges_by_node(ends: Int[Tensor, "edge"], nodes: int) -> EdgesByNode:
    """Sort edges by one of their ends; the same tensor, unchanged, is sorted once.

    Example:
        >>> edges_by_node(torch.tensor([2, 0, 2]), 3)
        EdgesByNode(edges=tensor([1, 0, 2], dtype=torch.int32), starts=tensor([0, 1, 1, 3], dtype=torch.int32))
    """
    version = _version(ends)
    before, found = _SORTED.get(ends, (-1, None))
    if found is None or before != version or len(found.starts) != nodes + 1:
        ordered, edges = torch.sort(ends, stable=True)
        bounds = torch.arange(nodes + 1, device=ordered.device, dtype=ordered.dtype)
        found = EdgesByNode(edges.int(), torch.searchsorted(ordered, bounds, out_int32=True))
        if version >= 0:
            _SORTED[ends] = version, found
    return found


def check_ends(ends: Int[Tensor, "edge"], nodes: int) -> None:
    """Stop at an edge to nowhere: kernels read memory where edges point. The same tensor, unchanged, is checked once.

    A GPU is not waited for: it stops with an assertion of its own, as it does in torch's own indexing.

    Raises:
        IndexError: on the CPU.
    """
    version = _version(ends)
    if not len(ends) or (version >= 0 and _CHECKED.get(ends) == (version, nodes)):
        return
    smallest, largest = torch.aminmax(ends)
    message = f"Convolution: expected senders and receivers from 0 to {nodes - 1}, the nodes of x"
    if ends.is_cuda:
        torch._assert_async((smallest >= 0) & (largest < nodes), f"{message}, came others.")
    elif smallest < 0 or largest >= nodes:
        raise IndexError(
            f"{message}, came indices from {int(smallest)} to {int(largest)}. "
            f"Check that x and the edges belong to the same batch."
        )
    if version >= 0:
        _CHECKED[ends] = version, nodes


def _version(ends: Tensor) -> int:
    """How often a tensor was written to; -1 for those that do not count it."""
    return -1 if ends.is_inference() else ends._version
