"""A bilinear map as a sum of products of three vectors, as an operator of kernels; O(3) acts on `dim`.

    z = C^T ( A x * B y )                                                                                (decompose)

The twin, and the documentation of what is computed, is `CP.readable`. The map is trilinear in x, y and a third feature,
so two operators are closed under derivatives of any order.
"""

import ctypes
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from intertwine.tensor_products.kernels.blocks import empty
from intertwine.tensor_products.kernels.features import trilinear_features
from intertwine.tensor_products.kernels.library import address, kernel
from intertwine.tensor_products.kernels.operator import Operator


def takes(x: Tensor, y: Tensor, A: Tensor, B: Tensor) -> bool:
    """Whether the kernel runs on these: with the rows of their factors, and y with the channels of x or one."""
    fits = x.shape[1] == A.shape[1] and y.shape[1] == B.shape[1] and x.shape[0] == y.shape[0]
    return fits and y.shape[-1] in (1, x.shape[-1]) and _DECOMPOSE.takes(x, y)


def decompose(x: Tensor, y: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """The product of x `batch dim1 channel` and y `batch dim2 #channel`, with contiguous factors `rank dim`."""
    return _DECOMPOSE(x, y, A, B, C)


def _run(x: Tensor, y: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    x, y = x.contiguous(), y.contiguous()
    z = empty(x, x.shape[0], C.shape[1], x.shape[2])
    if z.numel():
        given = (trilinear_features(x.shape, y.shape, C.shape[1]), ctypes.c_int64(A.shape[0]))
        places = (address(A), address(B), address(C), address(x), address(y), address(z))
        kernel("decompose", x.dtype)(*given, *places, torch.get_num_threads())
    return z


def _run_backward(x: Tensor, y: Tensor, gz: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of <gz, z> by x and y."""
    x, y, gz = x.contiguous(), y.contiguous(), gz.contiguous()
    gx, gy = empty(x, *x.shape), empty(x, x.shape[0], y.shape[1], x.shape[2])
    if gz.numel():
        given = (trilinear_features(x.shape, y.shape, C.shape[1]), ctypes.c_int64(A.shape[0]))
        places = [address(each) for each in (A, B, C, x, y, gz, gx, gy)]
        kernel("decompose_backward", x.dtype)(*given, *places, torch.get_num_threads())
    return gx, gy if gy.shape == y.shape else gy.sum_to_size(y.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, gz: Tensor) -> tuple[Tensor | None, ...]:
    x, y, A, B, C = ctx.saved_tensors
    return *_DECOMPOSE_BACKWARD(x, y, gz, A, B, C), None, None, None


def _backward_backward(ctx: Any, hx: Tensor | None, hy: Tensor | None) -> tuple[Tensor | None, ...]:
    """Of <gx, hx> + <gy, hy> = t(hx, y, gz) + t(x, hy, gz) with t(x, y, z) = sum (A x) (B y) (C z)."""
    x, y, gz, *factors = ctx.saved_tensors
    pairs = [(one, two) for one, two in ((hx, y), (x, hy)) if one is not None and two is not None]
    dz = reduce(torch.add, [_DECOMPOSE(*pair, *factors) for pair in pairs])
    hx, hy = (torch.zeros_like(one) if each is None else each for each, one in ((hx, x), (hy, y)))
    return *_DECOMPOSE_BACKWARD(hx, hy, gz, *factors), dz, None, None, None


def _work(x: Tensor, *factors: Tensor) -> int:
    """Of small matrix products with these factors, each on every sample and channel."""
    return 2 * sum(each.numel() for each in factors) * x.shape[0] * x.shape[2]


_DECOMPOSE = Operator(
    "decompose(Tensor x, Tensor y, Tensor A, Tensor B, Tensor C) -> Tensor",
    run=_run,
    gpu="triton_decompose:decompose",
    shapes=lambda x, y, A, B, C: x.new_empty(x.shape[0], C.shape[1], x.shape[2]),
    setup=_setup,
    backward=_backward,
    flops=lambda x, y, A, B, C: _work(x, A, B, C),
)
_DECOMPOSE_BACKWARD = Operator(
    "decompose_backward(Tensor x, Tensor y, Tensor gz, Tensor A, Tensor B, Tensor C) -> (Tensor, Tensor)",
    run=_run_backward,
    gpu="triton_decompose:decompose_backward",
    shapes=lambda x, y, gz, A, B, C: (
        torch.empty_like(x, memory_format=torch.contiguous_format),
        torch.empty_like(y, memory_format=torch.contiguous_format),
    ),
    setup=_setup,
    backward=_backward_backward,
    flops=lambda x, y, gz, A, B, C: _work(x, A, B, C, A, B),
)
