"""Orthonormal axes from vectors, for O(d) and SO(d): the axes turn along with the vectors."""

import torch
from jaxtyping import Float
from torch import Tensor


def gram_schmidt(
    vectors: Float[Tensor, "*batch d m"],
) -> tuple[Float[Tensor, "*batch d d"], Float[Tensor, "*batch m"]]:
    """Axes by Gram-Schmidt from d vectors, or from d - 1 with a last axis that makes the determinant +1; and lengths.

    A length is what is left of a vector outside the span of those before. Where nothing is left, up to rounding, it is
    exactly zero, and the axis is an arbitrary one that completes the others.

    Example:
        >>> gram_schmidt(torch.tensor([[2.0], [0.0]]))
        (tensor([[1., 0.],
                [0., 1.]]), tensor([2.]))
    """
    d, m = vectors.shape[-2:]
    rounding = 10 * torch.finfo(vectors.dtype).eps
    axes, lengths = vectors[..., :0], []
    for place in range(m):
        vector = vectors[..., place]
        rest = _outside(vector, axes)
        length = torch.linalg.vector_norm(rest, dim=-1)
        gone = length <= rounding * torch.linalg.vector_norm(vector.detach(), dim=-1)
        # a second pass: after one, what is left of a nearly dependent vector is not orthogonal to rounding
        unit = _outside(rest / torch.where(gone, 1.0, length)[..., None], axes)
        size = torch.linalg.vector_norm(unit, dim=-1)
        unit = unit / torch.where(gone, 1.0, size)[..., None]
        unit = torch.where(gone[..., None], _completing(axes), unit)
        axes = torch.cat([axes, unit[..., None]], -1)
        lengths.append(torch.where(gone, 0.0, length))
    if m < d:
        last = _completing(axes)
        sign = torch.linalg.det(torch.cat([axes, last[..., None]], -1).detach()).sign()
        axes = torch.cat([axes, (last * sign[..., None])[..., None]], -1)
    return axes, torch.stack(lengths, -1) if lengths else vectors[..., 0, :]


def _outside(vector: Tensor, axes: Tensor) -> Tensor:
    """The part of a vector orthogonal to the axes."""
    return vector - (axes @ (axes.mT @ vector[..., None]))[..., 0]


def _completing(axes: Float[Tensor, "*batch d m"]) -> Float[Tensor, "*batch d"]:
    """A unit vector orthogonal to the axes: the coordinate direction that lies least in their span, projected."""
    d = axes.shape[-2]
    free = torch.eye(d, dtype=axes.dtype, device=axes.device) - axes @ axes.mT
    best = free.diagonal(dim1=-2, dim2=-1).argmax(-1)
    column = free.gather(-1, best[..., None, None].expand(*best.shape, d, 1))[..., 0]
    column = _outside(column, axes)
    return column / torch.linalg.vector_norm(column, dim=-1, keepdim=True)
