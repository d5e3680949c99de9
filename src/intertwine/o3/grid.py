"""Quadrature on the sphere: O(3) acts on the functions sampled along `point`; adds rules exact to a degree."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.o3.irreps import IrrepsError

LEBEDEV_DEGREES = (*range(3, 32, 2), *range(35, 132, 6))
NEGATIVE_DEGREES = (13, 25, 27)
"""Lebedev's rules with some negative weights: sums cancel in them, which costs half a digit at degree 25."""


@dataclass(frozen=True)
class SphereGrid:
    """Points and weights that integrate over the sphere every polynomial up to a degree.

        int f = sum_q weights[q] f(points[q])         exact when f is a polynomial of at most `degree`

    The product of harmonics of degrees l1, l2, l3 is such a polynomial of degree l1 + l2 + l3.

    Example:
        >>> grid = smallest_grid(4)
        >>> (grid.weights * grid.points[:, 1] ** 4).sum() / (4 * torch.pi)      # the mean of y^4 is 1/5
        tensor(0.2000, dtype=torch.float64)
    """

    points: Float[Tensor, "point 3"]
    """Unit vectors."""
    weights: Float[Tensor, "point"]
    """Areas, summing to 4 pi."""
    degree: int
    """Largest polynomial degree that is integrated exactly."""
    kind: str
    """Name of the rule: "gauss_legendre" or "lebedev"."""

    def __len__(self) -> int:
        return self.points.shape[0]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "SphereGrid":
        """Move and cast the tensors."""
        return SphereGrid(
            self.points.to(device=device, dtype=dtype),
            self.weights.to(device=device, dtype=dtype),
            self.degree,
            self.kind,
        )


def gauss_legendre(degree: int) -> SphereGrid:
    """Gauss-Legendre nodes along the polar axis y times equal steps of azimuth: degree // 2 + 1 rings of degree + 1.

    Points go ring by ring, from y = -1 upward, azimuth from z towards x: reshape to `[ring, step]` for a separable
    transform. Any degree.

    Example:
        >>> len(gauss_legendre(4))
        15
    """
    _check_degree(degree)
    rings, steps = degree // 2 + 1, degree + 1
    height, area = np.polynomial.legendre.leggauss(rings)
    azimuth = 2 * math.pi * np.arange(steps) / steps
    radius = np.sqrt((1 - height) * (1 + height))
    y = np.broadcast_to(height[:, None], (rings, steps))
    points = np.stack([radius[:, None] * np.sin(azimuth), y, radius[:, None] * np.cos(azimuth)], -1)
    weights = np.broadcast_to(area[:, None] * (2 * math.pi / steps), (rings, steps))
    return SphereGrid(
        torch.tensor(points.reshape(-1, 3)), torch.tensor(weights.reshape(-1).copy()), degree, "gauss_legendre"
    )


def lebedev(degree: int) -> SphereGrid:
    """Lebedev's rule with the symmetry of the octahedron: about (degree + 1)^2 / 3 points.

    The smallest listed rule that is exact for `degree`, so that the grid's own degree can be larger. Up to degree 131;
    see `NEGATIVE_DEGREES`.

    Raises `IrrepsError` above degree 131: take `gauss_legendre`.

    Example:
        >>> len(lebedev(4)), lebedev(4).degree
        (14, 5)
    """
    _check_degree(degree)
    fitting = [listed for listed in LEBEDEV_DEGREES if listed >= degree]
    if not fitting:
        raise IrrepsError(f"lebedev: rules end at degree {LEBEDEV_DEGREES[-1]}, came {degree}. Use gauss_legendre.")
    points, weights = _lebedev_rule(fitting[0])
    return SphereGrid(torch.tensor(points), torch.tensor(weights), fitting[0], "lebedev")


def smallest_grid(degree: int) -> SphereGrid:
    """The grid of fewest points that is exact for `degree`, of all rules here with positive weights.

    Example:
        >>> [(len(smallest_grid(degree)), smallest_grid(degree).kind) for degree in (1, 6, 200)]
        [(2, 'gauss_legendre'), (26, 'lebedev'), (20301, 'gauss_legendre')]
    """
    product = gauss_legendre(degree)
    if degree > LEBEDEV_DEGREES[-1]:
        return product
    fitting = (listed for listed in LEBEDEV_DEGREES if listed >= degree and listed not in NEGATIVE_DEGREES)
    symmetric = lebedev(next(fitting))
    return symmetric if len(symmetric) <= len(product) else product


def _check_degree(degree: int) -> None:
    if degree < 0:
        raise IrrepsError(f"grid: expected a polynomial degree >= 0, came {degree}.")


@cache
def _lebedev_rule(degree: int) -> tuple[np.ndarray, np.ndarray]:
    from scipy.integrate import lebedev_rule  # half a second to import, for whoever wants a grid

    points, weights = lebedev_rule(degree)
    points = np.ascontiguousarray(points.T)
    return points / np.linalg.norm(points, axis=1, keepdims=True), weights * (4 * math.pi / weights.sum())
