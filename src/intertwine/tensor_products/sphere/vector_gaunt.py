"""The vector Gaunt product: features multiplied as vector fields on the sphere by the cross product; O(3) on `dim`."""

from collections.abc import Iterator, Sequence
from itertools import product as all_of
from math import prod
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.constants import Constants
from intertwine.o3.gaunt import gaunt_factor
from intertwine.o3.grid import smallest_grid
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.base import TensorProduct, Weights, check_choice, check_legs
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.lifted_legs import Copy, LiftedLegs, LiftedTerm
from intertwine.tensor_products.sphere.vector_field import ORBITALS, VectorField, cross, cross_factor, orbitals

APART = (-1,)
"""The place of what is multiplied without vector fields."""


class VectorGaunt(TensorProduct):
    r"""Product of two vector fields on the sphere, expressed in vector spherical harmonics.

        z = w3 norm P[ V(w1 x)  x  V(w2 y) ]         V: features -> fields at points,  P: fields -> features

    Every entry of degree j >= 1 becomes vector harmonics V^jl, scalar harmonics of degree l coupled with a unit vector:
    l = j and j + 1 for x and for the result, with a weight for each, and l = j - 1 for y. The fields are multiplied by
    the cross product, point by point. It is antisymmetric where the product of functions is symmetric, so that
    1o x 1o -> 1e and all other odd paths are reached; the even ones are too, because x and y are different fields.

    Scalars are kept apart: paths in which an entry has degree 0 are plain multiplications and scalar products.

    Parity: some of the fields of an entry are polar, as forces are, the others axial, as torques. A product of two of a
    kind is axial, of one of each kind polar. So p3 = p1 p2, and pseudo-tensors are ordinary entries.

    Exact up to rounding: the points resolve degree l1 + l2 + l3, at most one more than `Gaunt` needs, for three
    components of every field. Where odd paths are all that is missing, `Gaunt` with odd="bracket" has them with less
    work. Cost: O(L^4) per channel. Also known as: VGTP, vector signal tensor product.

    Args:
        irreps_in1, irreps_in2: types of the two features; equal entries add up.
        irreps_out: type of the result; left out, one copy of every irrep that is reached: all that the rules allow.
        legs: which of the three legs carry weights.
        normalization: "component" gives unit variance for independent unit-variance x, y and weights; "none" leaves the
            bare integrals over orthonormal vector harmonics.

    Shapes: as in `TensorProduct`; `weight_count` counts the orbitals of all entries on the weighted legs, and for each
    entry that meets scalars one more.

    Raises:
        IrrepsError: an entry of irreps_out is not reached, or legs names no leg.

    Example:
        >>> product = VectorGaunt("1o", "1o")
        >>> product.irreps_out
        0e+1e+2e
        >>> product(torch.randn(5, 3, 8), torch.randn(5, 3, 8)).shape
        torch.Size([5, 9, 8])

    Reference: Xie et al., 2025 (The Price of Freedom).
    """

    def __init__(
        self,
        irreps_in1: Irreps | str,
        irreps_in2: Irreps | str,
        irreps_out: Irreps | str | None = None,
        *,
        weights: Weights = "none",
        legs: Sequence[int] = (1, 2, 3),
        channels: int | None = None,
        normalization: Literal["component", "none"] = "component",
    ):
        check_choice("VectorGaunt", "normalization", normalization, ("component", "none"))
        irreps_in1, irreps_in2 = Irreps(irreps_in1), Irreps(irreps_in2)
        full = Irreps(sorted({ir for one in irreps_in1 for two in irreps_in2 for ir in one * two}))
        irreps = (irreps_in1, irreps_in2, full if irreps_out is None else Irreps(irreps_out))
        check_legs("VectorGaunt", irreps)
        lifted = LiftedLegs(
            irreps,
            vector_terms(irreps),
            legs,
            weighted=weights != "none",
            normalized=normalization == "component",
        )
        for ir, variance in zip(irreps[2], lifted.variances):
            if not variance:
                raise IrrepsError(
                    f"VectorGaunt: irreps_out asks for {ir}, but {irreps_in1} times {irreps_in2} reaches {full}. "
                    f"Drop it."
                )
        super().__init__(*irreps, weight_count=lifted.weights.count, weights=weights, channels=channels)
        self.lifted = lifted
        counts = [sum(copy.place == APART for copy in copies) for copies in lifted.copies]
        scalar = [each[:count] for each, count in zip(lifted.irreps, counts)]
        self.apart_dims = [each.dim for each in scalar]
        self.apart, paths = None, scalar_paths(lifted)
        if paths:
            options = {"paths": [path for path, _ in paths], "weights": "external", "normalization": "none"}
            self.apart = ClebschGordan(*scalar, **options)
            strengths = torch.tensor([[strength] for _, strength in paths], dtype=torch.float64)
            self.strengths = Constants(apart=strengths)
        places = [[copy.place for copy in copies[count:]] for copies, count in zip(lifted.copies, counts)]
        self.fields = nn.ModuleList()
        if all(places):
            grid = smallest_grid(sum(max(l for _, l in each) for each in places))
            for leg, (each, own, count) in enumerate(zip(lifted.irreps, places, counts), start=1):
                self.fields.append(VectorField(each[count:], own, leg, grid))

    def forward(
        self,
        x: Float[Tensor, "*batch dim1 channel"],
        y: Float[Tensor, "*batch dim2 #channel"],
        weight: Float[Tensor, "*#batch paths #channel"] | None = None,
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """Multiply `x` by `y`: scalars apart, the rest as fields."""
        w1, w2, w3 = self.lifted.weights.split(self.effective_weight(weight))
        x, y = self.lifted.lift(x, 1, w1), self.lifted.lift(y, 2, w2)
        dim1, dim2 = self.apart_dims[:2]
        parts = []
        if self.apart is not None:
            parts.append(self.apart(x[..., :dim1, :], y[..., :dim2, :], self.strengths.like(x, "apart")))
        if self.fields:
            left, right, result = (cast(VectorField, field) for field in self.fields)
            values = cross(left.sample(x[..., dim1:, :]), right.sample(y[..., dim2:, :]))
            parts.append(result.expand(values))
        return self.lifted.collect(torch.cat(parts, -2), w3)

    def filter_form(self) -> nn.Module:
        """The same map for a `y` of one channel, weights outside, without visiting the points."""
        return self.lifted.filter_form(weighted=self.weighted_outside())


def vector_terms(irreps: tuple[Irreps, Irreps, Irreps]) -> Iterator[LiftedTerm]:
    """Every product that O(3) allows: of scalars apart, of fields for each three orbitals, vanishing ones included."""
    for (in1, ir1), (in2, ir2), (out, ir3) in all_of(*(enumerate(each) for each in irreps)):
        if ir3 not in ir1 * ir2:
            continue
        j = (ir1.l, ir2.l, ir3.l)
        if min(j) == 0:
            yield LiftedTerm((Copy(APART, in1), Copy(APART, in2), Copy(APART, out)), gaunt_factor(*j))
            continue
        for places in all_of(*(orbitals(ir, leg) for leg, ir in enumerate((ir1, ir2, ir3), start=1))):
            l1, l2, l3 = (l for _, l in places)
            sign = prod(ORBITALS[leg][l - own] for leg, (l, own) in enumerate(zip((l1, l2, l3), j), start=1))
            copies = (Copy(places[0], in1), Copy(places[1], in2), Copy(places[2], out))
            yield LiftedTerm(copies, sign * cross_factor(j, (l1, l2, l3)))


def scalar_paths(lifted: LiftedLegs) -> list[tuple[tuple[int, int, int], float]]:
    """Paths between the copies that are kept apart, and their strengths."""
    places = [{copy: index for index, copy in enumerate(copies)} for copies in lifted.copies]
    found = []
    for term in lifted.terms:
        if term.copies[0].place == APART:
            one, two, three = (place[copy] for place, copy in zip(places, term.copies))
            found.append(((one, two, three), term.factor))
    return found
