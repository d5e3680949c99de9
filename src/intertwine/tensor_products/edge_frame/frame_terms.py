"""Sums of single terms in the frame of an edge, where O(3) is left with turns about the edge and acts on pairs +-m."""

from collections.abc import Sequence
from itertools import accumulate
from math import prod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.constants import Constants
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.filter_form import Coupling
from intertwine.tensor_products.kernels.couple import couple, takes
from intertwine.tensor_products.kernels.coupling_table import coupling_table


class Term(NamedTuple):
    """One number of a product along the edge: order1 of entry in1 of x gives order3 of entry out of the result.

    It is multiplied by row `weight` of the weight, and by row `harmonic` of pole.
    """

    in1: int
    order1: int
    harmonic: int
    out: int
    order3: int
    weight: int
    coefficient: float


class FrameTerms(nn.Module):
    r"""A sparse sum over rows m = -order .. order of every entry.

        z[out, order3] = sum over terms of  coefficient weight[term.weight] pole[term.harmonic] x[in1, order1]

    It runs in the compiled kernel of `ClebschGordan`, to which every row is a scalar, or else as `readable` does.

    Args:
        irreps: types of x, the harmonics and the result.

    Shapes: x `*batch order1 channel`, pole `*batch entry2 1`, weight `*batch weights channel`,
    result `*batch order3 channel`. The rows are those of orders_in and orders_out: enough for the terms, no more.
    """

    def __init__(self, irreps: tuple[Irreps, Irreps, Irreps], terms: Sequence[Term]):
        super().__init__()
        self.orders_in, self.orders_out = [0] * len(irreps[0]), [0] * len(irreps[2])
        for term in terms:
            self.orders_in[term.in1] = max(self.orders_in[term.in1], abs(term.order1))
            self.orders_out[term.out] = max(self.orders_out[term.out], abs(term.order3))
        self.rows_out = sum(2 * order + 1 for order in self.orders_out)
        middle_in, middle_out = middle_rows(self.orders_in), middle_rows(self.orders_out)
        read = [middle_in[term.in1] + term.order1 for term in terms]
        write = [middle_out[term.out] + term.order3 for term in terms]
        rows_in = sum(2 * order + 1 for order in self.orders_in)
        self.rows = (rows_in, len(irreps[1]), 1 + max(term.weight for term in terms))
        written = sorted(set(write))
        write = [written.index(row) for row in write]
        harmonics, weights = [term.harmonic for term in terms], [term.weight for term in terms]
        for name, index in (("read", read), ("pole", harmonics), ("weight", weights), ("write", write)):
            self.register_buffer(f"{name}_row", torch.tensor(index), persistent=False)
        self.register_buffer("written", torch.tensor(written), persistent=False)

        single = torch.tensor([term.coefficient for term in terms], dtype=torch.float64)
        scalars = (Irreps("0e") * (max(read) + 1), Irreps("0e") * len(irreps[1]), Irreps("0e") * len(written))
        parts = zip(read, harmonics, write, weights, single.reshape(-1, 1, 1, 1), strict=True)
        compiled = coupling_table(scalars, [Coupling(*part) for part in parts])
        self.tables = Constants(single=single[:, None], compiled=compiled.coefficients)
        self.register_buffer("structure", compiled.structure, persistent=False)

    def forward(
        self,
        x: Float[Tensor, "*batch order1 channel"],
        pole: Float[Tensor, "*batch entry2 1"],
        weight: Float[Tensor, "*#batch weights #channel"] | None,
    ) -> Float[Tensor, "*batch order3 channel"]:
        """Add up the terms; rows that no term writes are zero."""
        form = self.compiled if takes(x, pole, weight, self.rows) else self.readable
        z, written = form(x, pole, weight), self.get_buffer("written")
        if len(written) == self.rows_out:
            return z
        return z.new_zeros(*z.shape[:-2], self.rows_out, z.shape[-1]).index_copy(-2, written, z)

    def readable(self, x: Tensor, pole: Tensor, weight: Tensor | None) -> Tensor:
        """One row a term, then those that meet added up."""
        scale = pole.index_select(-2, self.get_buffer("pole_row")) * self.tables.like(x, "single")
        if weight is not None:
            scale = scale * weight.index_select(-2, self.get_buffer("weight_row"))
        terms = scale * x.index_select(-2, self.get_buffer("read_row"))
        z = terms.new_zeros(*terms.shape[:-2], len(self.get_buffer("written")), terms.shape[-1])
        return z.index_add(-2, self.get_buffer("write_row"), terms)

    def compiled(self, x: Tensor, pole: Tensor, weight: Tensor | None) -> Tensor:
        """The fast path: one pass over the data."""
        batch = x.shape[:-2]
        if weight is not None:
            shared = prod(weight.shape[:-2]) == 1
            weight = weight if shared else weight.expand(*batch, *weight.shape[-2:])
            weight = weight.reshape(-1, *weight.shape[-2:])
        x, pole = (each.reshape(prod(batch), *each.shape[-2:]) for each in (x, pole))
        table = (self.get_buffer("structure"), self.tables.like(x, "compiled"))
        z = couple(x, pole, weight, *table, len(self.get_buffer("written")))
        return z.reshape(*batch, *z.shape[1:])


def middle_rows(orders: Sequence[int]) -> list[int]:
    """Where order 0 of every entry lies when entry after entry has the rows -order .. order."""
    starts = accumulate((2 * order + 1 for order in orders), initial=0)
    return [start + order for start, order in zip(starts, orders)]
