"""Seconds of several computations, taken in turns in one process so that a slow moment hits all. No group acts here."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles

import torch


@dataclass(frozen=True)
class Quartiles:
    """The middle of repeated measurements, and the middle half of them."""

    low: float
    median: float
    high: float

    @property
    def spread(self) -> float:
        """Half the length of the middle half."""
        return (self.high - self.low) / 2


def quartiles(values: Sequence[float]) -> Quartiles:
    """The quartiles of at least one value; of one alone, that value three times.

    Example:
        >>> quartiles([1.0, 2.0, 3.0])
        Quartiles(low=1.5, median=2.0, high=2.5)
    """
    if len(values) == 1:
        return Quartiles(values[0], values[0], values[0])
    return Quartiles(*quantiles(values, n=4, method="inclusive"))


def in_turns(tasks: Mapping[str, Callable[[], object]], *, rounds: int, warmup: int = 2) -> dict[str, list[float]]:
    """Seconds of every task in every round; in each round all tasks run once, in an order that moves on by one."""
    names = list(tasks)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-warmup, rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            _wait()
            begun = time.perf_counter()
            tasks[name]()
            _wait()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


def ratio(seconds: Mapping[str, Sequence[float]], name: str, over: str) -> Quartiles:
    """Seconds of one task over those of another, round by round."""
    return quartiles([a / b for a, b in zip(seconds[name], seconds[over], strict=True)])


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
