"""Bessel functions under a polynomial envelope as a compiled operator, with two derivatives. No group acts on a length.

    f_n(r) = sqrt(2 / cutoff) sin(n pi r / cutoff) / r  u(r),      u = (1 - t)^order series(t),   t = r / cutoff

The twin, and the documentation of what is computed, is `BesselBasis` times `PolynomialCutoff`.
"""

import ctypes
from functools import lru_cache
from math import comb, sqrt
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.tensor_products.kernels.blocks import empty
from intertwine.tensor_products.kernels.library import address, kernel
from intertwine.tensor_products.kernels.operator import Operator, refuse_third

NEAREST = 1e-12, 1e-5, 1e-4
"""Of the cutoff: at distances below it, where no atoms are, stands what is at it; for values and each derivative."""


def waves(
    r: Float[Tensor, "edge"], cutoff: float, count: int, series: list[float], order: int
) -> Float[Tensor, "edge count"]:
    """All waves of every length; coefficients of the series are given from the lowest on, and order is at least 3."""
    return _WAVES(r, cutoff, count, series, order, 0)


def takes(r: Tensor) -> bool:
    """Whether the kernel runs on these."""
    return _WAVES.takes(r)


def _run(r: Tensor, cutoff: float, count: int, series: list[float], order: int, derivative: int) -> Tensor:
    r, found = r.contiguous(), empty(r, r.shape[0], count)
    numbers = _numbers(cutoff, tuple(series), order, derivative)
    sizes = (ctypes.c_int64 * 5)(r.shape[0], count, len(series), order, derivative)
    kernel("waves", r.dtype)(address(r), sizes, numbers, address(found), torch.get_num_threads())
    return found


@lru_cache
def _numbers(cutoff: float, series: tuple[float, ...], order: int, derivative: int) -> ctypes.Array[ctypes.c_double]:
    """Cutoff, nearest distance, and the series of the envelope and its derivatives, as the kernel reads them.

    If u = (1 - t)^q s(t), then u' = (1 - t)^(q - 1) ( (1 - t) s' - q s ).
    """
    numbers = [cutoff, NEAREST[derivative] * cutoff]
    for j in range(derivative + 1):
        factor = sqrt(2 / cutoff) * comb(derivative, j) / cutoff**j
        numbers += [factor * s for s in series]
        after = (*series[1:], 0.0)
        series = tuple((m + 1) * after[m] - (m + order - j) * s for m, s in enumerate(series))
    return (ctypes.c_double * len(numbers))(*numbers)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    r, *ctx.shape, ctx.derivative = inputs
    ctx.save_for_backward(r)


def _backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    if ctx.derivative == 2:
        return refuse_third("waves")(ctx, g)
    (r,) = ctx.saved_tensors
    return (g * _WAVES(r, *ctx.shape, ctx.derivative + 1)).sum(-1), None, None, None, None, None


_WAVES = Operator(
    "waves(Tensor r, float cutoff, int count, float[] series, int order, int derivative) -> Tensor",
    run=_run,
    shapes=lambda r, cutoff, count, *_: r.new_empty(r.shape[0], count),
    setup=_setup,
    backward=_backward,
    flops=lambda r, cutoff, count, series, *_: 2 * r.shape[0] * (30 + len(series) + 8 * count),
)
