"""Seconds of several workers in turns, and their ratios; one runs while the others wait. No group acts here."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from intertwine.experiments.timing import quartiles

Clock = Callable[[int, bool], Mapping[str, float]]
"""Runs a pass a number of times, after a warm-up or not, and returns seconds a call, by "wall" and "cpu"."""
LONG = 0.05
"""Seconds a call above which a warm-up before every measurement would only cost time."""
FEWEST = 3
PAUSE = 0.005
"""Seconds before a turn: threads of the side before may still spin, waiting for work."""


@dataclass(frozen=True)
class Spread:
    """Median of repeated measurements, and half of their middle half."""

    median: float
    spread: float

    @staticmethod
    def of(values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        found = quartiles(values)
        return Spread(found.median, found.spread)


@dataclass(frozen=True)
class Budget:
    """How long to measure one pass of one case.

    `slice` is how long each side runs before the next one takes its turn, `total` what all of it may take: slow cases
    get fewer repeats than `repeats`, but never fewer than three (or `repeats`, if that is less).
    """

    repeats: int = 9
    slice: float = 0.03
    total: float = 12.0

    def repeats_of(self, seconds_a_round: float) -> int:
        """Rounds that fit.

        Example:
            >>> Budget(9, 0.03, 12.0).repeats_of(0.1), Budget(9, 0.03, 12.0).repeats_of(5.0)
            (9, 3)
        """
        fits = int(self.total / seconds_a_round) if seconds_a_round > 0 else self.repeats
        return max(min(self.repeats, FEWEST), min(self.repeats, fits))


def in_turns(sides: Mapping[str, Clock], which: str, budget: Budget) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Seconds a call of every side, round by round, and the calls that were timed together.

    In each round all sides run once, in an order that moves on by one, so that a slow moment of the machine or a warm
    cache hits all alike.
    """
    first = {name: clock(1, True)["wall"] for name, clock in sides.items()}
    calls = {name: max(1, ceil(budget.slice / max(seconds, 1e-7))) for name, seconds in first.items()}
    calls = {name: min(number, 2000) for name, number in calls.items()}
    rounds = budget.repeats_of(sum(first[name] * calls[name] for name in sides))
    names = list(sides)
    found: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            time.sleep(PAUSE)
            found[name].append(sides[name](calls[name], first[name] < LONG)[which])
    return found, calls


def ratios(seconds: Mapping[str, Sequence[float]], ours: str) -> dict[str, Spread]:
    """Their seconds over ours, round by round: above one, we are faster.

    Example:
        >>> ratios({"ours": [1.0, 2.0, 1.0], "peer": [10.0, 20.0, 30.0]}, "ours")["peer"]
        Spread(median=10.0, spread=5.0)
    """
    return {
        name: Spread.of([b / a for a, b in zip(seconds[ours], values, strict=True)])
        for name, values in seconds.items()
        if name != ours
    }


def slope(sizes: Sequence[int], seconds: Sequence[float]) -> float | None:
    """Exponent a of seconds ~ size^a, by least squares on the logarithms; None for fewer than two sizes.

    Example:
        >>> round(slope([1, 2, 4], [3.0, 12.0, 48.0]), 6)
        2.0
    """
    import numpy as np

    if len(sizes) < 2:
        return None
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
