"""A task for every seed, side by side on the cores, and what its numbers come to. No group acts here."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from intertwine.experiments.experiment import Stage
from intertwine.experiments.outcome import Number
from intertwine.potentials.data.workers import core_count, run_in_processes


def by_seed(task: Callable[..., Any], size: Any, data: Path | None, seeds: Sequence[int], progress: Stage) -> list[Any]:
    """`task(size, data, seed, report)` for every seed; a single one runs here, several in processes of their own."""
    if len(seeds) == 1:
        return [task(size, data, seeds[0], progress)]
    jobs = [(size, data, seed) for seed in seeds]
    return run_in_processes(task, jobs, workers=min(core_count(), len(jobs)), progress=progress)


def mean_spread(values: Sequence[float]) -> Number:
    """Mean and standard deviation; a single value has no spread.

    Example:
        >>> mean_spread([1.0, 3.0])
        Number(value=2.0, spread=1.4142135623730951)
    """
    return Number(fmean(values), stdev(values) if len(values) > 1 else None)


def span(values: Sequence[float], form: str = ".3g") -> str:
    """The values for a sentence.

    Example:
        >>> span([0.5, 0.25], ".2f"), span([1.0])
        ('0.25 to 0.50, seeds: 2', '1, seeds: 1')
    """
    low, high = format(min(values), form), format(max(values), form)
    return f"{low if low == high else f'{low} to {high}'}, seeds: {len(values)}"
