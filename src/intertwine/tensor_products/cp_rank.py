"""From what a user asks of a rank to factors of a coupling tensor: shipped ones, or fitted ones. O(3) acts on `dim`."""

import math
import warnings
from functools import cache
from typing import Literal

from intertwine.o3.irreps import IrrepsError
from intertwine.tensor_products.cp_coupling import SummedCoupling
from intertwine.tensor_products.cp_factors import EXACT, fit, generic_rank, seconds, smallest
from intertwine.tensor_products.cp_gauss_newton import Factors
from intertwine.tensor_products.cp_shipped import TABLES, Table, exact_table, load, paper_rank

Rank = int | float | Literal["exact", "paper"]

SLOW = 2.0
"""Seconds of fitting worth a warning."""


def check_rank(rank: object) -> None:
    """Raise `IrrepsError` unless this is a `Rank`."""
    whole = isinstance(rank, int) and not isinstance(rank, bool) and rank >= 1
    if not (whole or (isinstance(rank, float) and 0 < rank < 1) or rank in ("exact", "paper")):
        raise IrrepsError(
            f"CP: expected rank 'exact', 'paper', a whole number >= 1 (of terms) or a fraction between 0 and 1 (the "
            f"largest relative error), came {rank!r}."
        )


@cache
def factors_of_rank(coupling: SummedCoupling, rank: Rank, seed: int) -> Factors:
    """Factors of a coupling: the shipped ones where there are any, else fitted to it."""
    exact = exact_table(coupling.bare())
    if isinstance(rank, float):
        return _fitted(coupling, rank, seed)
    if rank == "exact":
        return _fitted(coupling, EXACT, seed) if exact is None else _scaled(load(exact), coupling)
    terms = paper_rank(coupling.lmax) if rank == "paper" else rank
    if exact is not None and terms >= exact.rank:
        return _scaled(load(exact), coupling)
    if exact is not None and (table := Table(exact.paths, exact.L, terms)) in TABLES:
        return _scaled(load(table), coupling)
    return _fitted(coupling, terms, seed)


def _scaled(bare: Factors, coupling: SummedCoupling) -> Factors:
    """Factors of a bare coupling with its norms on the result."""
    return Factors(bare.in1, bare.in2, bare.out * coupling.norm_of_rows())


def _fitted(coupling: SummedCoupling, rank: int | float, seed: int) -> Factors:
    tensor = coupling.tensor()
    search = isinstance(rank, float)
    expected = generic_rank(tuple(tensor.shape)) if search else rank
    cost = seconds(tuple(tensor.shape), expected, starts=2 * math.ceil(math.log2(expected + 1)) if search else 4)
    if cost > SLOW:
        sides = " x ".join(map(str, tensor.shape))
        warnings.warn(
            f"CP: no factors are shipped for these irreps and this rank; fitting the {sides} coupling tensor with "
            f"{'about' if search else ''} {expected} terms, at most {_duration(cost)} on one core, once a process.",
            stacklevel=4,
        )
    return smallest(tensor, rank, seed=seed) if search else fit(tensor, rank, seed=seed)


def _duration(cost: float) -> str:
    return f"{cost:.0f} seconds" if cost < 120 else f"{cost / 60:.0f} minutes"
