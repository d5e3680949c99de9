"""Messages along edges as a compiled operator that never stores them; O(3) acts on `dim`, channels are lanes.

    z[i] = sum over e with receivers[e] = i, paths and j of   w[pair[e], path] T[row, k, j] x[senders[e], k] y[e, j]

The twin, and the documentation of what is computed, is `Convolution.readable`.
"""

import ctypes
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from intertwine.tensor_products.kernels.blocks import empty
from intertwine.tensor_products.kernels.library import TRITON, active_isa, address, kernel, sort_edges
from intertwine.tensor_products.kernels.operator import Operator, refuse_third, wanted


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
    pair: Tensor | None = None,
) -> Tensor:
    """The sums of messages: x `node dim1 channel`, y `edge dim2`, w `pair paths channel` to `node dim channel`.

    Sums are ordered, the same in every call, on the CPU always, and on a GPU unless `ordered` is false. At most two
    edges may be of one `pair`: the order of more would show in the last digits of the gradient by w.
    """
    if pair is not None and w is not None and (x.is_cuda or active_isa() == TRITON):
        w, pair = w.index_select(0, pair), None
    return _CONVOLVE(x, y, w, senders, receivers, structure, coefficients, dim, ordered, None if w is None else pair)


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
    pair: Tensor | None = None,
) -> Tensor:
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
    if not len(pair):
        return
    smallest, largest = (int(each) for each in torch.aminmax(pair))
    if smallest < 0 or largest >= count:
        raise IndexError(
            f"Convolution: expected pairs from 0 to {count - 1}, the rows of weight, came indices from {smallest} to "
            f"{largest}. Check that weights and pairs belong to the same edges."
        )


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
    of: Sequence[bool],
    pair: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of <gz, z> by those of x, y and w that are asked for; the others are empty."""
    x, y, w, senders, receivers, pair = _plain(x, y, w, senders, receivers, pair)
    found = _results(x, y, w, of)
    _pass("convolve_backward", (x, y, w, gz.contiguous()), found, senders, receivers, pair, structure, coefficients)
    return _shown(x, found)


def _run_twice(
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


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    x, y, w, senders, receivers, structure, coefficients, _, ctx.ordered, pair = inputs
    ctx.save_for_backward(x, y, w, senders, receivers, structure, coefficients, pair)


def _setup_backward(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, ctx.ordered, _, pair = inputs
    ctx.save_for_backward(*tensors, pair)


def _backward(ctx: Any, gz: Tensor) -> tuple[Tensor | None, ...]:
    x, y, w, *graph, pair = ctx.saved_tensors
    of = wanted(ctx, 0, 1, 2)
    found = _CONVOLVE_BACKWARD(x, y, w, gz, *graph, ctx.ordered, of, pair)
    return *_asked_for(found, of), None, None, None, None, None, None, None


def _backward_backward(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor | None, ...]:
    """Slopes of t(x, y, w, gz) = <gz, z> along (hx, hy, hw); as it is linear in each, one alone takes its place."""
    *given, gz, senders, receivers, structure, coefficients, pair = ctx.saved_tensors
    tables, of = (senders, receivers, structure, coefficients), wanted(ctx, 0, 1, 2)
    present = [place for place, each in enumerate(tangents) if each is not None and given[place] is not None]
    if len(present) == 1:
        given[present[0]] = tangents[present[0]]
        of = tuple(asked and place != present[0] for place, asked in enumerate(of))
        found = _CONVOLVE_BACKWARD(*given, gz, *tables, ctx.ordered, of, pair)
        dz = _CONVOLVE(*given, *tables, gz.shape[1], ctx.ordered, pair)
    else:
        *found, dz = _CONVOLVE_TWICE(*given, gz, *tangents, *tables, ctx.ordered, of, pair)
    return *_asked_for(found, of), dz, None, None, None, None, None, None, None


def _asked_for(found: Sequence[Tensor | None], of: Sequence[bool]) -> Iterator[Tensor | None]:
    return (each if asked else None for each, asked in zip(found, of, strict=True))


def _like(tensors: Sequence[Tensor | None], of: Sequence[bool]) -> list[Tensor]:
    """Empty results of the shapes of inputs, or the empty tensor that stands for what is not there."""
    some = next(each for each in tensors if each is not None)
    return [
        torch.empty_like(each, memory_format=torch.contiguous_format)
        if asked and each is not None
        else some.new_empty(0)
        for each, asked in zip(tensors, of, strict=True)
    ]


def _work(x: Tensor, y: Tensor, w: Tensor | None, structure: Tensor, coefficients: Tensor, times: int) -> int:
    """Of every edge: a matrix from the filter, then this matrix and the weights on the features; `times` over."""
    entries = int(structure[5])
    paths = 0 if w is None else w.shape[1]
    return 2 * y.shape[0] * (coefficients.numel() + (entries + paths) * x.shape[2]) * times


_CONVOLVE = Operator(
    "convolve(Tensor x, Tensor y, Tensor? w, Tensor senders, Tensor receivers, Tensor structure, Tensor coefficients,"
    " int dim, bool ordered, Tensor? pair=None) -> Tensor",
    run=_run,
    gpu="triton_convolve:convolve",
    shapes=lambda x, y, w, senders, receivers, structure, coefficients, dim, *_: x.new_empty(
        x.shape[0], dim, x.shape[2]
    ),
    setup=_setup,
    backward=_backward,
    flops=lambda x, y, w, senders, receivers, structure, coefficients, *_: _work(x, y, w, structure, coefficients, 1),
)
_CONVOLVE_BACKWARD = Operator(
    "convolve_backward(Tensor x, Tensor y, Tensor? w, Tensor gz, Tensor senders, Tensor receivers, Tensor structure,"
    " Tensor coefficients, bool ordered, bool[] of, Tensor? pair=None) -> (Tensor, Tensor, Tensor)",
    run=_run_backward,
    gpu="triton_convolve:convolve_backward",
    shapes=lambda x, y, w, gz, senders, receivers, structure, coefficients, ordered, of, *_: tuple(
        _like((x, y, w), of)
    ),
    setup=_setup_backward,
    backward=_backward_backward,
    flops=lambda x, y, w, gz, senders, receivers, structure, coefficients, *_: _work(
        x, y, w, structure, coefficients, 3
    ),
)
_CONVOLVE_TWICE = Operator(
    "convolve_twice(Tensor x, Tensor y, Tensor? w, Tensor gz, Tensor? hx, Tensor? hy, Tensor? hw, Tensor senders,"
    " Tensor receivers, Tensor structure, Tensor coefficients, bool ordered, bool[] of, Tensor? pair=None)"
    " -> (Tensor, Tensor, Tensor, Tensor)",
    run=_run_twice,
    gpu="triton_convolve:convolve_twice",
    shapes=lambda x, y, w, gz, hx, hy, hw, senders, receivers, structure, coefficients, ordered, of, *_: tuple(
        _like((x, y, w, gz), (*of, True))
    ),
    setup=_setup_backward,
    backward=refuse_third("convolve"),
    flops=lambda x, y, w, gz, hx, hy, hw, senders, receivers, structure, coefficients, *_: _work(
        x, y, w, structure, coefficients, 8
    ),
)
