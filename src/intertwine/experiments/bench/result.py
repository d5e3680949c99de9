"""What a run of the benchmark leaves: plain data for a file, and how a row reads in words. No group acts here."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from intertwine.experiments.bench.measure import Spread


@dataclass(frozen=True)
class Limits:
    """What this machine can do at best, measured in the same run; flops and bytes a second, by GEMM and by copy."""

    flops: float
    bytes: float


@dataclass(frozen=True)
class Entry:
    """One pass of one case at one number of threads."""

    case: str
    setting: str
    degree: int
    which: str
    threads: int
    clock: str
    """"cpu": processor time of all threads; "wall": what a clock on the wall says."""
    paths: int | None
    repeats: int
    seconds: dict[str, Spread]
    """A call, by side."""
    calls: dict[str, int]
    """Timed together, by side."""
    ratios: dict[str, Spread]
    """Theirs over ours."""
    notes: dict[str, str]
    """Why a side has no number."""
    agreement: dict[str, dict[str, float]]
    """Largest difference from ours, relative to its size, by side and array."""
    flops: int | None
    bytes: int | None
    fraction: float | None
    """Of the roofline that we reach."""


@dataclass(frozen=True)
class Memory:
    """Bytes that one forward and backward pass takes at most, each side in a fresh process."""

    case: str
    degree: int
    bytes: dict[str, int]
    notes: dict[str, str]


@dataclass(frozen=True)
class RowResult:
    """A row as measured, with all that is needed to judge it."""

    row: str
    title: str
    counted: str
    command: str
    machine: dict[str, Any]
    started: str
    seconds: float
    load: dict[str, float]
    """At "start" and "end": processes that wanted a core during the last minute."""
    versions: dict[str, dict[str, str]]
    limits: dict[int, Limits]
    """By number of threads."""
    entries: list[Entry] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    slopes: dict[str, dict[str, float]] = field(default_factory=dict)
    """Exponent of L by "setting pass, threads", and side."""
    first_call: dict[str, float] = field(default_factory=dict)
    """Seconds to build ours and run it for the first time, by case."""
    quick: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def machine_slug(machine: Mapping[str, Any]) -> str:
    """A machine as part of a file name.

    Example:
        >>> machine_slug({"processor": "AMD EPYC 9R14 (4th gen)", "cores": 2})
        'amd-epyc-9r14-4th-gen-2-cores'
    """
    words = re.sub(r"[^a-z0-9]+", "-", f"{machine['processor']} {machine['cores']} cores".lower())
    return words.strip("-")
