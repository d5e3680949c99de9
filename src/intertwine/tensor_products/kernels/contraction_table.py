"""The polynomials of a symmetric contraction in the form that the compiled kernel reads; O(3) acts on their rows.

Every monomial is a product of two rows of M = (1, components of x, products of these): a of the shorter half of its
factors, b of the longer. The monomials of one row of the result and one a lie together.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int32
from torch import Tensor

SMALLEST = 1e-13
"""Numbers below are what rounding left of zero."""


@dataclass(frozen=True)
class ContractionTable:
    """Where everything is, and the numbers.

    structure: the numbers of weights, rows of x, rows of z, products and entries, and the length of the list of
    entries; for every product the two rows of M before it; for every row of z the number of its groups, and for every
    group a, its size and its b; for every entry where its terms begin; for every term its weight.
    """

    structure: Int32[Tensor, "integer"]
    coefficients: Float[Tensor, "term"]


def contraction_table(
    basis: Float[Tensor, "any monomial"],
    row_out: Int[Tensor, "any"],
    row_basis: Int[Tensor, "any"],
    monomials: Iterable[tuple[int, ...]],
    *,
    dim_in: int,
    dim_out: int,
    weights: int,
) -> ContractionTable:
    """Sort the numbers of a basis: row `any` adds `weight[row_basis] basis . monomials` to row `row_out` of z."""
    indices, rows = list(monomials), _Rows(dim_in)
    terms: list[dict[tuple[int, int], list[tuple[int, float]]]] = [{} for _ in range(dim_out)]
    places = torch.nonzero(basis.abs() > SMALLEST)
    out, names, found = (
        row_out[places[:, 0]].tolist(),
        row_basis[places[:, 0]].tolist(),
        basis[tuple(places.T)].tolist(),
    )
    for row, name, column, number in zip(out, names, places[:, 1].tolist(), found, strict=True):
        half = len(indices[column]) // 2
        factors = rows.of(indices[column][:half]), rows.of(indices[column][half:])
        terms[row].setdefault(factors, []).append((name, number))
    listed, starts, of_terms, numbers = [], [0], [], []
    for entries in terms:
        groups: dict[int, list[int]] = {}
        for a, b in sorted(entries):
            groups.setdefault(a, []).append(b)
            for weight, number in entries[a, b]:
                of_terms.append(weight)
                numbers.append(number)
            starts.append(len(of_terms))
        listed.append(len(groups))
        for a, members in groups.items():
            listed += [a, len(members), *members]
    head = [weights, dim_in, dim_out, len(rows.products) // 2, len(starts) - 1, len(listed)]
    structure = torch.tensor([*head, *rows.products, *listed, *starts, *of_terms], dtype=torch.int32)
    return ContractionTable(structure, torch.tensor(numbers, dtype=torch.float64))


class _Rows:
    """The rows of M, added as they are asked for; products are made from a shorter one and a component."""

    def __init__(self, dim: int):
        self.places = {(): 0, **{(i,): 1 + i for i in range(dim)}}
        self.products: list[int] = []

    def of(self, indices: tuple[int, ...]) -> int:
        if indices not in self.places:
            factors = [self.of(indices[:-1]), self.of(indices[-1:])]
            self.products += factors
            self.places[indices] = len(self.places)
        return self.places[indices]
