"""What layers that visit a grid on the sphere share; O(3) acts on `dim` on one side, and on the points on the other."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from math import pi, sqrt
from typing import Literal

import torch
from jaxtyping import Float
from numpy.polynomial.hermite_e import hermegauss
from torch import Tensor, nn

from intertwine.o3.constants import Constants
from intertwine.o3.grid import SphereGrid, gauss_legendre, smallest_grid
from intertwine.o3.irreps import Irrep, Irreps
from intertwine.tensor_products.sphere.function import Functions, SphereFunction, entry_of_row
from intertwine.tensor_products.sphere.grid import GridTransform

Inversion = Literal["antipodal", "trivial"]
"""What the inversion does to points: r to -r, or nothing.

"antipodal": entries of parity (-1)^l are functions, the others pseudo-functions, which change sign besides.
"trivial": even entries "e" are functions, odd ones "o" pseudo-functions. For features that know of rotations only, such
as 0e+1e+2e: O(3) is kept, as its inversion leaves them alone.
"""
Pointwise = Callable[[Tensor], Tensor]


def safe_grid(lmax: int) -> SphereGrid:
    """The default of grid layers: exact to degree 8 lmax + 7.

    A smooth nonlinearity has no highest degree. What lies above the grid's falls onto low degrees, and the result
    turns a little differently than the feature. Here that is rare enough: see `aliasing_report`. No more points than a
    doubled Gauss-Legendre grid, of 2 (2 lmax + 1) rings, from lmax = 2 on. One point for lmax = 0.

    Example:
        >>> len(safe_grid(2)), safe_grid(2).degree
        (194, 23)

    Reference: the doubled grid: e3nn's and Facet's layers, Miklaucic et al., 2025, arXiv:2509.08418.
    """
    return smallest_grid(8 * lmax + 7) if lmax else gauss_legendre(0)


class GridLayer(nn.Module, ABC):
    """A layer that is equivariant up to what its grid cannot resolve: `SphereActivation`, `GridMLP`.

    Example:
        >>> from intertwine.nn import SphereActivation
        >>> coarse: GridLayer = SphereActivation("0e+1o+2e").on_grid(gauss_legendre(9))
        >>> len(coarse.grid)
        50
    """

    irreps_in: Irreps
    irreps_out: Irreps
    channels_in: int | None
    """None where any number will do."""
    inversion: Inversion
    grid: SphereGrid

    @abstractmethod
    def lay(self, grid: SphereGrid) -> None:
        """Build everything that depends on the grid."""

    def on_grid(self, grid: SphereGrid) -> "GridLayer":
        """A copy with the same parameters on another grid."""
        other = deepcopy(self)
        other.lay(grid)
        return other


class PointValues(nn.Module):
    r"""Features to values at the points and back, unit variance kept: f and back is the identity.

        f(r) = sum over l, m of  sqrt(4 pi / ((2 l + 1) n)) x_lm Y_lm(r)            n: entries of the parity

    Args:
        irreps: what to read or write; no irrep twice.
        counts: n of functions (key 0) and pseudo-functions (key 1).
        gain: of what is written, a factor that costs less here than at the points.

    Shapes: features `*batch dim channel`, values `*batch point channel`.
    """

    def __init__(
        self, irreps: Irreps, grid: SphereGrid, *, inversion: Inversion, counts: Mapping[int, int], gain: float = 1.0
    ):
        super().__init__()
        as_functions = [ir if inversion == "antipodal" else Irrep(ir.l, ir.p * (-1) ** ir.l) for ir in irreps]
        self.functions = SphereFunction(Irreps(as_functions), lambda part: GridTransform(part, grid))
        scales = [sqrt(4 * pi / (ir.dim * counts[grade_of(ir, inversion)])) for ir in irreps]
        rows = torch.tensor(scales, dtype=torch.float64)[entry_of_row(irreps), None]
        self.scales = Constants(read=rows, write=gain / rows)

    def sample(self, x: Float[Tensor, "*batch dim channel"]) -> Functions:
        """Values at the points, 0: of the function, 1: of the pseudo-function."""
        return self.functions.sample(x * self.scales.like(x, "read"))

    def expand(self, values: Functions) -> Float[Tensor, "*batch dim channel"]:
        """Features of the values."""
        x = self.functions.expand(values)
        return x * self.scales.like(x, "write")


def grade_of(ir: Irrep, inversion: Inversion) -> int:
    """0 for part of a function, 1 for part of a pseudo-function."""
    return int(ir.p != ((-1) ** ir.l if inversion == "antipodal" else 1))


def grades(irreps: Irreps, inversion: Inversion) -> Counter[int]:
    """How many entries of each grade."""
    return Counter(grade_of(ir, inversion) for ir in irreps)


def second_moment(function: Pointwise, variance: float = 1.0) -> float:
    """E[function(u)^2] for u from N(0, variance).

    Example:
        >>> round(second_moment(torch.square, 2.0), 9)
        12.0
    """
    points, weights = hermegauss(128)
    u = torch.tensor(points, dtype=torch.float64) * sqrt(variance)
    return float(torch.tensor(weights / weights.sum()) @ function(u).square())
