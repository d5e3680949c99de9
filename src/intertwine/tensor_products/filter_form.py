"""Products with a filter of one channel, as a matrix per sample; O(3) acts on `dim`. The fast path for messages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.constants import Constants
from intertwine.o3.irreps import Irreps


@dataclass(frozen=True)
class Coupling:
    """One term: entries `in1` of x and `in2` of y give entry `out` by `coefficients[m1, m2, m3]`, times a weight."""

    in1: int
    in2: int
    out: int
    weight: int
    coefficients: Tensor


class FilterForm(nn.Module):
    r"""A bilinear map whose second factor has one channel, applied as a matrix to all channels of the first.

        z[k, c] = sum over (w, i) of  M[k, (w, i)] weight[w, c] x[i, c],       M[k, (w, i)] = sum_j T[j, k, (w, i)] y[j]

    M holds no channel, so it costs one small GEMM; the sum over terms happens inside the second one. Much cheaper than
    weighting each term for every channel, and the same map. Without weights the terms are added up in T.

    Args:
        irreps: types of x, y and the result.
        couplings: the terms, at least one.
        weighted: whether `forward` takes a weight.

    Shapes: x `*batch dim1 channel`, y `*batch dim2 1`, weight `*batch paths channel`, result `*batch dim3 channel`.

    Raises:
        ValueError: forward got a weight where none was declared, or the other way round.
    """

    def __init__(self, irreps: tuple[Irreps, Irreps, Irreps], couplings: Sequence[Coupling], *, weighted: bool):
        super().__init__()
        self.irreps, self.couplings = irreps, tuple(couplings)
        self.dim_out, self.weighted = irreps[2].dim, weighted
        self.groups: list[tuple[slice, slice]] = []
        tables = {}
        for rows, weights, members in _groups(irreps[0], couplings, weighted):
            tables[f"group{len(self.groups)}"] = _table(irreps, rows, weights, members)
            self.groups.append((rows, weights))
        self.tables = Constants(**tables)

    def forward(
        self,
        x: Float[Tensor, "*batch dim1 channel"],
        y: Float[Tensor, "*batch dim2 1"],
        weight: Float[Tensor, "*#batch paths #channel"] | None = None,
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """Apply the map."""
        if self.weighted == (weight is None):
            raise ValueError(
                f"FilterForm: expected {'a weight' if self.weighted else 'no weight'}, came "
                f"{'none' if weight is None else 'one'}. Build the product with weights='external' to pass weights."
            )
        y = y.squeeze(-1)
        terms = []
        for group, (rows, weights) in enumerate(self.groups):
            matrix = (y @ self.tables.like(y, f"group{group}")).unflatten(-1, (self.dim_out, -1))
            factor = x[..., rows, :]
            if weight is not None:
                factor = (weight[..., weights, :].unsqueeze(-2) * factor.unsqueeze(-3)).flatten(-3, -2)
            terms.append(matrix @ factor)
        return sum(terms[1:], terms[0])


def _groups(
    irreps_in1: Irreps, couplings: Sequence[Coupling], weighted: bool
) -> list[tuple[slice, slice, list[Coupling]]]:
    """Rows of x, weights and terms that share one matrix; without weights all terms share the only slot.

    Where weights come in runs, one run for each entry of x, every entry has its own matrix; otherwise one serves all.
    """
    if not weighted:
        return [(slice(0, irreps_in1.dim), slice(0, 1), [replace(term, weight=0) for term in couplings])]
    slices = irreps_in1.slices()
    runs = []
    for entry in sorted({term.in1 for term in couplings}):
        members = [term for term in couplings if term.in1 == entry]
        used = [member.weight for member in members]
        runs.append((slices[entry], slice(min(used), max(used) + 1), members))
    if all(one[1].stop <= two[1].start for one, two in pairwise(runs)):
        return runs
    return [(slice(0, irreps_in1.dim), slice(0, max(term.weight for term in couplings) + 1), list(couplings))]


def _table(
    irreps: tuple[Irreps, Irreps, Irreps], rows: slice, weights: slice, members: Sequence[Coupling]
) -> Float[Tensor, "dim2 rest"]:
    """T[j, (k, w, i)] of one group."""
    slices1, slices2, slices3 = (each.slices() for each in irreps)
    shape = (irreps[1].dim, irreps[2].dim, weights.stop - weights.start, rows.stop - rows.start)
    table = torch.zeros(shape, dtype=torch.float64)
    for member in members:
        i = slice(slices1[member.in1].start - rows.start, slices1[member.in1].stop - rows.start)
        j, k, w = slices2[member.in2], slices3[member.out], member.weight - weights.start
        table[j, k, w, i] += member.coefficients.permute(1, 2, 0)
    return table.flatten(1)
