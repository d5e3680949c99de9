"""Messages along edges as a compiled operator that never stores them; O(3) acts on `dim`, channels are lanes.

    z[i] = sum over e with receivers[e] = i, paths and j of   w[pair[e], path] T[row, k, j] x[senders[e], k] y[e, j]

The twin, and the documentation of what is computed, is `Convolution.readable`. Here stands what derivatives are
made of; `convolve_passes` runs it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from intertwine.tensor_products.kernels.convolve_passes import backward, forward, twice
from intertwine.tensor_products.kernels.library import TRITON, active_isa
from intertwine.tensor_products.kernels.operator import Operator, refuse_third, wanted


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
    run=forward,
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
    run=backward,
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
    run=twice,
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
