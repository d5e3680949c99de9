"""The product of functions on the sphere as a compiled operator, separable in angle and azimuth; O(3) acts on `dim`.

    z = norms * P( S(x) S(y) )                         S: harmonics -> rings of points, P: rings -> harmonics    (gaunt)

The twin, and the documentation of what is computed, is `Gaunt.readable`. The integral of three functions does not care
which of them is called the result, so that two operators are closed under derivatives of any order.
"""

from functools import reduce
from typing import Any

import torch
from torch import Tensor

from intertwine.tensor_products.kernels.blocks import empty
from intertwine.tensor_products.kernels.features import trilinear_features
from intertwine.tensor_products.kernels.library import address, kernel
from intertwine.tensor_products.kernels.operator import Operator


def takes(x: Tensor, y: Tensor, rows: tuple[int, int]) -> bool:
    """Whether the kernel runs on these: of so many `rows`, y with the channels of x or one."""
    fits = x.shape[-2] == rows[0] and y.shape[-2] == rows[1] and y.shape[-1] in (1, x.shape[-1])
    return fits and _GAUNT.takes(x, y)


def sphere_product(x: Tensor, y: Tensor, structure: Tensor, numbers: Tensor, dim: int) -> Tensor:
    """The product of x `batch dim1 channel` and y `batch dim2 #channel`: `batch dim channel`."""
    return _GAUNT(x, y, structure, numbers, dim)


def _run(x: Tensor, y: Tensor, structure: Tensor, numbers: Tensor, dim: int) -> Tensor:
    x, y = x.contiguous(), y.contiguous()
    z = empty(x, x.shape[0], dim, x.shape[2])
    if z.numel():
        tables = (address(structure), address(numbers), trilinear_features(x.shape, y.shape, dim))
        kernel("gaunt", x.dtype)(*tables, address(x), address(y), address(z), torch.get_num_threads())
    return z


def _run_backward(x: Tensor, y: Tensor, gz: Tensor, structure: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of <gz, z> by x and y."""
    x, y, gz = x.contiguous(), y.contiguous(), gz.contiguous()
    gx, gy = empty(x, *x.shape), empty(x, x.shape[0], y.shape[1], x.shape[2])
    if gz.numel():
        tables = (address(structure), address(numbers), trilinear_features(x.shape, y.shape, gz.shape[1]))
        places = [address(each) for each in (x, y, gz, gx, gy)]
        kernel("gaunt_backward", x.dtype)(*tables, *places, torch.get_num_threads())
    return gx, gy if gy.shape == y.shape else gy.sum_to_size(y.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*(each for each in inputs if not isinstance(each, int)))


def _backward(ctx: Any, gz: Tensor) -> tuple[Tensor | None, ...]:
    x, y, *tables = ctx.saved_tensors
    return *_GAUNT_BACKWARD(x, y, gz, *tables), None, None, None


def _backward_backward(ctx: Any, hx: Tensor | None, hy: Tensor | None) -> tuple[Tensor | None, ...]:
    """Of <gx, hx> + <gy, hy> = t(hx, y, gz) + t(x, hy, gz), with t(x, y, gz) = <gz, z>."""
    x, y, gz, *tables = ctx.saved_tensors
    pairs = [(one, two) for one, two in ((hx, y), (x, hy)) if one is not None and two is not None]
    dz = reduce(torch.add, [_GAUNT(*pair, *tables, gz.shape[1]) for pair in pairs])
    hx, hy = (torch.zeros_like(one) if each is None else each for each, one in ((hx, x), (hy, y)))
    return *_GAUNT_BACKWARD(hx, hy, gz, *tables), dz, None, None


def _work(legs: tuple[int, int, int], structure: Tensor, items: int) -> int:
    """Of one product: transforms of its three legs, and products of trigonometric sums on two rings of every pair."""
    pairs, *table = structure[:10].tolist()
    orders, slots = table[1::3], table[2::3]
    a, b, c = (orders[leg] for leg in legs)
    terms = sum(1 for m in range(-a, a + 1) for n in range(-b, b + 1) if 0 <= m + n <= c)
    return items * pairs * (4 * sum(slots) + 2 * 8 * terms)


_GAUNT = Operator(
    "gaunt(Tensor x, Tensor y, Tensor structure, Tensor numbers, int dim) -> Tensor",
    run=_run,
    shapes=lambda x, y, structure, numbers, dim: x.new_empty(x.shape[0], dim, x.shape[2]),
    setup=_setup,
    backward=_backward,
    flops=lambda x, y, structure, numbers, dim: _work((0, 1, 2), structure, x.shape[0] * x.shape[2]),
    gpu="triton_sphere:sphere_product",
)
_GAUNT_BACKWARD = Operator(
    "gaunt_backward(Tensor x, Tensor y, Tensor gz, Tensor structure, Tensor numbers) -> (Tensor, Tensor)",
    run=_run_backward,
    shapes=lambda x, y, *_: (
        torch.empty_like(x, memory_format=torch.contiguous_format),
        torch.empty_like(y, memory_format=torch.contiguous_format),
    ),
    setup=_setup,
    backward=_backward_backward,
    flops=lambda x, y, gz, structure, numbers: sum(
        _work(legs, structure, x.shape[0] * x.shape[2]) for legs in ((2, 1, 0), (2, 0, 1))
    ),
    gpu="triton_sphere:sphere_product_backward",
)
