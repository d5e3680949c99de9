"""What a row of the benchmark is: which map, who computes it, and what was promised. No group acts here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from intertwine.experiments.bench.cases import Case

OURS = Path(__file__).with_name("ours.py")
NAME = "intertwine"
"""How our side is called."""


class BenchError(ValueError):
    """A row that does not exist, or an option that makes no sense."""


@dataclass(frozen=True)
class Side:
    """Who computes a row.

    `environment` and `script` name folders and files of the repository's `.peers` and `benchmarks/peers`; without them
    the side is ours. `covers` says which cases are worth their building time.
    """

    name: str
    environment: str = ""
    script: str = ""
    variant: str = ""
    covers: Callable[[Case], bool] = lambda case: True
    left_out: str = ""
    """Why cases that are not covered are not."""


@dataclass(frozen=True)
class Goal:
    """A promise: times faster than the fastest of some sides, in these cases."""

    peers: tuple[str, ...]
    times: dict[str, float]
    """By pass."""
    degrees: range = range(100)


@dataclass(frozen=True)
class Row:
    """One workload; `counted` says what the two sides do, so that the ratio can be judged."""

    key: str
    title: str
    counted: str
    passes: tuple[str, ...]
    cases: Callable[[Sequence[int]], tuple[Case, ...]]
    degrees: tuple[int, ...]
    quick: tuple[int, ...]
    """Degrees of a quick run."""
    sides: tuple[Side, ...]
    goals: tuple[Goal, ...] = ()
    asymptotic: str = ""
    """Exponents of L to expect."""
    slope_from: int = 1
    """The smallest degree that the slope is fitted to."""
    of_roofline: float | None = None
    """Fraction of the roofline promised for the forward pass, from degree 4 on."""
    memory: float | None = None
    """Fraction promised of the first peer's memory for forward and backward."""
    memory_pass: str = "forward+backward"
    """The pass whose memory is measured."""
    memory_degrees: tuple[int, ...] = tuple(range(100))
    """Cases whose memory is measured."""
    weighed: bool = False
    """Measure the memory of all sides, promise or not."""
    matched: Literal["", "same", "wider"] = ""
    """Whether weights are matched between the sides first: all span the same maps, or others may span more."""

    @property
    def file(self) -> str:
        """The key without what file names dislike."""
        return self.key.replace("'", "-prime")
