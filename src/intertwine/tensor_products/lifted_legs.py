"""Products in a larger space: entries are copied into it, multiplied there, and collected; O(3) acts on `dim`."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import sqrt
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.constants import Constants
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.filter_form import Coupling, FilterForm
from intertwine.tensor_products.leg_weights import LegWeights
from intertwine.tensor_products.sphere.function import entry_of_row

DEAD = 1e-10
"""Below this a factor is the rounding of a zero."""


class Copy(NamedTuple):
    """One place of the larger space that an entry goes to: a block of a matrix, an orbital of a vector field."""

    place: tuple[int, ...]
    entry: int


class LiftedTerm(NamedTuple):
    """Three copies that interact: the first and second, of the factors, give the third by factor * wigner_3j."""

    copies: tuple[Copy, Copy, Copy]
    factor: float

    @property
    def entries(self) -> tuple[int, int, int]:
        """The entries copied."""
        one, two, three = self.copies
        return one.entry, two.entry, three.entry


class LiftedLegs(nn.Module):
    r"""The way into a larger space and back, with weights for every copy on the legs that carry them.

        x'[copy] = w1[copy] x[entry of copy],      z[entry] = norm[entry] sum over its copies of  w3[copy] z'[copy]

    norm gives unit variance to every entry for independent unit-variance x, y and weights: terms of different pairs of
    entries add up incoherently, and so do terms that differ in a copy on a weighted leg; all others share their sign.

    Copies that no term reads are left out. They are sorted by place. An entry of the result with variance zero is not
    reached; the product that uses the legs refuses it.

    Args:
        irreps: types of the three legs.
        terms: what interacts; terms whose factor vanishes are ignored.
        legs: which of 1, 2, 3 carry weights, where the product has weights.
        weighted: whether it has.
        normalized: whether norm is as above, or one.
    """

    def __init__(
        self,
        irreps: tuple[Irreps, Irreps, Irreps],
        terms: Iterable[LiftedTerm],
        legs: Sequence[int],
        *,
        weighted: bool,
        normalized: bool,
    ):
        super().__init__()
        self.terms = [term for term in terms if abs(term.factor) > DEAD]
        self.plain = irreps
        self.copies = [sorted({term.copies[leg] for term in self.terms}) for leg in range(3)]
        one, two, three = (Irreps(each[copy.entry] for copy in sort) for each, sort in zip(irreps, self.copies))
        self.irreps = (one, two, three)
        self.weights = LegWeights(self.irreps, legs)
        self.moved = []
        for leg, (each, copies) in enumerate(zip(irreps, self.copies), start=1):
            slices = each.slices()
            rows = [row for copy in copies for row in range(each.dim)[slices[copy.entry]]]
            self.register_buffer(f"rows{leg}", torch.tensor(rows), persistent=False)
            self.moved.append(rows != list(range(each.dim)))
        self.variances = entry_variances(irreps[2], self.terms, legs if weighted else ())
        norms = [1 / sqrt(variance) if normalized and variance else 1.0 for variance in self.variances]
        self.norms = torch.tensor(norms, dtype=torch.float64)
        self.tables = Constants(norms=self.norms[entry_of_row(irreps[2])][:, None])

    def lift(self, x: Tensor, leg: int, weight: Tensor | None) -> Tensor:
        """Every copy of a factor, times its weight."""
        x = x.index_select(-2, self.get_buffer(f"rows{leg}")) if self.moved[leg - 1] else x
        return self.weights.scale(x, leg, weight)

    def collect(self, z: Tensor, weight: Tensor | None) -> Tensor:
        """Every entry of the result: its copies, times their weights, added up."""
        z = self.weights.scale(z, 3, weight)
        if self.moved[2]:
            z = z.new_zeros(*z.shape[:-2], self.plain[2].dim, z.shape[-1]).index_add(-2, self.get_buffer("rows3"), z)
        return z * self.tables.like(z, "norms")

    def filter_form(self, *, weighted: bool) -> nn.Module:
        """The same product for a y of one channel, as one matrix per sample."""
        if weighted:
            return LiftedFilterForm(self)
        total: dict[tuple[int, int, int], float] = defaultdict(float)
        for term in self.terms:
            total[term.entries] += term.factor
        couplings = [
            Coupling(*entries, 0, float(self.norms[entries[2]]) * factor * self._tensor(entries))
            for entries, factor in total.items()
        ]
        return FilterForm(self.plain, couplings, weighted=False)

    def couplings(self) -> list[Coupling]:
        """The terms between copies, weighted by the copy of the second leg, without norms."""
        places = [{copy: index for index, copy in enumerate(copies)} for copies in self.copies]
        found = []
        for term in self.terms:
            one, two, three = (place[copy] for place, copy in zip(places, term.copies))
            found.append(Coupling(one, two, three, two, term.factor * self._tensor(term.entries)))
        return found

    def _tensor(self, entries: tuple[int, int, int]) -> Tensor:
        l1, l2, l3 = (each[entry].l for each, entry in zip(self.plain, entries))
        return wigner_3j(l1, l2, l3)


class LiftedFilterForm(nn.Module):
    r"""A product in a larger space for a y of one channel: lift x, apply one matrix per sample, collect.

    Shapes: as in `TensorProduct`, y with one channel.
    """

    def __init__(self, legs: LiftedLegs):
        super().__init__()
        self.legs = legs
        self.form = FilterForm(legs.irreps, legs.couplings(), weighted=2 in legs.weights.legs)

    def forward(
        self,
        x: Float[Tensor, "*batch dim1 channel"],
        y: Float[Tensor, "*batch dim2 1"],
        weight: Float[Tensor, "*#batch paths #channel"],
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """Apply the map."""
        w1, w2, w3 = self.legs.weights.split(weight)
        return self.legs.collect(self.form(self.legs.lift(x, 1, w1), self.legs.lift(y, 2, None), w2), w3)


def entry_variances(irreps_out: Irreps, terms: Iterable[LiftedTerm], legs: Sequence[int]) -> list[float]:
    """Variance of a component of every entry of a result without norms, as in `LiftedLegs`; zero where none reaches."""
    coherent: dict[tuple[tuple[int, int, int], tuple[tuple[int, ...], ...]], float] = defaultdict(float)
    for term in terms:
        told_apart = tuple(copy.place if leg in legs else () for leg, copy in enumerate(term.copies, start=1))
        coherent[term.entries, told_apart] += term.factor
    found = [0.0] * len(irreps_out)
    for ((_, _, entry), _), total in coherent.items():
        found[entry] += total**2 / irreps_out[entry].dim if abs(total) > DEAD else 0.0
    return found
