"""Eigenvectors of symmetric matrices with a gradient that stays finite where eigenvalues meet. No group acts here."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def symmetric_eigen(
    matrix: Float[Tensor, "*batch d d"], floor: float
) -> tuple[Float[Tensor, "*batch d"], Float[Tensor, "*batch d d"]]:
    r"""Eigenvalues in rising order and eigenvectors as columns; the gradient of torch.linalg.eigh, regularised.

        d vector_j = sum_i  vector_i (vector_i^T dM vector_j) r(value_j - value_i),      r(t) = t / (t^2 + floor^2)

    Far from degeneracy r is 1/t to a relative (floor/t)^2; where eigenvalues meet the true derivative does not exist,
    and r is zero instead of infinite. Any number of derivatives.

    Args:
        matrix: symmetric; entries around one, so that `floor` has a meaning.

    Example:
        >>> value, vector = symmetric_eigen(torch.eye(2).requires_grad_(), 1e-6)
        >>> vector[0, 0].backward()
    """
    return _Eigen.apply(matrix, floor)  # type: ignore[return-value]


class _Eigen(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor, floor: float) -> tuple[Tensor, Tensor]:
        value, vector = torch.linalg.eigh(matrix)
        ctx.save_for_backward(value, vector)
        ctx.floor = floor
        return value, vector

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        value, vector = ctx.saved_tensors
        of_value, of_vector = gradients
        difference = value[..., None, :] - value[..., :, None]
        inner = (vector.mT @ of_vector) * (difference / (difference.square() + ctx.floor**2))
        result = vector @ (inner + torch.diag_embed(of_value)) @ vector.mT
        return (result + result.mT) / 2, None
