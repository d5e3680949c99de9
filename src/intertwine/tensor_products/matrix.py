"""The matrix product: features multiplied as linear operators on a space that O(3) acts on; O(3) acts on `dim`."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product as all_of
from math import sqrt
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.clebsch_gordan import real_wigner_3j
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.analysis.operator_space import Operators, OperatorSpace
from intertwine.tensor_products.base import TensorProduct, Weights, check_choice, check_legs
from intertwine.tensor_products.lifted_legs import DEAD, Copy, LiftedLegs, LiftedTerm


class Matrix(TensorProduct):
    r"""Product of two features read as linear operators on a space V.

        z = norm * components( X Y ),       X_pq = sum over entries and m of  x_m sqrt(2 l + 1) C(a, a, l)[p, q, m]

    C is `wigner_3j`: x is spread over an orthonormal basis of the matrices on V, the matrices are multiplied, and the
    result is read off in the same basis. A path l1, l2 -> l3 has the strength

        sqrt( (2 l1 + 1)(2 l2 + 1)(2 l3 + 1) )  6j{ l1 l2 l3; a a a }

    - space="single": V is one irrep of degree a, a matrix of side 2 a + 1. Operators have degrees up to 2 a. One weight
      per entry and leg, as in `Gaunt`, which this product becomes for a large a (the matrices of a "fuzzy sphere").
    - space="sum": V has every degree 0 to a. A matrix falls into blocks between degrees, an entry goes into all
      blocks that can hold it, and weights are one per entry, block and leg: as expressive as all paths.

    Parity: V comes twice, once even and once odd. An entry of parity p = -1 maps one half to the other, an entry of
    p = +1 maps each half to itself, whatever its degree. So p3 = p1 p2 holds exactly, pseudo-tensors are ordinary
    entries, and l1 + l2 + l3 may be odd: the commutator of two vectors is their cross product. All paths that O(3)
    allows are there, save those whose 6j symbol vanishes by accident; the degree chosen by default avoids these.

    Equal entries of a leg add up. Exact up to rounding. Cost per channel: O(a^3) for the matrices of one irrep and
    O(a^4) to fill them; O(a^6) for a direct sum.

    Also known as: fused tensor product (e3x), matrix tensor product (MTP).

    Args:
        irreps_in1, irreps_in2: types of the two features.
        irreps_out: type of the result; left out, one copy of every irrep that is reached.
        space: "single" or "sum".
        degree: a; left out, the smallest that has all degrees and reaches every path that O(3) allows.
        legs: which of the three legs carry weights.
        normalization: "component" gives unit variance for independent unit-variance x, y and weights; "none" leaves
            the products of the matrices as they are.

    Shapes: as in `TensorProduct`; `weight_count` counts the entries (single) or blocks of entries (sum) that take part
    on the weighted legs, leg after leg.

    Raises:
        IrrepsError: the degree is too small, an entry of irreps_out is not reached, or legs names no leg.

    Example:
        >>> product = Matrix("0e+1o", "0e+1o")
        >>> product.irreps_out, product.degree
        (0e+1o+1e+2e, 1)
        >>> product(torch.randn(5, 4, 8), torch.randn(5, 4, 8)).shape
        torch.Size([5, 12, 8])

    Reference: Unke and Maennel, 2024, arXiv:2401.07595 (e3x); measured in Xie et al., 2025 (The Price of Freedom).
    """

    def __init__(
        self,
        irreps_in1: Irreps | str,
        irreps_in2: Irreps | str,
        irreps_out: Irreps | str | None = None,
        *,
        space: Literal["single", "sum"] = "single",
        degree: int | None = None,
        weights: Weights = "none",
        legs: Sequence[int] = (1, 2, 3),
        channels: int | None = None,
        normalization: Literal["component", "none"] = "component",
    ):
        check_choice("Matrix", "space", space, ("single", "sum"))
        check_choice("Matrix", "normalization", normalization, ("component", "none"))
        irreps_in1, irreps_in2 = Irreps(irreps_in1), Irreps(irreps_in2)
        full = Irreps(sorted({ir for one in irreps_in1 for two in irreps_in2 for ir in one * two}))
        wanted = full if irreps_out is None else Irreps(irreps_out)
        check_legs("Matrix", (irreps_in1, irreps_in2, wanted))
        self.space = space
        self.degree = smallest_degree((irreps_in1, irreps_in2, wanted), space) if degree is None else degree
        if irreps_out is None:
            wanted = Irreps(ir for ir in wanted if ir.l <= 2 * self.degree)
        irreps = (irreps_in1, irreps_in2, wanted)
        check_degree(irreps, self.degree)
        degrees = (self.degree,) if space == "single" else tuple(range(self.degree + 1))
        lifted = LiftedLegs(
            irreps,
            matrix_terms(irreps, degrees),
            legs,
            weighted=weights != "none",
            normalized=normalization == "component",
        )
        for ir, variance in zip(wanted, lifted.variances):
            if not variance:
                raise IrrepsError(
                    f"Matrix: irreps_out asks for {ir}, but {irreps_in1} times {irreps_in2} does not reach it with "
                    f"space={space!r} and degree={self.degree}. {'Leave degree out.' if ir in full else 'Drop it.'}"
                )
        super().__init__(*irreps, weight_count=lifted.weights.count, weights=weights, channels=channels)
        self.lifted = lifted
        self.leg1, self.leg2, self.leg3 = (
            OperatorSpace(each, [copy.place for copy in copies], degrees)
            for each, copies in zip(lifted.irreps, lifted.copies)
        )

    def forward(
        self,
        x: Float[Tensor, "*batch dim1 channel"],
        y: Float[Tensor, "*batch dim2 #channel"],
        weight: Float[Tensor, "*#batch paths #channel"] | None = None,
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """Multiply `x` by `y` as matrices."""
        w1, w2, w3 = self.lifted.weights.split(self.effective_weight(weight))
        left = self.leg1.operators(self.lifted.lift(x, 1, w1))
        right = self.leg2.operators(self.lifted.lift(y, 2, w2))
        found: Operators = {}
        for (p1, one), (p2, two) in all_of(left.items(), right.items()):
            if p1 * p2 in self.leg3.parities:
                term = torch.einsum("...pqc,...qrc->...prc", one, two)
                found[p1 * p2] = found[p1 * p2] + term if p1 * p2 in found else term
        return self.lifted.collect(self.leg3.components(found), w3)

    def filter_form(self) -> nn.Module:
        """The same map for a `y` of one channel, weights outside; blocks of a direct sum stay matrices."""
        weighted = self.weighted_outside()
        return self if weighted and self.space == "sum" else self.lifted.filter_form(weighted=weighted)

    def extra_repr(self) -> str:
        """One line: the three types, the space and the weights."""
        return f"{super().extra_repr()}, space={self.space!r}, degree={self.degree}"


def matrix_terms(irreps: tuple[Irreps, Irreps, Irreps], degrees: Sequence[int]) -> Iterator[LiftedTerm]:
    """Every product of a block (i, j) of x with a block (j, k) of y that O(3) allows, vanishing ones included."""
    for (in1, ir1), (in2, ir2), (out, ir3) in all_of(*(enumerate(each) for each in irreps)):
        if ir3 not in ir1 * ir2:
            continue
        for i, j, k in all_of(degrees, repeat=3):
            if abs(i - j) <= ir1.l <= i + j and abs(j - k) <= ir2.l <= j + k and abs(i - k) <= ir3.l <= i + k:
                copies = Copy((i, j), in1), Copy((j, k), in2), Copy((i, k), out)
                yield LiftedTerm(copies, matrix_factor((ir1.l, ir2.l, ir3.l), (i, j, k)))


@cache
def matrix_factor(l: tuple[int, int, int], space: tuple[int, int, int]) -> float:
    r"""Strength of the path l1, l2 -> l3 through blocks (i, j) and (j, k): number times `wigner_3j(l1, l2, l3)`.

        +- sqrt( (2 l1 + 1)(2 l2 + 1)(2 l3 + 1) )  6j{ l1 l2 l3; k i j }

    read off one entry of the product of the basis matrices, the largest, with all signs of the real basis.
    """
    coupled, (i, j, k) = real_wigner_3j(*l), space
    m1, m2, m3 = np.unravel_index(np.abs(coupled).argmax(), coupled.shape)
    one, two, three = real_wigner_3j(i, j, l[0]), real_wigner_3j(j, k, l[1]), real_wigner_3j(i, k, l[2])
    size = sqrt((2 * l[0] + 1) * (2 * l[1] + 1) * (2 * l[2] + 1))
    return float(size * np.sum((one[:, :, m1] @ two[:, :, m2]) * three[:, :, m3]) / coupled[m1, m2, m3])


def smallest_degree(irreps: tuple[Irreps, Irreps, Irreps], space: str) -> int:
    """The smallest degree that has all degrees of the legs and, in a single irrep, lets no allowed path vanish."""
    degree = (max(each.lmax for each in irreps) + 1) // 2
    while space == "single" and any(abs(term.factor) < DEAD for term in matrix_terms(irreps, (degree,))):
        degree += 1
    return degree


def check_degree(irreps: tuple[Irreps, Irreps, Irreps], degree: int) -> None:
    """Raise `IrrepsError` unless matrices between degrees up to `degree` can hold every entry."""
    for name, each in zip(("irreps_in1", "irreps_in2", "irreps_out"), irreps):
        if each.lmax > 2 * degree:
            raise IrrepsError(
                f"Matrix: operators between degrees up to {degree} have degrees up to {2 * degree}, came {name} "
                f"{each}. Leave degree out, or take at least {(each.lmax + 1) // 2}."
            )
