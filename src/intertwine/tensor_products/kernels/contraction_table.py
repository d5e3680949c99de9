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
) -> ContractionTable:
    """Sort the numbers of a basis: row `any` adds `weight[row_basis] basis . monomials` to row `row_out` of z."""
    indices, rows = list(monomials), _Rows(dim_in)
    terms: list[dict[tuple[int, int], list[tuple[int, float]]]] = [{} for _ in range(dim_out)]
    for row, column in torch.nonzero(basis.abs() > SMALLEST).tolist():
        half = len(indices[column]) // 2
        factors = rows.of(indices[column][:half]), rows.of(indices[column][half:])
        terms[row_out[row]].setdefault(factors, []).append((int(row_basis[row]), float(basis[row, column])))
    listed, starts, weights, numbers = [], [0], [], []
    for entries in terms:
        groups: dict[int, list[int]] = {}
        for a, b in sorted(entries):
            groups.setdefault(a, []).append(b)
            for weight, number in entries[a, b]:
                weights.append(weight)
                numbers.append(number)
            starts.append(len(weights))
        listed.append(len(groups))
        for a, members in groups.items():
            listed += [a, len(members), *members]
    count = 1 + int(row_basis.max())
    head = [count, dim_in, dim_out, len(rows.products) // 2, len(starts) - 1, len(listed)]
    structure = torch.tensor([*head, *rows.products, *listed, *starts, *weights], dtype=torch.int32)
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
