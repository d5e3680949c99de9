"""silu(x) = x / (1 + exp(-x)) whose second derivative is one pass of a compiled operator. No group acts on `channel`.

torch makes value and slope in one pass each, and the second derivative, which training on forces needs, in twenty.
"""

import ctypes
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.tensor_products.kernels.blocks import empty
from intertwine.tensor_products.kernels.library import address, kernel
from intertwine.tensor_products.kernels.operator import Operator


def silu(x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Evaluate, by torch itself where the kernel does not run.

    Example:
        >>> silu(torch.tensor([0.0, 100.0]))
        tensor([  0., 100.])
    """
    return _SILU(x) if _SILU.takes(x) else torch.nn.functional.silu(x)


def _run_twice(g: Tensor, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    g, x, h = g.contiguous(), x.contiguous(), h.contiguous()
    dg, dx = empty(x, *x.shape), empty(x, *x.shape)
    given = [address(each) for each in (x, g, h)]
    count, found = ctypes.c_int64(x.numel()), [address(each) for each in (dg, dx)]
    kernel("silu_twice", x.dtype)(*given, ctypes.byref(count), *found, torch.get_num_threads())
    return dg, dx


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, g: Tensor) -> Tensor:
    return _SILU_BACKWARD(g, *ctx.saved_tensors)


def _backward_backward(ctx: Any, h: Tensor) -> tuple[Tensor, Tensor]:
    return _SILU_TWICE(*ctx.saved_tensors, h)


def _backward_twice(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor | None, ...]:
    """Third derivatives go through torch."""
    with torch.enable_grad():
        g, x, h = (
            each.view_as(each) if each.requires_grad else each.detach().requires_grad_() for each in ctx.saved_tensors
        )
        s = torch.sigmoid(x)
        found = h * s * (1 + x * (1 - s)), h * g * s * (1 - s) * (2 + x * (1 - 2 * s))
        total = torch.stack([(a * t).sum() for a, t in zip(found, tangents, strict=True) if t is not None]).sum()
    return torch.autograd.grad(total, (g, x, h), create_graph=torch.is_grad_enabled(), materialize_grads=True)


_SILU = Operator(
    "silu(Tensor x) -> Tensor",
    run=torch.nn.functional.silu,
    shapes=torch.empty_like,
    setup=_keep,
    backward=_backward,
    flops=lambda x: 20 * x.numel(),
)
_SILU_BACKWARD = Operator(
    "silu_backward(Tensor g, Tensor x) -> Tensor",
    run=torch.ops.aten.silu_backward,
    shapes=lambda g, x: torch.empty_like(x),
    setup=_keep,
    backward=_backward_backward,
    flops=lambda g, x: 25 * x.numel(),
)
_SILU_TWICE = Operator(
    "silu_twice(Tensor g, Tensor x, Tensor h) -> (Tensor, Tensor)",
    run=_run_twice,
    shapes=lambda g, x, h: (torch.empty_like(x), torch.empty_like(x)),
    setup=_keep,
    backward=_backward_twice,
    flops=lambda g, x, h: 35 * x.numel(),
)
