"""The polynomial with which silu begins, x + x^2 / 2, and two derivatives in a pass each; no group acts here."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def quadratic(x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """x + x^2 / 2, twice what silu begins with.

    Autograd would make products of every factor with every gradient and add them up: of a training on forces nine
    passes over memory where three are enough. Compilers see the formula.

    Example:
        >>> quadratic(torch.tensor([-2.0, 0.0, 2.0]))
        tensor([0., 0., 4.])
    """
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return x + 0.5 * x.square()
    return _Value.apply(x)


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        ctx.save_for_backward(x)
        return torch.addcmul(x, x, x, value=0.5)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return _Slope.apply(*grads, *ctx.saved_tensors)


class _Slope(torch.autograd.Function):
    """g + g x, linear in g: by g its derivative is itself."""

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        g, x = inputs
        ctx.save_for_backward(g, x)
        return torch.addcmul(g, g, x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (h,), (g, x) = grads, ctx.saved_tensors
        of_g, of_x = ctx.needs_input_grad
        return _Slope.apply(h, x) if of_g else None, h * g if of_x else None
