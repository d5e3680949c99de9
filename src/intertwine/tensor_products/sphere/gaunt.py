"""The Gaunt product: features multiplied as functions on the sphere; O(3) acts on `dim`."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.o3.constants import Constants
from intertwine.o3.grid import SphereGrid, smallest_grid
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.base import TensorProduct, Weights, check_choice, check_legs
from intertwine.tensor_products.filter_form import FilterForm
from intertwine.tensor_products.kernels.sphere_product import sphere_product, takes
from intertwine.tensor_products.kernels.sphere_table import sphere_table
from intertwine.tensor_products.leg_weights import LegWeights
from intertwine.tensor_products.sphere.function import (
    SphereFunction,
    SphereTransform,
    bracket,
    entry_of_row,
    multiply,
)
from intertwine.tensor_products.sphere.gaunt_filter import GauntFilterForm, gaunt_couplings
from intertwine.tensor_products.sphere.gaunt_reach import check_reached, reached_irreps
from intertwine.tensor_products.sphere.grid import GridTransform
from intertwine.tensor_products.sphere.torus import TorusTransform


class Gaunt(TensorProduct):
    r"""Product of two spherical functions, expressed in spherical harmonics.

    Reads x and y as functions on the sphere, multiplies them point by point and expands the result:

        z^l = w3_l norm_l P_l [ f g ],   f = S(w1 x),  g = S(w2 y)      S: harmonics -> points,  P_l: points -> degree l

    With odd="bracket" the spherical Poisson bracket is a second product on the same points,

        {f, g} = r . (grad f x grad g)

    which is antisymmetric and reaches the paths of odd l1 + l2 + l3, the cross product first among them. Together they
    reach every path of `ClebschGordan`. Without it (odd="none", the product of the paper) x cross y is always zero.

    There is one weight per entry and leg (w1, w2, w3 one after the other in `weight`) instead of one per path: fewer
    choices, O(L) numbers. Exact up to rounding: the points resolve degree l1 + l2 + l3. Entries of natural parity are
    functions, entries of the other parity are pseudo-functions, and products of the two follow the sign rule.

    Cost: O(L^3) per channel where the compiled kernel runs (without a bracket, one parity on each leg, grid left out):
    it samples the angle to the axis only, and multiplies trigonometric sums. Else O(L^4) on the grid (three GEMMs; on a
    GPU in one kernel that stores no point), and O(L^3) through the 2-D Fourier transform, which is slower in practice
    (method="fourier", for fidelity to the paper).
    Also known as: spherical-grid or S2 product.

    Args:
        irreps_in1, irreps_in2: types of the two features; equal entries add up as functions.
        irreps_out: type of the result; left out, one copy of every irrep that is reached.
        method: "grid" or "fourier".
        odd: "none" or "bracket".
        legs: which of the three legs carry weights; `weight_count` is the number of entries on them.
        grid: for method="grid", a rule exact for degree l1 + l2 + l3; left out, the one of fewest points.
        normalization: "component" gives unit variance for independent unit-variance x, y and weights; "none" leaves the
            bare integrals over orthonormal harmonics, z_m3 = sum gaunt[m1, m2, m3] x_m1 y_m2.

    Shapes: as in `TensorProduct`; `weight_count` is the number of entries on the weighted legs.

    Raises:
        IrrepsError: an entry of irreps_out is not reached, the grid is too coarse, or legs names no leg.

    Example:
        >>> from intertwine.o3 import Irreps
        >>> product = Gaunt(Irreps("0e+1o"), Irreps("0e+1o"), odd="bracket")
        >>> product.irreps_out
        0e+1o+1e+2e
        >>> product(torch.randn(5, 4, 8), torch.randn(5, 4, 8)).shape
        torch.Size([5, 12, 8])

    Reference: Luo, Chen, Krishnapriyan, 2024, arXiv:2401.10216; grid form: Xie et al., 2025 (The Price of Freedom).
    """

    def __init__(
        self,
        irreps_in1: Irreps | str,
        irreps_in2: Irreps | str,
        irreps_out: Irreps | str | None = None,
        *,
        method: Literal["grid", "fourier"] = "grid",
        odd: Literal["none", "bracket"] = "none",
        grid: SphereGrid | None = None,
        weights: Weights = "none",
        legs: Sequence[int] = (1, 2, 3),
        channels: int | None = None,
        normalization: Literal["component", "none"] = "component",
    ):
        check_choice("Gaunt", "method", method, ("grid", "fourier"))
        check_choice("Gaunt", "odd", odd, ("none", "bracket"))
        check_choice("Gaunt", "normalization", normalization, ("component", "none"))
        if grid is not None and method != "grid":
            raise IrrepsError("Gaunt: expected no grid with method='fourier', came one. Take method='grid'.")
        irreps_in1, irreps_in2 = Irreps(irreps_in1), Irreps(irreps_in2)
        self.bracket, self.normalization = odd == "bracket", normalization
        if irreps_out is None:
            irreps_out = Irreps(reached_irreps(irreps_in1, irreps_in2, bracket=self.bracket))
        irreps_out = Irreps(irreps_out)
        irreps = (irreps_in1, irreps_in2, irreps_out)
        check_legs("Gaunt", irreps)
        check_reached(*irreps, bracket=self.bracket)
        leg_weights = LegWeights(irreps, legs)
        super().__init__(*irreps, weight_count=leg_weights.count, weights=weights, channels=channels)
        self.legs = leg_weights
        transform = _grid_transform(irreps, grid) if method == "grid" else _torus_transform(irreps)
        self.leg1, self.leg2, self.leg3 = (SphereFunction(each, transform) for each in irreps)
        norms = self.entry_norms()[entry_of_row(irreps_out)]
        self.norms = Constants(product=norms[:, :1], bracket=norms[:, 1:])
        self.separable = method == "grid" and grid is None and not self.bracket and _one_grade(irreps)
        if self.separable:
            table, self.rows = sphere_table(irreps, norms[:, 0]), (irreps_in1.dim, irreps_in2.dim)
            self.rings = Constants(numbers=table.numbers)
            self.register_buffer("structure", table.structure, persistent=False)

    def forward(
        self,
        x: Float[Tensor, "*batch dim1 channel"],
        y: Float[Tensor, "*batch dim2 #channel"],
        weight: Float[Tensor, "*#batch paths #channel"] | None = None,
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """Scale the entries, and multiply: in the compiled kernel where there is one, else as `readable` does."""
        w1, w2, w3 = self.legs.split(self.effective_weight(weight))
        x, y = self.legs.scale(x, 1, w1), self.legs.scale(y, 2, w2)
        z = self._on_rings(x, y) if self.separable and takes(x, y, self.rows) else self.readable(x, y)
        return self.legs.scale(z, 3, w3)

    def _on_rings(self, x: Tensor, y: Tensor) -> Tensor:
        batch = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        if len(batch) != 1 or x.shape[0] != y.shape[0]:
            x, y = (each.expand(*batch, *each.shape[-2:]).reshape(-1, *each.shape[-2:]) for each in (x, y))
        table = (self.get_buffer("structure"), self.rings.like(x, "numbers"))
        z = sphere_product(x, y, *table, self.irreps_out.dim)
        return z if len(batch) == 1 else z.reshape(*batch, *z.shape[1:])

    def readable(
        self, x: Float[Tensor, "*#batch dim1 #channel"], y: Float[Tensor, "*#batch dim2 #channel"]
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """Multiply `x` by `y` point by point, and bracket them where asked."""
        z = self.leg3.expand(multiply(self.leg1.sample(x), self.leg2.sample(y))) * self.norms.like(x, "product")
        if self.bracket:
            curl = self.leg3.expand(bracket(self.leg1.gradient(x), self.leg2.gradient(y)))
            z = z + curl * self.norms.like(x, "bracket")
        return z

    def filter_form(self) -> FilterForm | GauntFilterForm:
        """The same map for a `y` of one channel, weights outside."""
        irreps = (self.irreps_in1, self.irreps_in2, self.irreps_out)
        legs = self.legs.legs if self.weighted_outside() else ()
        if not {1, 3} & set(legs):
            couplings = gaunt_couplings(irreps, self.entry_norms(), self.bracket)
            return FilterForm(irreps, couplings, weighted=2 in legs)
        return GauntFilterForm(irreps, self.entry_norms(), bracket=self.bracket, legs=legs)

    def entry_norms(self) -> Float[Tensor, "out 2"]:
        """Factor on every entry of the result: first for the pointwise product, then for the bracket."""
        if self.normalization == "none":
            return torch.ones(len(self.irreps_out), 2, dtype=torch.float64)
        reached = reached_irreps(self.irreps_in1, self.irreps_in2, bracket=self.bracket)
        return torch.tensor([reached[ir].norms() for ir in self.irreps_out], dtype=torch.float64)


def _one_grade(irreps: tuple[Irreps, Irreps, Irreps]) -> bool:
    """Whether each leg is all functions or all pseudo-functions."""
    return all(len({ir.natural for ir in each}) == 1 for each in irreps)


def _grid_transform(
    irreps: tuple[Irreps, Irreps, Irreps], grid: SphereGrid | None
) -> Callable[[Irreps], SphereTransform]:
    degree = sum(each.lmax for each in irreps)
    rule = smallest_grid(degree) if grid is None else grid
    if rule.degree < degree:
        raise IrrepsError(
            f"Gaunt: the product of {irreps[0]} and {irreps[1]} to {irreps[2]} needs a grid exact to degree {degree}, "
            f"came one of degree {rule.degree}. Leave grid out, or take smallest_grid({degree})."
        )
    return lambda part: GridTransform(part, rule)


def _torus_transform(irreps: tuple[Irreps, Irreps, Irreps]) -> Callable[[Irreps], SphereTransform]:
    bandwidth = irreps[0].lmax + irreps[1].lmax
    return lambda part: TorusTransform(part, bandwidth)
