"""Mixing of channels in one pass over a feature: O(3) acts on `dim`, a matrix for every kind of irrep on `channel`.

    y[n, written_a + m, k] = sum over copies b and channels c of  x[n, read_b + m, c] matrix[b c, a k] / sqrt(rows)

with as many rows as the matrix has. The twin, and the documentation of what is computed, is `ChannelMixing.readable`,
which of a small structure spends its time on splitting, copying and joining rows, and on a step back for each. The map
is linear in x and in its matrices: with one function more, the gradient by these, it is closed under derivatives of any
order. Compilers and exports see the twin, which is all torch.
"""

import ctypes
from collections.abc import Sequence
from math import prod, sqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor

from intertwine.tensor_products.kernels.blocks import empty
from intertwine.tensor_products.kernels.library import TRITON, active_isa, address, available, kernel
from intertwine.tensor_products.kernels.operator import PLAIN, wanted


class Kind(NamedTuple):
    """What is mixed by one matrix: the copies of an irrep."""

    dim: int
    read: tuple[int, ...]
    """The first row of every copy in the input."""
    written: tuple[int, ...]
    """The same of the output."""


class Mixing:
    """Which rows a map reads and writes with which matrix, as the kernel reads it.

    Args:
        kinds: one a matrix.
        given, found: dim and channels of x and of y.
        around: the same map with x and y exchanged, if this is its way back.
    """

    def __init__(
        self,
        kinds: Sequence[Kind],
        given: tuple[int, int],
        found: tuple[int, int],
        *,
        around: "Mixing | None" = None,
    ):
        self.kinds, self.given, self.found, self.turned = list(kinds), given, found, around is not None
        shapes = [(len(kind.read) * given[1], len(kind.written) * found[1]) for kind in kinds]
        self.stored = [shape[::-1] if self.turned else shape for shape in shapes]
        self.full = sum(kind.dim * len(kind.written) for kind in kinds) == found[0]
        numbers = [self.turned, *given, *found, len(kinds)]
        for kind in kinds:
            numbers += [kind.dim, len(kind.read), len(kind.written), *kind.read, *kind.written]
        self.plan = torch.tensor(numbers)
        turned = [Kind(kind.dim, kind.written, kind.read) for kind in kinds]
        self.back = around or Mixing(turned, found, given, around=self)


def mix(x: Tensor, matrices: Sequence[Tensor], mixing: Mixing) -> Tensor:
    """The map of x `*batch dim_in channel_in` to `*batch dim_out channel_out`."""
    if torch.is_grad_enabled():
        return _Mix.apply(x, *matrices, mixing)  # tensors first: `wanted` counts those
    return _run(x, matrices, mixing)


def takes(x: Tensor, matrices: Sequence[Tensor], mixing: Mixing) -> bool:
    """Whether the kernel runs on these: plain tensors on the CPU, of the shapes that it was told."""
    if torch.compiler.is_compiling() or type(x) not in PLAIN or torch._C._are_functorch_transforms_active():
        return False
    fits = x.dim() > 1 and x.shape[-2:] == mixing.given and x.device.type == "cpu"
    for matrix, shape in zip(matrices, mixing.stored, strict=True):
        fits = fits and matrix.shape == shape
    return fits and active_isa() != TRITON and available(x, *matrices)


def _run(x: Tensor, matrices: Sequence[Tensor], mixing: Mixing) -> Tensor:
    x, matrices = x.contiguous(), [matrix.contiguous() for matrix in matrices]
    y = empty(x, *x.shape[:-2], *mixing.found)
    if not mixing.full:
        y.zero_()
    if y.numel():
        given = (ctypes.c_void_p * len(matrices))(*[matrix.data_ptr() for matrix in matrices])
        nodes = ctypes.c_int64(y.numel() // prod(mixing.found))
        kernel("mix", x.dtype)(
            address(mixing.plan), ctypes.byref(nodes), address(x), given, address(y), torch.get_num_threads()
        )
    return y


class _Mix(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        x, *matrices, ctx.mixing = inputs
        ctx.save_for_backward(x, *matrices)
        return _run(x, matrices, ctx.mixing)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (gy,), (x, *matrices), mixing = grads, ctx.saved_tensors, ctx.mixing
        of_x, *of_matrices = wanted(ctx, *range(1 + len(matrices)))
        gx = mix(gy, matrices, mixing.back) if of_x else None
        ends = (gy, x, mixing.back) if mixing.turned else (x, gy, mixing)
        return gx, *(_Outer.apply(*ends) if any(of_matrices) else [None] * len(matrices)), None


class _Outer(torch.autograd.Function):
    """The gradients of <gy, y> by the matrices."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, ...]:
        x, gy, ctx.mixing = inputs
        ctx.save_for_backward(x, gy)
        x, gy = x.reshape(-1, *ctx.mixing.given), gy.reshape(-1, *ctx.mixing.found)
        return tuple(
            _copies(x, kind.dim, kind.read).mT @ _copies(gy, kind.dim, kind.written) / sqrt(rows)
            for kind, (rows, _) in zip(ctx.mixing.kinds, ctx.mixing.stored, strict=True)
        )

    @staticmethod
    def backward(ctx: Any, *tangents: Tensor) -> tuple[Tensor | None, ...]:
        (x, gy), mixing = ctx.saved_tensors, ctx.mixing
        of_x, of_gy = wanted(ctx, 0, 1)
        return mix(gy, tangents, mixing.back) if of_x else None, mix(x, tangents, mixing) if of_gy else None, None


def _copies(x: Tensor, dim: int, starts: tuple[int, ...]) -> Tensor:
    """The copies of an irrep beside each other: `node*dim copies*channel`."""
    copies = [x[:, start : start + dim] for start in starts]
    return (copies[0] if len(copies) == 1 else torch.cat(copies, dim=-1)).flatten(0, 1)
