"""Messages along edges as a compiled operator that never stores them; O(3) acts on `dim`, channels are lanes.

    z[i] = sum over edges e with receivers[e] = i, paths and j of   w[e, path] T[row, k, j] x[senders[e], k] y[e, j]

The twin, and the documentation of what is computed, is `Convolution.readable`.
"""

import ctypes
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from intertwine.tensor_products.kernels.library import address, kernel, sort_edges
from intertwine.tensor_products.kernels.operator import Operator


class EdgeOrder(NamedTuple):
    """Edges by receiver, `order[first[i] : first[i + 1]]`, and positions in `order` of the edges of every sender."""

    first: Tensor
    order: Tensor
    sender_first: Tensor
    places: Tensor


def convolve(
    x: Tensor,
    y: Tensor,
    w: Tensor | None,
    senders: Tensor,
    receivers: Tensor,
    structure: Tensor,
    coefficients: Tensor,
    dim: int,
    ordered: bool,
) -> Tensor:
    """The sums of messages: x `node dim1 channel`, y `edge dim2`, w `edge paths channel` to `node dim channel`.

    Sums are ordered, the same in every call, on the CPU always, and on a GPU unless `ordered` is false.
    """
    return _CONVOLVE(x, y, w, senders, receivers, structure, coefficients, dim, ordered)


def takes(x: Tensor, y: Tensor, w: Tensor | None) -> bool:
    """Whether the kernel runs on these."""
    return _CONVOLVE.takes(x, y, w)


def edge_order(senders: Tensor, receivers: Tensor, nodes: int) -> EdgeOrder:
    """Sort the edges of a graph.

    Raises:
        IndexError: an edge starts or ends at a node that is not there.
    """
    order = EdgeOrder(*(senders.new_empty(size) for size in (nodes + 1, len(senders), nodes + 1, len(senders))))
    if not sort_edges(senders, receivers, nodes, *order):
        found = torch.cat([senders, receivers])
        raise IndexError(
            f"Convolution: expected senders and receivers from 0 to {nodes - 1}, the nodes of x, came indices from "
            f"{int(found.min())} to {int(found.max())}. Check that x and the edges belong to the same batch."
        )
    return order


def _run(
    x: Tensor,
    y: Tensor,
    w: Tensor | None,
    senders: Tensor,
    receivers: Tensor,
    structure: Tensor,
    coefficients: Tensor,
    dim: int,
    ordered: bool,
) -> Tensor:
    x, y, w, senders, receivers = _plain(x, y, w, senders, receivers)
    z = x.new_empty(x.shape[0], dim, x.shape[2])
    order = edge_order(senders, receivers, x.shape[0])
    if z.numel():
        graph = (_sizes(x.shape[0], len(senders), x.shape[2]), address(senders), address(order.first))
        given = [address(each) for each in (order.order, x, y, w, z)]
        _call("convolve", x, structure, coefficients, *graph, *given)
    return z


def _run_backward(
    x: Tensor,
    y: Tensor,
    w: Tensor | None,
    gz: Tensor,
    senders: Tensor,
    receivers: Tensor,
    structure: Tensor,
    coefficients: Tensor,
    ordered: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of <gz, z> by x, y and w (empty without weights)."""
    x, y, w, senders, receivers = _plain(x, y, w, senders, receivers)
    gz = gz.contiguous()
    gx, gy = torch.zeros_like(x), torch.zeros_like(y)
    gw = x.new_empty(0) if w is None else torch.empty_like(w)
    found = (gx, gy, None if w is None else gw)
    _pass("convolve_backward", (x, y, w, gz), found, senders, receivers, structure, coefficients)
    return gx, gy, gw


def _run_twice(
    x: Tensor,
    y: Tensor,
    w: Tensor | None,
    gz: Tensor,
    hx: Tensor,
    hy: Tensor,
    hw: Tensor,
    senders: Tensor,
    receivers: Tensor,
    structure: Tensor,
    coefficients: Tensor,
    ordered: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of <gx, hx> + <gy, hy> + <gw, hw> by x, y, w (empty without weights) and gz."""
    x, y, w, senders, receivers = _plain(x, y, w, senders, receivers)
    gz, hx, hy, hw = (each.contiguous() for each in (gz, hx, hy, hw))
    dx, dy, dz = torch.zeros_like(x), torch.zeros_like(y), torch.empty_like(gz)
    dw = x.new_empty(0) if w is None else torch.empty_like(w)
    given = (x, y, w, gz, hx, hy, None if w is None else hw)
    _pass("convolve_twice", given, (dx, dy, None if w is None else dw, dz), senders, receivers, structure, coefficients)
    return dx, dy, dw, dz


def _pass(
    name: str,
    given: tuple[Tensor | None, ...],
    found: tuple[Tensor | None, ...],
    senders: Tensor,
    receivers: Tensor,
    structure: Tensor,
    coefficients: Tensor,
) -> None:
    """A pass over the edges, and for several threads the sum by sender that one thread does on the way."""
    x, gx = given[0], found[0]
    assert x is not None and gx is not None
    nodes, dim1, channels = x.shape
    order, edges = edge_order(senders, receivers, nodes), len(senders)
    if not given[3].numel():  # type: ignore[union-attr]
        return
    by_edge = x.new_empty(edges, dim1, channels) if torch.get_num_threads() > 1 else None
    graph = (_sizes(nodes, edges, channels), address(senders), address(order.first), address(order.order))
    pointers = [address(each) for each in (*given, *found, by_edge)]
    _call(name, x, structure, coefficients, *graph, *pointers)
    if by_edge is not None:
        places = (address(order.sender_first), address(order.places), _sizes(nodes, dim1 * channels))
        kernel("gather_edges", x.dtype)(address(by_edge), *places, address(gx), torch.get_num_threads())


def _call(name: str, x: Tensor, structure: Tensor, coefficients: Tensor, *arguments: Any) -> None:
    kernel(name, x.dtype)(address(structure), address(coefficients), *arguments, torch.get_num_threads())


def _plain(
    x: Tensor, y: Tensor, w: Tensor | None, senders: Tensor, receivers: Tensor
) -> tuple[Tensor, Tensor, Tensor | None, Tensor, Tensor]:
    x, y, senders, receivers = x.contiguous(), y.contiguous(), senders.long(), receivers.long()
    return x, y, None if w is None else w.contiguous(), senders.contiguous(), receivers.contiguous()


@lru_cache(maxsize=1024)
def _sizes(*sizes: int) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * len(sizes))(*sizes)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*(each for each in inputs if not isinstance(each, int)))
    ctx.ordered = inputs[-1]


def _backward(ctx: Any, gz: Tensor) -> tuple[Tensor | None, ...]:
    x, y, w, *graph = ctx.saved_tensors
    gx, gy, gw = _CONVOLVE_BACKWARD(x, y, w, gz, *graph, ctx.ordered)
    return gx, gy, None if w is None else gw, None, None, None, None, None, None


def _backward_backward(ctx: Any, hx: Tensor, hy: Tensor, hw: Tensor) -> tuple[Tensor | None, ...]:
    x, y, w, gz, *graph = ctx.saved_tensors
    dx, dy, dw, dz = _CONVOLVE_TWICE(x, y, w, gz, hx, hy, hw, *graph, ctx.ordered)
    return dx, dy, None if w is None else dw, dz, None, None, None, None, None


def _third(ctx: Any, *_: Tensor) -> Any:
    raise NotImplementedError(
        "convolve: compiled kernels have two derivatives, came a request for a third. Compute it on the readable "
        "twins: with intertwine.tensor_products.kernels.library.using(None): ..."
    )


def _like(*tensors: Tensor | None) -> list[Tensor]:
    """Empty results of the shapes of inputs; of none, the empty tensor that stands for it."""
    some = next(each for each in tensors if each is not None)
    return [
        some.new_empty(0) if each is None else torch.empty_like(each, memory_format=torch.contiguous_format)
        for each in tensors
    ]


def _work(x: Tensor, y: Tensor, w: Tensor | None, structure: Tensor, coefficients: Tensor, times: int) -> int:
    """Of every edge: a matrix from the filter, then this matrix and the weights on the features; `times` over."""
    entries = int(structure[5])
    paths = 0 if w is None else w.shape[1]
    return 2 * y.shape[0] * (coefficients.numel() + (entries + paths) * x.shape[2]) * times


_CONVOLVE = Operator(
    "convolve(Tensor x, Tensor y, Tensor? w, Tensor senders, Tensor receivers, Tensor structure, Tensor coefficients,"
    " int dim, bool ordered) -> Tensor",
    run=_run,
    gpu="triton_convolve:convolve",
    shapes=lambda x, y, w, senders, receivers, structure, coefficients, dim, ordered: x.new_empty(
        x.shape[0], dim, x.shape[2]
    ),
    setup=_setup,
    backward=_backward,
    flops=lambda x, y, w, senders, receivers, structure, coefficients, *_: _work(x, y, w, structure, coefficients, 1),
)
_CONVOLVE_BACKWARD = Operator(
    "convolve_backward(Tensor x, Tensor y, Tensor? w, Tensor gz, Tensor senders, Tensor receivers, Tensor structure,"
    " Tensor coefficients, bool ordered) -> (Tensor, Tensor, Tensor)",
    run=_run_backward,
    gpu="triton_convolve:convolve_backward",
    shapes=lambda x, y, w, gz, *_: tuple(_like(x, y, w)),
    setup=_setup,
    backward=_backward_backward,
    flops=lambda x, y, w, gz, senders, receivers, structure, coefficients, *_: _work(
        x, y, w, structure, coefficients, 3
    ),
)
_CONVOLVE_TWICE = Operator(
    "convolve_twice(Tensor x, Tensor y, Tensor? w, Tensor gz, Tensor hx, Tensor hy, Tensor hw, Tensor senders,"
    " Tensor receivers, Tensor structure, Tensor coefficients, bool ordered) -> (Tensor, Tensor, Tensor, Tensor)",
    run=_run_twice,
    gpu="triton_convolve:convolve_twice",
    shapes=lambda x, y, w, gz, *_: tuple(_like(x, y, w, gz)),
    setup=_setup,
    backward=_third,
    flops=lambda x, y, w, gz, hx, hy, hw, senders, receivers, structure, coefficients, *_: _work(
        x, y, w, structure, coefficients, 8
    ),
)
