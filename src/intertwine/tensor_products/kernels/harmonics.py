"""Spherical harmonics of directions as a compiled operator, with two derivatives; O(3) acts on `dim`.

    Y^l_m(n) = sum_{k i} W^l[k, i, m] n_k Y^{l-1}_i(n),    Y^0 = 1,    n = x / |x|

The twin, and the documentation of what is computed, is `SphericalHarmonics` of component normalization, which is two
dozen small steps in torch: of a small structure they cost more than their arithmetic.
"""

import ctypes
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.o3.spherical_harmonics import least_square, raising_matrix
from intertwine.tensor_products.kernels.blocks import empty
from intertwine.tensor_products.kernels.library import address, kernel
from intertwine.tensor_products.kernels.operator import Operator, refuse_third


class Terms(NamedTuple):
    """The nonzero numbers of W as the kernel reads them."""

    places: ctypes.Array[ctypes.c_int64]
    """Dim, then for every row where its terms end, then k and the row below of each term."""
    numbers: ctypes.Array[Any]
    """The square of the least length, then W of each term."""


def harmonics(x: Float[Tensor, "edge 3"], degree: int) -> Float[Tensor, "edge dim 1"]:
    """Harmonics of every direction, of all degrees to this one, |Y^l|^2 = 2 l + 1; as a feature of one channel."""
    return _HARMONICS(x, degree)


def takes(x: Tensor) -> bool:
    """Whether the kernel runs on these."""
    if x.dim() != 2 or x.shape[1] != 3:
        return False
    functorch = not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()
    return not functorch and _HARMONICS.takes(x)


def _run(x: Tensor, degree: int) -> Tensor:
    x = x.contiguous()
    y = empty(x, x.shape[0], (degree + 1) ** 2, 1)
    _call("harmonics", x, degree, y)
    return y


def _run_backward(g: Tensor, x: Tensor, degree: int) -> Tensor:
    """The gradient of <g, Y> by x."""
    g, x = g.contiguous(), x.contiguous()
    gx = empty(x, *x.shape)
    _call("harmonics_backward", x, degree, g, gx)
    return gx


def _run_twice(g: Tensor, x: Tensor, h: Tensor, degree: int) -> tuple[Tensor, Tensor]:
    """Gradients of <h, gradient> by g and x."""
    g, x, h = g.contiguous(), x.contiguous(), h.contiguous()
    dg, dx = empty(g, *g.shape), empty(x, *x.shape)
    _call("harmonics_twice", x, degree, g, h, dx, dg)
    return dg, dx


def _call(name: str, x: Tensor, degree: int, *others: Tensor) -> None:
    terms, edges = _terms(degree, x.dtype), ctypes.c_int64(x.shape[0])
    pointers = [address(each) for each in (x, *others)]
    kernel(name, x.dtype)(*terms, ctypes.byref(edges), *pointers, torch.get_num_threads())


@lru_cache
def _terms(degree: int, dtype: torch.dtype) -> Terms:
    ends, places, numbers = [0], [], [least_square(dtype)]
    for l in range(1, degree + 1):
        below = (l - 1) ** 2
        w = raising_matrix(l, "component").view(3, -1, 2 * l + 1)
        for m in range(2 * l + 1):
            for k, i in w[..., m].nonzero().tolist():
                places += [k, below + i]
                numbers.append(float(w[k, i, m]))
            ends.append(len(numbers) - 1)
    number = ctypes.c_float if dtype == torch.float32 else ctypes.c_double
    whole = [len(ends), *ends, *places]
    return Terms((ctypes.c_int64 * len(whole))(*whole), (number * len(numbers))(*numbers))


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *given, ctx.degree = inputs
    ctx.save_for_backward(*given)


def _backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    return _HARMONICS_BACKWARD(g, *ctx.saved_tensors, ctx.degree), None


def _backward_backward(ctx: Any, h: Tensor) -> tuple[Tensor | None, ...]:
    return *_HARMONICS_TWICE(*ctx.saved_tensors, h, ctx.degree), None


def _work(x: Tensor, degree: int, times: int) -> int:
    """Of every edge: three operations for a term, and the length, `times` over."""
    return x.shape[0] * (3 * (len(_terms(degree, x.dtype).numbers) - 1) + 10) * times


_HARMONICS = Operator(
    "harmonics(Tensor x, int degree) -> Tensor",
    run=_run,
    shapes=lambda x, degree: x.new_empty(x.shape[0], (degree + 1) ** 2, 1),
    setup=_keep,
    backward=_backward,
    flops=lambda x, degree: _work(x, degree, 1),
)
_HARMONICS_BACKWARD = Operator(
    "harmonics_backward(Tensor g, Tensor x, int degree) -> Tensor",
    run=_run_backward,
    shapes=lambda g, x, degree: x.new_empty(x.shape),
    setup=_keep,
    backward=_backward_backward,
    flops=lambda g, x, degree: _work(x, degree, 3),
)
_HARMONICS_TWICE = Operator(
    "harmonics_twice(Tensor g, Tensor x, Tensor h, int degree) -> (Tensor, Tensor)",
    run=_run_twice,
    shapes=lambda g, x, h, degree: (g.new_empty(g.shape), x.new_empty(x.shape)),
    setup=_keep,
    backward=refuse_third("harmonics"),
    flops=lambda g, x, h, degree: _work(x, degree, 9),
)
