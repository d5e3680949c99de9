"""What an experiment found: our numbers and the paper's, kept apart, with seeds, machine and verdict. No group acts."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from intertwine.experiments.machine import Machine
from intertwine.experiments.verdict import Finding, Verdict, together


@dataclass(frozen=True)
class Number:
    """A value with its spread, as the note of its table defines it; no spread where there was one measurement."""

    value: float
    spread: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and math.isfinite(self.spread or 0.0)):
            raise ValueError(f"Number: expected finite numbers, got {self.value} with spread {self.spread}.")


@dataclass(frozen=True)
class Column:
    """What the numbers below each other are."""

    name: str
    unit: str
    decimals: int = 1


@dataclass(frozen=True)
class Row:
    """The numbers of one method; None where there is none."""

    name: str
    source: str
    """Where the numbers come from: this run, or the publication they stand in."""
    cells: tuple[Number | None, ...]


@dataclass(frozen=True)
class Table:
    """Our rows, and under them the paper's: never one in place of the other."""

    title: str
    columns: tuple[Column, ...]
    ours: tuple[Row, ...]
    paper: tuple[Row, ...] = ()
    note: str = ""
    """What a spread is, and what is not comparable."""

    def __post_init__(self) -> None:
        for row in self.ours + self.paper:
            if len(row.cells) != len(self.columns):
                raise ValueError(
                    f"Table {self.title!r}: row {row.name!r} has {len(row.cells)} cells, not {len(self.columns)}."
                )


@dataclass(frozen=True)
class Measured:
    """What the file of an experiment returns."""

    tables: tuple[Table, ...]
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...] = ()
    """What a reader must know to judge the numbers, a sentence each."""


@dataclass(frozen=True)
class Outcome:
    """One run of one experiment, complete: what was claimed, measured and found, and how to do it again."""

    experiment: str
    system: int
    title: str
    claim: str
    reference: str
    data: str
    """Says so when a stand-in takes the place of the paper's data."""
    budget: str
    command: str
    seeds: tuple[int, ...]
    measured: Measured
    machine: Machine
    versions: Mapping[str, str]
    seconds: float
    folder: str
    """Holds `outcome.json`."""

    @property
    def verdict(self) -> Verdict:
        """Of the whole claim, from its findings."""
        return together([finding.verdict for finding in self.measured.findings])

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values, the data first."""
        values = asdict(self)
        measured = values.pop("measured")
        return {"data": values.pop("data"), "verdict": self.verdict.value, **values, **measured}

    def save(self, path: Path | str) -> Path:
        """Write everything as JSON."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
        return path
