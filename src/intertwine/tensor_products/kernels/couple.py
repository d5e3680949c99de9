"""The bilinear map of a coupling table as an operator of kernels; O(3) acts on `dim`, channels are lanes.

    z[row] = sum over paths, i, j of   w[path] T[row, i, j] x[i] y[j]                                    (couple)

The twin, and the documentation of what is computed, is `ClebschGordan.readable`.
"""

import ctypes
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from intertwine.tensor_products.kernels.blocks import empty
from intertwine.tensor_products.kernels.library import address, kernel
from intertwine.tensor_products.kernels.operator import Operator, refuse_third


def couple(x: Tensor, y: Tensor, w: Tensor | None, structure: Tensor, coefficients: Tensor, dim: int) -> Tensor:
    """The product of x `batch dim1 channel` and y `batch dim2 #channel` with weights w `#batch paths #channel`."""
    return _COUPLE(x, y, w, structure, coefficients, dim)


def takes(x: Tensor, y: Tensor, w: Tensor | None, rows: tuple[int, int, int]) -> bool:
    """Whether the kernel runs on these: of so many `rows`, w of no less, y and w with the channels of x or one.

    It reads memory where its table points, so that others are left to the twin, which says what is wrong with them.
    """
    channels = (1, x.shape[-1])
    fits = x.shape[-2] == rows[0] and y.shape[-2] == rows[1] and y.shape[-1] in channels
    if w is not None:
        fits = fits and w.shape[-2] >= rows[2] and w.shape[-1] in channels
    return fits and _COUPLE.takes(x, y, w)


def _run(x: Tensor, y: Tensor, w: Tensor | None, structure: Tensor, coefficients: Tensor, dim: int) -> Tensor:
    x, y = x.contiguous(), y.contiguous()
    w = None if w is None else w.contiguous()
    z = empty(x, x.shape[0], dim, x.shape[2])
    if z.numel():
        places = (address(structure), address(coefficients), _features(x, y, w, dim))
        kernel("couple", x.dtype)(*places, address(x), address(y), address(w), address(z), torch.get_num_threads())
    return z


def _run_backward(
    x: Tensor, y: Tensor, w: Tensor | None, gz: Tensor, structure: Tensor, coefficients: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of <gz, z> by x, y and w (empty without weights)."""
    x, y, gz = x.contiguous(), y.contiguous(), gz.contiguous()
    w = None if w is None else w.contiguous()
    gx, gy, gw = _gradients(x, y, w)
    if gz.numel():
        places = (address(structure), address(coefficients), _features(x, y, w, gz.shape[1]))
        given = (address(x), address(y), address(w), address(gz))
        found = (address(gx), address(gy), address(None if w is None else gw))
        kernel("couple_backward", x.dtype)(*places, *given, *found, torch.get_num_threads())
    return gx, _reduced(gy, y), gw if w is None else _reduced(gw, w)


def _run_twice(
    x: Tensor,
    y: Tensor,
    w: Tensor | None,
    gz: Tensor,
    hx: Tensor,
    hy: Tensor,
    hw: Tensor,
    structure: Tensor,
    coefficients: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of <gx, hx> + <gy, hy> + <gw, hw> by x, y, w (empty without weights) and gz."""
    x, y, gz = x.contiguous(), y.contiguous(), gz.contiguous()
    w = None if w is None else w.contiguous()
    dx, dy, dw = _gradients(x, y, w)
    dz = empty(gz, *gz.shape)
    if gz.numel():
        hx, hy = hx.contiguous(), hy.expand(dy.shape).contiguous()
        tangents = [hx, hy, None if w is None else hw.expand(dw.shape).contiguous()]
        places = (address(structure), address(coefficients), _features(x, y, w, gz.shape[1]))
        given = [address(each) for each in (x, y, w, gz, *tangents)]
        found = [address(each) for each in (dx, dy, None if w is None else dw, dz)]
        kernel("couple_twice", x.dtype)(*places, *given, *found, torch.get_num_threads())
    return dx, _reduced(dy, y), dw if w is None else _reduced(dw, w), dz


def _gradients(x: Tensor, y: Tensor, w: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    batch, _, channels = x.shape
    gw = x.new_empty(0) if w is None else empty(x, batch, w.shape[1], channels)
    return empty(x, *x.shape), empty(x, batch, y.shape[1], channels), gw


def _reduced(full: Tensor, like: Tensor) -> Tensor:
    """The gradient of what was broadcast: sums over the samples and channels that shared it."""
    return full if full.shape == like.shape else full.sum_to_size(like.shape)


def _features(x: Tensor, y: Tensor, w: Tensor | None, dim: int) -> ctypes.Array[ctypes.c_int64]:
    """How x, y, w, z and the gradients of x, y, w lie in memory."""
    return _layout(x.shape, y.shape, None if w is None else w.shape, dim)


@lru_cache(maxsize=1024)
def _layout(
    x: tuple[int, ...], y: tuple[int, ...], w: tuple[int, ...] | None, dim: int
) -> ctypes.Array[ctypes.c_int64]:
    """Of each: rows, strides of batch, row and channel, channels, items. Not to be written to."""
    batch, dim1, channels = x
    items = batch * channels

    def lying(rows: int, shared: bool = False, broadcast: bool = False) -> tuple[int, ...]:
        width = 1 if broadcast else channels
        return rows, 0 if shared else rows * width, width, 0 if broadcast and channels > 1 else 1, channels, items

    dim2, paths = y[1], 0 if w is None else w[1]
    of_w = lying(0) if w is None else lying(paths, w[0] == 1 and batch > 1, w[2] == 1)
    given = [*lying(dim1), *lying(dim2, broadcast=y[2] == 1), *of_w, *lying(dim)]
    return (ctypes.c_int64 * 42)(*given, *lying(dim1), *lying(dim2), *lying(paths))


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, y, w, structure, coefficients, _ = inputs
    ctx.save_for_backward(x, y, w, structure, coefficients)


def _backward(ctx: Any, gz: Tensor) -> tuple[Tensor | None, ...]:
    x, y, w, structure, coefficients = ctx.saved_tensors
    gx, gy, gw = _COUPLE_BACKWARD(x, y, w, gz, structure, coefficients)
    return gx, gy, None if w is None else gw, None, None, None


def _setup_backward(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs)


def _backward_backward(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor | None, ...]:
    """Slopes of t(x, y, w, gz) = <gz, z> along (hx, hy, hw); as it is linear in each, one alone takes its place."""
    *given, gz, structure, coefficients = ctx.saved_tensors
    present = [place for place, each in enumerate(tangents) if each is not None and given[place] is not None]
    if len(present) == 1:
        given[present[0]] = tangents[present[0]]
        found = list(_COUPLE_BACKWARD(*given, gz, structure, coefficients))
        found[present[0]], dz = None, _COUPLE(*given, structure, coefficients, gz.shape[1])
    else:
        x, y, w = given
        like = (x, y, x.new_empty(0) if w is None else w)
        filled = [torch.zeros_like(one) if each is None else each for each, one in zip(tangents, like, strict=True)]
        *found, dz = _COUPLE_TWICE(x, y, w, gz, *filled, structure, coefficients)
    return *found[:2], None if given[2] is None else found[2], dz, None, None


def _work(x: Tensor, coefficients: Tensor, times: int) -> int:
    """Of every sample and channel: one multiplication and addition for a number of the table, `times` over."""
    return 2 * coefficients.numel() * x.shape[0] * x.shape[2] * times


_COUPLE = Operator(
    "couple(Tensor x, Tensor y, Tensor? w, Tensor structure, Tensor coefficients, int dim) -> Tensor",
    run=_run,
    gpu="triton_couple:couple",
    shapes=lambda x, y, w, structure, coefficients, dim: x.new_empty(x.shape[0], dim, x.shape[2]),
    setup=_setup,
    backward=_backward,
    flops=lambda x, y, w, structure, coefficients, dim: _work(x, coefficients, 1),
)
_COUPLE_BACKWARD = Operator(
    "couple_backward(Tensor x, Tensor y, Tensor? w, Tensor gz, Tensor structure, Tensor coefficients)"
    " -> (Tensor, Tensor, Tensor)",
    run=_run_backward,
    gpu="triton_couple:couple_backward",
    shapes=lambda x, y, w, gz, structure, coefficients: (
        torch.empty_like(x, memory_format=torch.contiguous_format),
        torch.empty_like(y, memory_format=torch.contiguous_format),
        x.new_empty(0) if w is None else torch.empty_like(w, memory_format=torch.contiguous_format),
    ),
    setup=_setup_backward,
    backward=_backward_backward,
    flops=lambda x, y, w, gz, structure, coefficients: _work(x, coefficients, 3),
)
_COUPLE_TWICE = Operator(
    "couple_twice(Tensor x, Tensor y, Tensor? w, Tensor gz, Tensor hx, Tensor hy, Tensor hw,"
    " Tensor structure, Tensor coefficients) -> (Tensor, Tensor, Tensor, Tensor)",
    run=_run_twice,
    gpu="triton_couple:couple_twice",
    shapes=lambda x, y, w, gz, hx, hy, hw, structure, coefficients: (
        torch.empty_like(x, memory_format=torch.contiguous_format),
        torch.empty_like(y, memory_format=torch.contiguous_format),
        x.new_empty(0) if w is None else torch.empty_like(w, memory_format=torch.contiguous_format),
        torch.empty_like(gz, memory_format=torch.contiguous_format),
    ),
    setup=_setup_backward,
    backward=refuse_third("couple"),
    flops=lambda x, y, w, gz, hx, hy, hw, structure, coefficients: _work(x, coefficients, 8),
)
