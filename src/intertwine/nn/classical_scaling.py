"""Classical multidimensional scaling: coordinates from distances, which E(d) acting on the points leaves alone."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class ScalingError(ValueError):
    """Points or distances that have no coordinates. One line: where, what was expected, what came, what to try."""


@dataclass(frozen=True)
class Spectrum:
    """The largest eigenvalues of the matrix of scalar products, and what was left out.

    Example:
        >>> line = torch.tensor([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
        >>> spectrum, axes = principal_axes(line, 2)
        >>> [round(value, 3) for value in spectrum.values.tolist()], float(spectrum.gap)
        ([2.0, 0.0], inf)
    """

    values: Float[Tensor, "*batch q"]
    """Descending; a negative one, which no points have, counts as zero."""
    gap: Float[Tensor, "*batch"]
    """Smallest distance between a kept eigenvalue above zero and its neighbour above zero, over the largest eigenvalue;
    inf where there is no pair. Axes of equal eigenvalues are not determined."""
    residual: Float[Tensor, "*batch"]
    """Share of what the kept eigenvalues do not hold, sum |left out| / sum |all|: zero when distances are kept."""


def principal_axes(x: Float[Tensor, "*batch point d"], q: int) -> tuple[Spectrum, Float[Tensor, "*batch d q"]]:
    r"""Axes whose coordinates z = x V are those of classical scaling, for centred points; a row of zeros is no point.

        x^T x = V L V^T                             d x d, when there are more points than dimensions
        x x^T = U L U^T,   V = x^T U L^(-1/2)       n x n, otherwise

    Both give the same z up to signs. Columns of V beyond the rank are zero in the second form.
    """
    points, dim = x.shape[-2:]
    if points > dim:
        values, vectors = torch.linalg.eigh(x.mT @ x)
        return spectrum_of(values, q), vectors.flip(-1)[..., :q]
    values, vectors = torch.linalg.eigh(x @ x.mT)
    spectrum = spectrum_of(values, q)
    axes = x.mT @ (vectors.flip(-1)[..., :q] * _inverse_root(spectrum.values[..., :points]).unsqueeze(-2))
    return spectrum, torch.nn.functional.pad(axes, (0, max(q - points, 0)))


def scalar_products(
    distances: Float[Tensor, "*batch point point"], mask: Bool[Tensor, "*batch point"] | None = None
) -> Float[Tensor, "*batch point point"]:
    r"""Scalar products of centred points from their distances, B = -1/2 J D^2 J with J = I - 1 1^T / n.

    Masked rows and columns are zero and count for nothing.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [5.0]], dtype=torch.float64)
        >>> x = x - x.mean(0)
        >>> torch.allclose(scalar_products(torch.cdist(x, x)), x @ x.T)
        True
    """
    squared = distances.square()
    if mask is None:
        mask = torch.ones(squared.shape[:-1], dtype=torch.bool, device=squared.device)
    both = mask.unsqueeze(-1) & mask.unsqueeze(-2)
    squared = torch.where(both, squared, 0.0)
    weight = mask.to(squared.dtype) / mask.sum(-1, keepdim=True).clamp(min=1)
    rows = (squared * weight.unsqueeze(-2)).sum(-1, keepdim=True)
    middle = (rows * weight.unsqueeze(-1)).sum(-2, keepdim=True)
    return torch.where(both, -0.5 * (squared - rows - rows.mT + middle), 0.0)


def principal_combinations(
    products: Float[Tensor, "*batch point point"], q: int
) -> tuple[Spectrum, Float[Tensor, "*batch point q"]]:
    r"""Combinations of the rows of B = U L U^T that are the coordinates, B W = U L^(1/2) with W = U_q L_q^(-1/2).

    Columns beyond the rank, and beyond the number of points, are zero.
    """
    values, vectors = torch.linalg.eigh(products)
    spectrum = spectrum_of(values, q)
    inverse = _inverse_root(spectrum.values[..., : vectors.shape[-1]]).unsqueeze(-2)
    combinations = vectors.flip(-1)[..., :q] * inverse
    return spectrum, torch.nn.functional.pad(combinations, (0, q - combinations.shape[-1]))


def new_coordinates(
    z: Float[Tensor, "*#batch point q"],
    norms: Float[Tensor, "*#batch point"],
    squared: Float[Tensor, "*#batch new point"],
) -> Float[Tensor, "*#batch new q"]:
    r"""Where a new point lies that has these squared distances to the old ones, in the sense of least squares.

        z_new = 1/2 L^(-1) Z^T (norms - squared),    L = Z^T Z diagonal,   norms_i = |z_i|^2 = B_ii

    Columns of Z that are zero stay zero.

    Reference: Gower, 1968, Biometrika 55, 582, equation 10; the Nystrom formula for classical scaling.
    """
    share = z / _zero_safe(z.square().sum(-2, keepdim=True))
    return 0.5 * (norms.unsqueeze(-2) - squared) @ share


def spectrum_of(ascending: Float[Tensor, "*batch m"], q: int) -> Spectrum:
    """What is kept of eigenvalues in ascending order, and what is lost; missing ones are zero."""
    values = ascending.flip(-1)
    largest = values[..., :1].clamp(min=torch.finfo(values.dtype).tiny)
    above_zero = values > _rounding(values) * largest
    pairs = above_zero[..., 1:] & above_zero[..., :-1]
    apart = torch.where(pairs, (values[..., :-1] - values[..., 1:]) / largest, torch.inf)[..., :q]
    gap = apart.amin(-1) if apart.shape[-1] else torch.full_like(largest[..., 0], torch.inf)
    kept = values[..., :q].clamp(min=0.0)
    total = values.abs().sum(-1)
    lost = total - kept.sum(-1)
    residual = torch.where(lost > _rounding(values) * total, lost / _zero_safe(total), 0.0)
    return Spectrum(torch.nn.functional.pad(kept, (0, q - kept.shape[-1])), gap, residual)


def _rounding(values: Tensor) -> float:
    return 100 * torch.finfo(values.dtype).eps


def _zero_safe(values: Tensor) -> Tensor:
    return torch.where(values <= 0, 1.0, values)


def _inverse_root(values: Tensor) -> Tensor:
    small = values <= _rounding(values) * values[..., :1]
    return torch.where(small, 0.0, torch.where(small, 1.0, values).rsqrt())
