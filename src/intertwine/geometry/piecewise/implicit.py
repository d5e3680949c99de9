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
    the expected one instead, n weights_j / width^2 for centres and n (diag(weights) - weights weights^T): exact where
    parts do not overlap, solved by a division, and never singular. Far from the maximum the step is Newton's, and may
    be large.

    Memory does not grow with the number of EM steps. Cost for each cloud: O(point part d), and for "observed"
    O(point (part d)^2 + (part d)^3).

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
    points, middle = y.shape[-2], y.detach().mean(-2, keepdim=True)
    of_centres = (q.mT @ (y - middle) - q.sum(-2).unsqueeze(-1) * (centres - middle)) / width
    of_weights = q.sum(-2) - points * weights
    if information == "fisher":
        counts = torch.where(present, points * weights, 1.0)
        step, turn = of_centres / counts.unsqueeze(-1), of_weights / counts
    else:
        parts, d = centres.shape[-2:]
        with torch.no_grad():
            apart = (y.unsqueeze(-2) - centres.unsqueeze(-3)) / width
            matrix = _grounded(_observed(q, apart, weights, points), present, d)
        score = torch.cat([of_centres.flatten(-2), of_weights], -1).unsqueeze(-1)
        both = torch.linalg.solve(matrix, score).squeeze(-1)
        step, turn = both[..., : parts * d].unflatten(-1, (parts, d)), both[..., parts * d :]
    moved = centres + width * step
    turned = torch.where(present, weights * turn.exp(), 0.0)
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


def _grounded(matrix: Tensor, present: Tensor, d: int) -> Tensor:
    """Unit rows for parts that are not there, and the sum of all log weights held: it changes nothing."""
    rows = torch.cat([present.repeat_interleave(d, -1), present], -1)
    both = rows.unsqueeze(-1) & rows.unsqueeze(-2)
    held = torch.cat([torch.zeros_like(present.repeat_interleave(d, -1)), present], -1).to(matrix.dtype)
    return torch.where(both, matrix, 0.0) + torch.diag_embed((~rows).to(matrix.dtype)) + _outer(held)


def _outer(v: Tensor) -> Tensor:
    return v.unsqueeze(-1) * v.unsqueeze(-2)
