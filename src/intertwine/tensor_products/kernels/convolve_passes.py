"""The passes over the edges of a graph that `convolve` is made of, on the CPU; O(3) acts on `dim`, channels are lanes.

    z[i] = sum over e with receivers[e] = i, paths and j of   w[pair[e], path] T[row, k, j] x[senders[e], k] y[e, j]

forward, its gradients, and the gradients of these: shapes and memory for the compiled functions. What a derivative is
made of stands in `convolve`.
"""

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from intertwine.tensor_products.kernels.blocks import empty
from intertwine.tensor_products.kernels.edges_by_node import check_ends
from intertwine.tensor_products.kernels.library import address, all_within, kernel, sort_edges


class EdgeOrder(NamedTuple):
    """Edges by receiver, `order[first[i] : first[i + 1]]`, and positions in `order` of the edges of every sender."""

    first: Tensor
    order: Tensor
    sender_first: Tensor
    places: Tensor


def edge_order(senders: Tensor, receivers: Tensor, nodes: int) -> EdgeOrder:
    """Sort the edges of a graph.

    Raises:
        IndexError: an edge starts or ends at a node that is not there.
    """
    order = EdgeOrder(*(senders.new_empty(size) for size in (nodes + 1, len(senders), nodes + 1, len(senders))))
    if not sort_edges(senders, receivers, nodes, *order):
        check_ends(torch.cat([senders, receivers]), nodes)
    return order


def forward(
    x: Tensor,
    y: Tensor,
    w: Tensor | None,
    senders: Tensor,
    receivers: Tensor,
    structure: Tensor,
    coefficients: Tensor,
    dim: int,
    ordered: bool,
    pair: Tensor | None = None,
) -> Tensor:
    """The sums of messages."""
    x, y, w, senders, receivers, pair = _plain(x, y, w, senders, receivers, pair)
    if pair is not None and w is not None:
        _check_pairs(pair, len(w))
    z = empty(x, x.shape[0], dim, x.shape[2])
    order = edge_order(senders, receivers, x.shape[0])
    if z.numel():
        sizes = _sizes(x.shape[0], len(senders), x.shape[2], 0 if w is None else len(w))
        given = [address(each) for each in (senders, order.first, order.order, pair, x, y, w, z)]
        _call("convolve", x, structure, coefficients, sizes, *given)
    return z


def _check_pairs(pair: Tensor, count: int) -> None:
    """Kernels read memory where it points."""
    if not all_within(pair, count):
        raise IndexError(
            f"Convolution: expected pairs from 0 to {count - 1}, the rows of weight, came indices from "
            f"{int(pair.min())} to {int(pair.max())}. Check that weights and pairs belong to the same edges."
        )


def backward(
    x: Tensor,
    y: Tensor,
    w: Tensor | None,
    gz: Tensor,
    senders: Tensor,
    receivers: Tensor,
    structure: Tensor,
    coefficients: Tensor,
    ordered: bool,
    of: Sequence[bool],
    pair: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of <gz, z> by those of x, y and w that are asked for; the others are empty."""
    x, y, w, senders, receivers, pair = _plain(x, y, w, senders, receivers, pair)
    found = _results(x, y, w, of)
    _pass("convolve_backward", (x, y, w, gz.contiguous()), found, senders, receivers, pair, structure, coefficients)
    return _shown(x, found)


def twice(
    x: Tensor,
    y: Tensor,
    w: Tensor | None,
    gz: Tensor,
    hx: Tensor | None,
    hy: Tensor | None,
    hw: Tensor | None,
    senders: Tensor,
    receivers: Tensor,
    structure: Tensor,
    coefficients: Tensor,
    ordered: bool,
    of: Sequence[bool],
    pair: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of <gx, hx> + <gy, hy> + <gw, hw> by gz, and by those of x, y and w that are asked for."""
    x, y, w, senders, receivers, pair = _plain(x, y, w, senders, receivers, pair)
    tangents = [None if each is None else each.contiguous() for each in (hx, hy, hw)]
    found, dz = _results(x, y, w, of), empty(gz, *gz.shape)
    given = (x, y, w, gz.contiguous(), *tangents)
    _pass("convolve_twice", given, (*found, dz), senders, receivers, pair, structure, coefficients)
    return *_shown(x, found), dz


def _results(x: Tensor, y: Tensor, w: Tensor | None, of: Sequence[bool]) -> tuple[Tensor | None, ...]:
    """Memory for the gradients that are asked for; those of features are added to."""
    of_x, of_y, of_w = of
    gw = empty(w, *w.shape) if of_w and w is not None else None
    return torch.zeros_like(x) if of_x else None, torch.zeros_like(y) if of_y else None, gw


def _shown(x: Tensor, found: Sequence[Tensor | None]) -> tuple[Tensor, Tensor, Tensor]:
    """Empty tensors for what was not asked for: operators return tensors."""
    gx, gy, gw = (x.new_empty(0) if each is None else each for each in found)
    return gx, gy, gw


def _pass(
    name: str,
    given: tuple[Tensor | None, ...],
    found: tuple[Tensor | None, ...],
    senders: Tensor,
    receivers: Tensor,
    pair: Tensor | None,
    structure: Tensor,
    coefficients: Tensor,
) -> None:
    """A pass over the edges, and the sum by sender."""
    x, w = given[0], given[2]
    assert x is not None
    order = edge_order(senders, receivers, x.shape[0])
    if not given[3].numel():  # type: ignore[union-attr]
        return
    sizes = _sizes(x.shape[0], len(senders), x.shape[2], 0 if w is None else len(w))
    graph = (senders, order.first, order.order, pair)
    pointers = [address(each) for each in (*graph, *given, *found, order.sender_first, order.places)]
    _call(name, x, structure, coefficients, sizes, *pointers)


def _call(name: str, x: Tensor, structure: Tensor, coefficients: Tensor, *arguments: Any) -> None:
    kernel(name, x.dtype)(address(structure), address(coefficients), *arguments, torch.get_num_threads())


def _plain(
    x: Tensor, y: Tensor, w: Tensor | None, senders: Tensor, receivers: Tensor, pair: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None, Tensor, Tensor, Tensor | None]:
    x, y, w = x.contiguous(), y.contiguous(), None if w is None else w.contiguous()
    senders, receivers = senders.long().contiguous(), receivers.long().contiguous()
    return x, y, w, senders, receivers, None if pair is None else pair.long().contiguous()


@lru_cache(maxsize=1024)
def _sizes(*sizes: int) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * len(sizes))(*sizes)
