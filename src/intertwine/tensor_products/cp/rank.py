"""From what a user asks of a rank to factors of a coupling tensor: shipped ones, or fitted ones. O(3) acts on `dim`."""

import math
import warnings
from functools import cache
from typing import Literal

import torch

from intertwine.o3.irreps import IrrepsError
from intertwine.tensor_products.cp.coupling import SummedCoupling
from intertwine.tensor_products.cp.factors import EXACT, fit, generic_rank, seconds, smallest
from intertwine.tensor_products.cp.gauss_newton import Factors
from intertwine.tensor_products.cp.shipped import TABLES, Table, exact_table, load, paper_rank

Rank = int | float | Literal["exact", "paper"] | Factors

SLOW = 2.0
"""Seconds of fitting worth a warning."""


def check_rank(rank: object) -> None:
    """Raise `IrrepsError` unless this is a `Rank`."""
    if isinstance(rank, Factors):
        return
    whole = isinstance(rank, int) and not isinstance(rank, bool) and rank >= 1
    if not (whole or (isinstance(rank, float) and 0 < rank < 1) or rank in ("exact", "paper")):
        raise IrrepsError(
            f"CP: expected rank 'exact', 'paper', a whole number >= 1 (of terms), a fraction between 0 and 1 (the "
            f"largest relative error) or Factors, came {rank!r}."
        )


def factors_of_rank(coupling: SummedCoupling, rank: Rank, seed: int) -> Factors:
    """Factors of a coupling: those given, the shipped ones where there are any, else fitted to it."""
    if not isinstance(rank, Factors):
        return _found(coupling, rank, seed)
    expected, came = coupling.sides, tuple(factor.shape[1] for factor in rank)
    if came != expected or len({factor.shape[0] for factor in rank}) > 1:
        raise IrrepsError(
            f"CP: expected Factors of equal heights and widths {expected}, every irrep of a leg once, came shapes "
            f"{', '.join(str(tuple(factor.shape)) for factor in rank)}. Fit them to product.coupling.tensor()."
        )
    return Factors(*(factor.detach().to("cpu", torch.float64) for factor in rank))


@cache
def _found(coupling: SummedCoupling, rank: int | float | Literal["exact", "paper"], seed: int) -> Factors:
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
    tensor, sides = coupling.tensor(), coupling.sides
    search = isinstance(rank, float)
    expected = generic_rank(sides) if search else rank
    cost = seconds(sides, expected, starts=2 * math.ceil(math.log2(expected + 1)) if search else 4)
    if cost > SLOW:
        shape = " x ".join(map(str, sides))
        warnings.warn(
            f"CP: no factors are shipped for these irreps and this rank; fitting the {shape} coupling tensor with "
            f"{'about ' if search else ''}{expected} terms, at most {_duration(cost)} on one core, once a process.",
            stacklevel=5,
        )
    return smallest(tensor, rank, seed=seed) if search else fit(tensor, rank, seed=seed)


def _duration(cost: float) -> str:
    return f"{cost:.0f} seconds" if cost < 120 else f"{cost / 60:.0f} minutes"
