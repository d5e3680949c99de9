"""A trained radial network as a table over the distance, and so invariant: what it costs no longer depends on it."""

from copy import deepcopy
from math import pi

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.constants import Constants
from intertwine.tensor_products.hermite import Span, hermite

DEGREE = 10
"""Of the polynomial through samples between two points, which gives derivatives at both."""
MOST_POINTS = 4097
VANISHES = 1e-9
"""Of the largest weight: what a network may leave at the end of its table."""


class RadialTable(nn.Module):
    r"""Weights for every edge from its length, by quintic Hermite interpolation between points of equal distance.

        weight = sum over k < 6 of  H_k(t) table[i + k // 3, k % 3],          i + t = r / step

    A table of values and two derivatives, so that the weights are twice continuously differentiable: forces have no
    kinks, and derivatives by r are those of the function that is evaluated. It replaces a network that is no longer
    trained; `TabulatedConvolution` looks weights up in the pass that uses them. Accuracy is a matter of the number of
    points, and measured: see `error` and `slope_error`.

    Made by `compile`.

    Shapes: r `edge` in Angstrom, result `edge rows channel`.

    Example:
        >>> from intertwine.nn import BesselBasis, PolynomialCutoff, RadialMLP
        >>> net = RadialMLP(BesselBasis(5.0), PolynomialCutoff(5.0), hidden=(16,), rows=4, channels=8)
        >>> table = RadialTable.compile(net, tolerance=1e-4)
        >>> r = torch.rand(7) * 5
        >>> table(r).shape, bool(torch.allclose(table(r), net(r), atol=1e-3))
        (torch.Size([7, 4, 8]), True)
    """

    def __init__(self, table: Float[Tensor, "point 3 width"], span: Span, rows: int):
        super().__init__()
        self.span, self.rows = span, rows
        self.tables = Constants(weights=table)
        self.error, self.slope_error = float("nan"), float("nan")

    @classmethod
    def compile(  # pyright: ignore[reportIncompatibleMethodOverride]  a module's own `compile` is of no use here
        cls, net: nn.Module, *, end: float | None = None, tolerance: float = 1e-5, points: int | None = None
    ) -> "RadialTable":
        """Tabulate a network of distances from 0 to `end`.

        The number of points doubles until the weights between them are right to `tolerance`, relative to their root
        mean square.

        Args:
            net: weights `edge rows channel` for distances `edge`; zero from `end` on.
            end: where it ends, in Angstrom; left out, the cutoff of a `RadialMLP`.
            tolerance: largest error, relative to the root mean square of the weights.
            points: a fixed number instead, whatever the error.

        Raises:
            ValueError: no end is known, the network does not vanish there, or 4097 points are too few.
        """
        end = getattr(getattr(net, "envelope", None), "cutoff", None) if end is None else end
        if end is None or end <= 0:
            raise ValueError(
                f"RadialTable: expected a distance above zero where the table ends, came {end}. Give end=."
            )
        exact = deepcopy(net).double().cpu().requires_grad_(False)
        _check_end(exact, end)
        count = points or 33
        while True:
            found = cls._with_points(exact, end, count)
            if points is not None or found.error <= tolerance:
                return found
            if count >= MOST_POINTS:
                raise ValueError(
                    f"RadialTable: expected an error of {tolerance:g} with at most {MOST_POINTS} points, came "
                    f"{found.error:.1e}. Is the network smooth? A kink, such as that of relu, is never resolved; give "
                    f"points= to take the table as it is."
                )
            count = 2 * count - 1

    @classmethod
    def _with_points(cls, exact: nn.Module, end: float, points: int) -> "RadialTable":
        step = end / (points - 1)
        inside = torch.from_numpy((1 - np.cos(pi * np.arange(DEGREE + 1) / DEGREE)) / 2)  # 0 to 1
        r = step * (torch.arange(points - 1, dtype=torch.float64)[:, None] + inside)
        weights = exact(r.flatten())
        samples = weights.flatten(1).unflatten(0, r.shape)  # cell, place, width
        slope = torch.from_numpy(_derivative(inside.numpy()))
        jets = torch.stack([samples, slope @ samples, slope @ slope @ samples], dim=2)
        left, right = jets[:, 0], jets[:, -1]
        table = torch.cat([left[:1], (left[1:] + right[:-1]) / 2, right[-1:]])
        table[-1] = 0.0
        found = cls(table, Span(0.0, step), weights.shape[1])
        found._measure(r.flatten(), jets[:, :, 0].flatten(0, 1), jets[:, :, 1].flatten(0, 1) / step)
        return found

    def _measure(self, r: Tensor, values: Tensor, slopes: Tensor) -> None:
        """Compare with the network where there is no point of the table."""
        table, step = self.tables.exact["weights"], self.span.step
        # the slope of the table by the same rule one derivative lower: a difference over a short way is exact enough
        near = 1e-4 * step
        value = hermite(table, r, self.span)
        slope = (hermite(table, r + near, self.span) - hermite(table, r - near, self.span)) / (2 * near)
        within = (r > step / 2) & (r < r.max() - step / 2)
        scale, steepness = (each.square().mean().sqrt().clamp_min(1e-300) for each in (values, slopes))
        self.error = float((value - values).abs().max() / scale)
        self.slope_error = float((slope - slopes)[within].abs().max() / steepness)

    @property
    def points(self) -> int:
        """How many there are."""
        return self.tables.exact["weights"].shape[0]

    def forward(self, r: Float[Tensor, "edge"]) -> Float[Tensor, "edge rows channel"]:
        """Weights for every edge."""
        return hermite(self.tables.like(r, "weights"), r, self.span).unflatten(-1, (self.rows, -1))

    def extra_repr(self) -> str:
        """One line: size and measured errors."""
        end = self.span.step * (self.points - 1)
        return f"{self.points} points to {end:g} A, error {self.error:.1e}, of slopes {self.slope_error:.1e}"


def _check_end(exact: nn.Module, end: float) -> None:
    weights = exact(torch.linspace(0.0, end, 257, dtype=torch.float64)).flatten(1)
    left, largest = float(weights[-1].abs().max()), float(weights.abs().max())
    if not left <= VANISHES * largest:
        raise ValueError(
            f"RadialTable: expected weights that vanish at {end:g}, came {left:.1e} beside a largest of {largest:.1e}. "
            f"Multiply the network by an envelope, such as PolynomialCutoff, or let the table end at the cutoff."
        )


def _derivative(nodes: np.ndarray) -> np.ndarray:
    """Matrix from values of a polynomial at some nodes to its derivatives there, by barycentric weights."""
    apart = nodes[:, None] - nodes[None, :] + np.eye(len(nodes))
    weights = 1 / apart.prod(axis=1)
    matrix = weights[None, :] / weights[:, None] / apart
    np.fill_diagonal(matrix, 0.0)
    np.fill_diagonal(matrix, -matrix.sum(axis=1))
    return matrix
