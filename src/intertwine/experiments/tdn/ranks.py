"""How far decomposed couplings are from equivariance, by the number of their terms. O(3) acts on `dim`."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

import torch

from intertwine.experiments.outcome import Column, Number, Row, Table
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.cp.cp import CP
from intertwine.tensor_products.cp.error import ErrorBound
from intertwine.tensor_products.cp.factors import generic_rank
from intertwine.tensor_products.cp.rank import Rank
from intertwine.tensor_products.cp.shipped import paper_rank

OURS, PAPER = "this run", "paper"
PAPER_EQUIVARIANCE = {10: 0.60, 15: 0.42, 20: 0.21, 28: 0.02, 81: 0.01}
"""By rank, at L = 2, of its n-body model; the last one is given as below 0.01."""


def all_even(L: int) -> Irreps:
    """Degrees 0 to L without regard to parity, as in the paper: every path of the triangle rule is there."""
    return Irreps.spherical_harmonics(L, 1)


def error_of(L: int, rank: Rank, seed: int) -> ErrorBound:
    """Errors of a product of this rank; couplings are bare 3j tensors, as in the authors' code."""
    irreps = all_even(L)
    product = CP(irreps, irreps, irreps, rank=rank, normalization="none", seed=10 * seed)
    return product.error_bound(generator=torch.Generator().manual_seed(seed))


def rank_table(errors: Mapping[int, Sequence[ErrorBound]]) -> Table:
    """Rank against error at L = 2."""
    columns = (
        Column("tensor left over", "%", 2),
        Column("equivariance", "relative error", 4),
        Column("largest", "relative error", 4),
        Column("its bound", "relative error", 4),
        Column("amplification", "times"),
    )
    ours = tuple(Row(f"{rank} terms", OURS, _error_cells(found)) for rank, found in errors.items())
    paper = tuple(
        Row(f"{rank} terms", PAPER, (None, Number(value), None, None, None))
        for rank, value in PAPER_EQUIVARIANCE.items()
    )
    note = (
        "Degrees 0 to 2 on all legs, all paths, bare 3j tensors. Equivariance: root mean square of f(gx, gy) - "
        "g f(x, y) over that of f, on random features; largest: of one component; ± standard deviation over seeds. The "
        "paper's is of its n-body model after training, the last below 0.01: not the same number. Here 30 terms are "
        "exact."
    )
    return Table("Rank against error", columns, ours, paper, note)


def degree_table(exact: Mapping[int, Sequence[ErrorBound]], paper: Mapping[int, Sequence[ErrorBound]]) -> Table:
    """The rank of the paper against the rank that needs no error, over L."""
    columns = (
        Column("exact", "terms", 0),
        Column("generic tensor", "terms", 0),
        Column("7 L^2", "terms", 0),
        Column("equivariance", "of 7 L^2 terms", 4),
        Column("its bound", "largest", 2),
        Column("tensor left over", "%", 2),
    )
    rows = []
    for L, found in paper.items():
        cells = _error_cells(found)
        counts = (exact[L][0].rank, generic_rank((all_even(L).dim,) * 3), paper_rank(L))
        rows.append(Row(f"L = {L}", OURS, (*(Number(float(each)) for each in counts), cells[1], cells[3], cells[0])))
    published = Row("L = 2", PAPER, (None, None, Number(28.0), Number(PAPER_EQUIVARIANCE[28]), None, None))
    note = (
        "Exact: the fewest terms that leave less than 1e-12, found from a few random starts; fewer may exist. Generic "
        "tensor: what counting free numbers gives for a tensor without structure. The paper takes 7 L^2 terms for all "
        "L and reports the error at L = 2."
    )
    return Table("Terms over L", columns, tuple(rows), (published,), note)


def _error_cells(found: Sequence[ErrorBound]) -> tuple[Number, Number, Number, Number, Number]:
    return (
        _number([100 * each.relative for each in found]),
        _number([each.typical for each in found]),
        _number([each.measured for each in found]),
        _number([each.bound for each in found]),
        _number([each.amplification for each in found]),
    )


def _number(values: Sequence[float]) -> Number:
    return Number(fmean(values), stdev(values) if len(values) > 1 else None)
