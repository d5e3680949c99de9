"""An envelope whose shape is learned; a function of a distance, and so invariant."""

from math import comb
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.constants import Constants

ROOT = 3
"""Order of the zero at the cutoff."""


class TrainableCutoff(nn.Module):
    r"""`PolynomialCutoff` with trainable coefficients: it starts as that one and stays as smooth at the cutoff.

        u(r) = (1 - t)^3  sum over k < p of  shape[k] (k+1)(k+2)/2 t^k          t = r / cutoff, u = 0 beyond

    shape = 1 is `PolynomialCutoff`. Whatever the shape, two derivatives vanish at the cutoff; those at r = 0, where no
    two atoms meet, need not. The terms of the sum and each of their derivatives are one small matrix product;
    `readable` is the sum, which autograd differentiates in a hundred small steps.

    Shapes: r `*batch` in Angstrom, result `*batch`.

    Raises:
        ValueError: cutoff not above zero, or p < 2.

    Example:
        >>> TrainableCutoff(5.0)(torch.tensor([0.0, 5.0, 6.0])).detach()
        tensor([1., 0., 0.])

    Reference: the envelope of Miklaucic et al., 2025, arXiv:2509.08418 (Facet) has a trainable radius instead.
    """

    def __init__(self, cutoff: float, *, p: int = 6):
        super().__init__()
        if cutoff <= 0 or p < 2:
            raise ValueError(f"TrainableCutoff: expected cutoff > 0 and p >= 2, came cutoff={cutoff} and p={p}.")
        self.cutoff, self.coefficients = cutoff, [float(comb(k + 2, 2)) for k in range(p)]
        self.series = Constants(derivatives=_derivatives(self.coefficients, cutoff))
        self.shape = nn.Parameter(torch.ones(p))

    def forward(self, r: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Evaluate u."""
        if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
            return self.readable(r)
        return (_Terms.apply(r, self.series.like(r, "derivatives"), self.cutoff, 0) * self.shape).sum(-1)

    def readable(self, r: Tensor) -> Tensor:
        """By the scheme of Horner."""
        t = (r / self.cutoff).clamp(max=1)
        series = torch.zeros_like(t)
        for coefficient, shape in zip(reversed(self.coefficients), self.shape.flip(0), strict=True):
            series = series * t + coefficient * shape
        return (1 - t) ** ROOT * series


class _Terms(torch.autograd.Function):
    """Derivatives of some order of what stands at every shape[k], `*batch p`; those of the next order are its slope."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        r, ctx.series, ctx.cutoff, ctx.order = inputs
        ctx.save_for_backward(r)
        t = (r / ctx.cutoff).clamp(max=1).unsqueeze(-1)
        series = ctx.series[min(ctx.order, len(ctx.series) - 1)]
        terms = torch.linalg.vander(t, N=len(series)).squeeze(-2) @ series
        if ctx.order < ROOT:
            return (1 - t) ** (ROOT - ctx.order) * terms
        return torch.where(r.unsqueeze(-1) <= ctx.cutoff, terms, 0.0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (r,) = ctx.saved_tensors
        return (grads[0] * _Terms.apply(r, ctx.series, ctx.cutoff, ctx.order + 1)).sum(-1), None, None, None


def _derivatives(coefficients: list[float], cutoff: float) -> Float[Tensor, "order power k"]:
    """Of (1 - t)^3 c_k t^k the polynomials that remain when the root is taken out, as long as there is one.

    If u = (1 - t)^q s(t), then u' = (1 - t)^(q - 1) ( (1 - t) s' - q s ); without a root, u' = s'.
    """
    p = len(coefficients)
    powers = torch.arange(p, dtype=torch.float64)
    slope = torch.diag(powers[1:], 1)
    found = [torch.diag(torch.tensor(coefficients, dtype=torch.float64))]
    for order in range(p + ROOT):
        root = ROOT - order
        step = slope - torch.diag(powers + root) if root > 0 else slope
        found.append(step @ found[-1] / cutoff)
    return torch.stack(found)  # the last one is zero
