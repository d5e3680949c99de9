"""What a doctor of data looks at, and what it finds: every frame of every file, sound or not. No group acts here."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from intertwine.potentials.data.label_keys import ENERGY, Frame, LabelKeys, to_graph
from intertwine.potentials.data.readers import frames_in
from intertwine.potentials.data.workers import Progress
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.reference import is_isolated_atom
from intertwine.potentials.structures.soundness import check

Severity = Literal["error", "warning", "note"]
RANK = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Finding:
    """One thing that a reader of the data should know."""

    rule: str
    """What was looked at: "units.energy", "copies.leak", ..."""
    severity: Severity
    """error: do not train on this. warning: look at it. note: good to know."""
    what: str
    """What was found, one line."""
    remedy: str
    """What to do about it, one line."""
    places: tuple[str, ...] = ()
    """Frames it concerns: "train.xyz frame 17, line 495"."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "what": self.what,
            "remedy": self.remedy,
            "places": list(self.places),
        }


@dataclass(frozen=True)
class Entry:
    """A frame that could be read: its graph, and what its file says beside it."""

    graph: Graph
    info: Mapping[str, Any]
    columns: Sequence[str]
    move_mask: np.ndarray | None
    """Whether an atom may move, `node width`; None without constraints."""
    box: np.ndarray
    """The cell as the file gives it, also where the structure is not periodic; Angstrom."""

    @property
    def place(self) -> str:
        """Where the frame stands."""
        return self.graph.place(0)

    @cached_property
    def isolated(self) -> bool:
        """Whether it is a lone atom that gives a reference energy."""
        return is_isolated_atom(self.graph)

    @cached_property
    def composition(self) -> tuple[tuple[int, int], ...]:
        """Atomic numbers with their counts."""
        numbers, counts = np.unique(self.graph.numbers.numpy(), return_counts=True)
        return tuple(zip(numbers.tolist(), counts.tolist()))

    @property
    def group(self) -> str:
        """Name of the set it belongs to, "" when unknown."""
        return self.graph.groups[0] if self.graph.groups else ""


@dataclass(frozen=True)
class Survey:
    """The frames of some files that were read, the faults of those that were not, energies of two names that differ."""

    entries: list[Entry] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    energy_names: dict[str, dict[str, float]] = field(default_factory=dict)
    """Energies of frames whose names disagree, by place and name."""

    @cached_property
    def structures(self) -> list[Entry]:
        """Frames that are no isolated atoms."""
        return [entry for entry in self.entries if not entry.isolated]

    @cached_property
    def by_composition(self) -> dict[tuple[tuple[int, int], ...], list[Entry]]:
        """Those frames by composition, in the order of the files."""
        groups = defaultdict(list)
        for entry in self.structures:
            groups[entry.composition].append(entry)
        return dict(groups)

    @cached_property
    def elements(self) -> set[int]:
        """Atomic numbers that occur."""
        return {number for entry in self.entries for number, _ in entry.composition}


def survey(paths: Iterable[Path], keys: LabelKeys = LabelKeys(), *, progress: Progress | None = None) -> Survey:
    """Read files and go on where a frame is bad.

    Where energies of several names differ and no key chooses, free_energy is taken for the checks that follow, since
    forces are its derivatives.
    """
    result = Survey()
    for path in paths:
        try:
            for index, load in enumerate(frames_in(path)):
                try:
                    result.entries.append(_entry(load(), keys, result))
                except GraphError as error:
                    result.faults.append(str(error))
                if progress:
                    progress(f"read {path.name}", index + 1, index + 1)
        except GraphError as error:
            result.faults.append(str(error))
    return result


def _entry(frame: Frame, keys: LabelKeys, result: Survey) -> Entry:
    energies = {name: _number(frame.info[name]) for name in frame.info if name.lower() in ENERGY}
    found = {name: value for name, value in energies.items() if value is not None}
    if keys.energy is None and found and max(found.values()) - min(found.values()) > 1e-6:
        result.energy_names[str(frame.source)] = found
        chosen = next((name for name in found if name.lower() == "free_energy"), next(iter(found)))
        keys = replace(keys, energy=chosen)
    graph = check(to_graph(frame, keys))
    mask = next((frame.columns[name] for name in frame.columns if name.lower() == "move_mask"), None)
    return Entry(
        graph, frame.info, tuple(frame.columns), None if mask is None else np.asarray(mask(), dtype=bool), frame.cell
    )


def _number(value: Any) -> float | None:
    try:
        number = float(np.asarray(value, dtype=float).reshape(()))
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None
