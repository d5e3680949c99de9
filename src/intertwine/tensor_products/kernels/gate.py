"""Entries scaled by the sigmoid of a scalar as a compiled operator, with two derivatives; O(3) acts on `dim`.

    z[entry] = c sigmoid(x[gate of entry]) x[entry]

The twin, and the documentation of what is computed, is `nn.Gate`, which in torch is five operations and eleven back.
"""

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.tensor_products.kernels.blocks import empty
from intertwine.tensor_products.kernels.library import address, kernel
from intertwine.tensor_products.kernels.operator import Operator, refuse_third


class Plan(NamedTuple):
    """Which rows are scaled by which."""

    rows: tuple[int, ...]
    """Of x and z, then for every entry: the row of its gate, its first row in x and in z, and its number of rows."""
    scale: tuple[float, ...]
    """c of every entry."""


def gate(x: Float[Tensor, "*batch dim_in channel"], plan: Plan) -> Float[Tensor, "*batch dim channel"]:
    """Gate every entry."""
    return _GATE(x, *plan)


def takes(x: Tensor, plan: Plan) -> bool:
    """Whether the kernel runs on these."""
    functorch = not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()
    return not functorch and x.dim() > 1 and x.shape[-2] == plan.rows[0] and _GATE.takes(x)


def _like_z(x: Tensor, rows: Sequence[int]) -> tuple[int, ...]:
    return *x.shape[:-2], rows[1], x.shape[-1]


def _run(x: Tensor, rows: Sequence[int], scale: Sequence[float]) -> Tensor:
    x = x.contiguous()
    z = empty(x, *_like_z(x, rows))
    _call("gate", rows, scale, x, z)
    return z


def _run_backward(g: Tensor, x: Tensor, rows: Sequence[int], scale: Sequence[float]) -> Tensor:
    """The gradient of <g, z> by x."""
    g, x = g.contiguous(), x.contiguous()
    gx = empty(x, *x.shape)
    _call("gate_backward", rows, scale, x, g, gx)
    return gx


def _run_twice(g: Tensor, x: Tensor, h: Tensor, rows: Sequence[int], scale: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Gradients of <h, gradient> by g and x."""
    g, x, h = g.contiguous(), x.contiguous(), h.contiguous()
    dg, dx = empty(g, *g.shape), empty(x, *x.shape)
    _call("gate_twice", rows, scale, x, g, h, dx, dg)
    return dg, dx


def _call(name: str, rows: Sequence[int], scale: Sequence[float], x: Tensor, *others: Tensor) -> None:
    if not x.numel():
        return
    channels = x.shape[-1]
    sizes = (ctypes.c_int64 * 2)(x.numel() // (rows[0] * channels), channels)
    pointers = [address(each) for each in (x, *others)]
    kernel(name, x.dtype)(*_numbers(tuple(rows), tuple(scale)), sizes, *pointers, torch.get_num_threads())


@lru_cache
def _numbers(rows: tuple[int, ...], scale: tuple[float, ...]) -> tuple[Any, Any]:
    """The plan as the kernel reads it."""
    plan = [*rows[:2], len(scale), *rows[2:]]
    return (ctypes.c_int64 * len(plan))(*plan), (ctypes.c_double * len(scale))(*scale)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *given, ctx.rows, ctx.scale = inputs
    ctx.save_for_backward(*given)


def _backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    return _GATE_BACKWARD(g, *ctx.saved_tensors, ctx.rows, ctx.scale), None, None


def _backward_backward(ctx: Any, h: Tensor) -> tuple[Tensor | None, ...]:
    return *_GATE_TWICE(*ctx.saved_tensors, h, ctx.rows, ctx.scale), None, None


_GATE = Operator(
    "gate(Tensor x, int[] rows, float[] scale) -> Tensor",
    run=_run,
    shapes=lambda x, rows, scale: x.new_empty(_like_z(x, rows)),
    setup=_keep,
    backward=_backward,
    flops=lambda x, rows, scale: 20 * x.numel(),
)
_GATE_BACKWARD = Operator(
    "gate_backward(Tensor g, Tensor x, int[] rows, float[] scale) -> Tensor",
    run=_run_backward,
    shapes=lambda g, x, *_: torch.empty_like(x, memory_format=torch.contiguous_format),
    setup=_keep,
    backward=_backward_backward,
    flops=lambda g, x, *_: 26 * x.numel(),
)
_GATE_TWICE = Operator(
    "gate_twice(Tensor g, Tensor x, Tensor h, int[] rows, float[] scale) -> (Tensor, Tensor)",
    run=_run_twice,
    shapes=lambda g, x, *_: tuple(torch.empty_like(each, memory_format=torch.contiguous_format) for each in (g, x)),
    setup=lambda ctx, inputs, output: None,
    backward=refuse_third("gate"),
    flops=lambda g, x, *_: 32 * x.numel(),
)
