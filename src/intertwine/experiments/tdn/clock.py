"""Seconds of a decomposed product and of the paths it stands for, in turns. O(3) acts on `dim`."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from intertwine.experiments.experiment import Stage
from intertwine.experiments.outcome import Column, Number, Row, Table
from intertwine.experiments.tdn.ranks import OURS, PAPER, all_even
from intertwine.experiments.timing import in_turns, quartiles, ratio
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.cp.cp import CP
from intertwine.tensor_products.cp.factors import generic_rank
from intertwine.tensor_products.cp.gauss_newton import Factors
from intertwine.tensor_products.cp.shipped import EXACT_RANK, paper_rank
from intertwine.tensor_products.kernels.library import active_isa, using

PAPER_SPEED = {1: 4.0, 2: 4.8, 3: 15.0, 4: 26.7, 5: 47.6, 6: 83.6}
"""By L: inference on a GPU, times the speed of e3nn's fully connected product."""
AGREE = 1e-4
"""Outputs in float32 must agree so far before anything is clocked."""
TWIN, KERNEL = "paths in torch", "paths in one kernel"
SHORT, LONG = "CP, 7 L^2 terms", "CP, exact"


def products(L: int, *, batch: int, channels: int) -> dict[str, Callable[[], object]]:
    """The same product in all its forms, on random features, for inference."""
    irreps = all_even(L)
    x, y = (_features(batch, irreps.dim, channels, seed) for seed in (0, 1))
    paths = ClebschGordan(irreps, irreps, irreps)
    terms = {SHORT: paper_rank(L), LONG: EXACT_RANK.get(("all", L), generic_rank((irreps.dim,) * 3))}
    # Above the shipped degrees random factors take the place of fitted ones; the clock does not see the difference.
    shipped = ("all", L) in EXACT_RANK
    decomposed = {
        name: CP(irreps, irreps, irreps, rank=rank if shipped else _random_factors(rank, irreps.dim))
        for name, rank in terms.items()
    }
    if shipped:
        _check_same(L, decomposed[LONG](x, y), paths(x, y))

    def in_torch() -> Tensor:
        with using(None):
            return paths(x, y)

    tasks: dict[str, Callable[[], object]] = {TWIN: in_torch}
    tasks |= {KERNEL: lambda: paths(x, y)} if active_isa() else {}
    return tasks | {name: lambda product=product: product(x, y) for name, product in decomposed.items()}


def clock(
    degrees: Sequence[int], *, batch: int, channels: int, rounds: int, progress: Stage
) -> dict[int, dict[str, list[float]]]:
    """Seconds of every form of the product, in turns, by L."""
    seconds = {}
    for done, L in enumerate(degrees):
        progress(f"clock L = {L}", done, len(degrees))
        with torch.no_grad():
            seconds[L] = in_turns(products(L, batch=batch, channels=channels), rounds=rounds)
    progress("clock", len(degrees), len(degrees))
    return seconds


def speed_table(seconds: Mapping[int, Mapping[str, Sequence[float]]], *, batch: int, channels: int) -> Table:
    """Milliseconds, and how many times faster CP is than the paths."""
    names = [TWIN, KERNEL, SHORT, LONG]
    columns = [Column(name, "ms", 3) for name in names]
    columns += [Column(name, f"times {over}") for name in (SHORT, LONG) for over in (TWIN, KERNEL)]
    rows = []
    for L, found in seconds.items():
        cells = [_milliseconds(found.get(name)) for name in names]
        cells += [_speed(found, name, over) for name in (SHORT, LONG) for over in (TWIN, KERNEL)]
        rows.append(Row(f"L = {L}", OURS, tuple(cells)))
    paper = tuple(
        Row(f"L = {L}", PAPER, (None, None, None, None, Number(value), None, None, None))
        for L, value in PAPER_SPEED.items()
        if L in seconds
    )
    note = (
        f"Degrees 0 to L on all legs, outputs of equal degree summed, {batch} samples of {channels} "
        "channels, inference; median, ± half of the middle half. Ours is against this library's own Clebsch-Gordan "
        "product, once in torch operations and once in its compiled kernel; the paper's against e3nn's fully connected "
        "product, which also mixes channels, on a GPU: not the same ratio. Above L = 4 the factors are random numbers "
        "of the same shape."
    )
    return Table("Speed of one product", tuple(columns), tuple(rows), paper, note)


def _milliseconds(seconds: Sequence[float] | None) -> Number | None:
    if seconds is None:
        return None
    found = quartiles([1000 * value for value in seconds])
    return Number(found.median, found.spread)


def _speed(seconds: Mapping[str, Sequence[float]], name: str, over: str) -> Number | None:
    if over not in seconds:
        return None
    found = ratio(seconds, over, over=name)
    return Number(found.median, found.spread)


def _features(batch: int, dim: int, channels: int, seed: int) -> Tensor:
    return torch.randn(batch, dim, channels, generator=torch.Generator().manual_seed(seed))


def _random_factors(rank: int, dim: int) -> Factors:
    generator = torch.Generator().manual_seed(0)
    return Factors(*(torch.randn(rank, dim, generator=generator) for _ in range(3)))


def _check_same(L: int, value: Tensor, expected: Tensor) -> None:
    error = float((value - expected).norm() / expected.norm())
    if error > AGREE:
        raise RuntimeError(f"tdn: CP and Clebsch-Gordan differ by {error:.1e} at L = {L}; nothing was clocked.")
