"""The gradient of a fitted mixture with respect to the votes it was fitted to, by one Newton step; E(d) moves both."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.geometry.piecewise.mixture import Mixture


def with_gradient(
    y: Float[Tensor, "*batch point d"], fitted: Mixture, information: Literal["observed", "fisher"] = "observed"
) -> Mixture:
    r"""The fitted mixture as a differentiable function of the votes: one step from where EM ended.

        alpha = (centres, log weights),     s = d log P(y; alpha) / d alpha,     alpha(y) = alpha0 + I^-1 s(y; alpha0)

    with alpha0 and I constants for autograd. At the maximum s = 0: the value stays, and by the implicit function
    theorem the derivative is that of the maximum itself if I is the observed information, -ds/dalpha. "fisher" takes
    the expected one instead, block-diagonal n_j / width^2 and n (diag(weights) - weights weights^T): exact where parts
    do not overlap, cheap, and never singular. Far from the maximum the step is Newton's, and may be large.

    Memory does not grow with the number of EM steps. Cost of "observed": O(part^2 point d + (part d)^3) per cloud.

    Example:
        >>> from intertwine.geometry.piecewise.mixture import fit_mixture, start_from_parts
        >>> y = torch.tensor([[0.0], [0.2], [9.0]], requires_grad=True)
        >>> fitted = fit_mixture(y, start_from_parts(y, torch.tensor([0, 0, 1]), 2, 0.5), steps=5)
        >>> with_gradient(y, fitted).centres[0, 0].backward()
        >>> y.grad[:, 0]
        tensor([0.5000, 0.5000, 0.0000])

    Reference: Atzmon et al., 2024, arXiv:2402.08529 (one step of Fisher scoring).
    """
    centres, weights, width = fitted.centres.detach(), fitted.weights.detach(), fitted.width
    present = weights > 0
    mixture = Mixture(centres, weights, width)
    q = mixture.assignment(y)
    apart = (y.unsqueeze(-2) - centres.unsqueeze(-3)) / width
    points = y.shape[-2]
    score = torch.cat([(q.unsqueeze(-1) * apart).sum(-3).flatten(-2), q.sum(-2) - points * weights], -1)
    with torch.no_grad():
        matrix = (_observed if information == "observed" else _fisher)(q, apart, weights, points)
        matrix = _grounded(matrix, present, apart.shape[-1])
    step = torch.linalg.solve(matrix, score.unsqueeze(-1)).squeeze(-1)
    parts, d = centres.shape[-2:]
    moved = centres + width * step[..., : parts * d].unflatten(-1, (parts, d))
    turned = torch.where(present, weights * step[..., parts * d :].exp(), 0.0)
    return Mixture(torch.where(present.unsqueeze(-1), moved, centres), turned / turned.sum(-1, keepdim=True), width)


def _observed(q: Tensor, apart: Tensor, weights: Tensor, points: int) -> Tensor:
    """-ds/dalpha, with centres in units of the width: [*batch, part (d + 1), part (d + 1)]."""
    parts, d = apart.shape[-2:]
    u = q.unsqueeze(-1) * apart
    eye = torch.eye(d, dtype=q.dtype, device=q.device)
    counts = q.sum(-2)
    # dQ_ij/dcentre_l = Q_ij (delta_jl - Q_il) apart_il
    own = torch.einsum("...j,ab->...jab", counts, eye) - torch.einsum("...nja,...njb->...jab", u, apart)
    cc = torch.einsum("...nja,...nlb->...jalb", u, u)
    cc = cc + torch.einsum("...jab,jl->...jalb", own, torch.eye(parts, dtype=q.dtype, device=q.device))
    cw = torch.einsum("...nja,...nl->...jal", u, q) - torch.diag_embed(u.sum(-3).mT).movedim(-3, -2)
    ww = q.mT @ q - torch.diag_embed(counts) + points * (torch.diag_embed(weights) - _outer(weights))
    cc, cw = cc.flatten(-4, -3).flatten(-2), cw.flatten(-3, -2)
    return torch.cat([torch.cat([cc, cw], -1), torch.cat([cw.mT, ww], -1)], -2)


def _fisher(q: Tensor, apart: Tensor, weights: Tensor, points: int) -> Tensor:
    counts = q.sum(-2).repeat_interleave(apart.shape[-1], -1)
    ww = points * (torch.diag_embed(weights) - _outer(weights))
    return _blocks(torch.diag_embed(counts), ww)


def _grounded(matrix: Tensor, present: Tensor, d: int) -> Tensor:
    """Unit rows for parts that are not there, and the sum of all log weights held: it changes nothing."""
    rows = torch.cat([present.repeat_interleave(d, -1), present], -1)
    both = rows.unsqueeze(-1) & rows.unsqueeze(-2)
    held = torch.cat([torch.zeros_like(present.repeat_interleave(d, -1)), present], -1).to(matrix.dtype)
    return torch.where(both, matrix, 0.0) + torch.diag_embed((~rows).to(matrix.dtype)) + _outer(held)


def _outer(v: Tensor) -> Tensor:
    return v.unsqueeze(-1) * v.unsqueeze(-2)


def _blocks(a: Tensor, b: Tensor) -> Tensor:
    top = torch.cat([a, a.new_zeros(*a.shape[:-1], b.shape[-1])], -1)
    return torch.cat([top, torch.cat([b.new_zeros(*b.shape[:-1], a.shape[-1]), b], -1)], -2)
