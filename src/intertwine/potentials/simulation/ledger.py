"""What a fleet has done so far: a line of JSON for each structure, appended as it comes. No group acts here."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intertwine.potentials.structures.graph import GraphError, one_line

FORMAT = "intertwine ledger 1"


class Ledger:
    """Outcomes by index, on disk as they come: what is done stays done when the program dies.

    A last line that was cut short is dropped; its structure is computed again.

    Args:
        about: JSON values that say what the run computes; a ledger of another run is refused.

    Raises:
        GraphError: a file that is no ledger, or one of another run.
    """

    def __init__(self, path: Path | str, about: Mapping[str, Any]):
        self.path = Path(path)
        self.outcomes: dict[int, dict[str, Any]] = {}
        head = {"format": FORMAT, "about": dict(about)}
        if self.path.exists() and self.path.stat().st_size:
            self._read(head)
            self._file = self.path.open("a", encoding="utf-8")
        else:
            if not self.path.absolute().parent.is_dir():
                raise GraphError(f"{one_line(self.path)}: there is no folder {self.path.parent}; make it first.")
            self._file = self.path.open("w", encoding="utf-8")
            self._append(head)

    def record(self, index: int, outcome: dict[str, Any]) -> None:
        """Keep the outcome of a structure."""
        self._append({"index": index, "outcome": outcome})
        self.outcomes[index] = outcome

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()

    def _append(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self, head: dict[str, Any]) -> None:
        raw = self.path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        try:
            first, *rest = [json.loads(line) for line in whole.splitlines()] or [None]
            outcomes = {line["index"]: line["outcome"] for line in rest}
        except (ValueError, KeyError, TypeError) as error:
            raise GraphError(f"{one_line(self.path)}: is damaged, or no ledger; remove it to begin again.") from error
        if not isinstance(first, dict) or first.get("format") != FORMAT:
            raise GraphError(f"{one_line(self.path)}: is no ledger of this version; remove it, or name another.")
        for name, value in head["about"].items():
            before = first["about"].get(name)
            if before != value:
                raise GraphError(
                    f"{one_line(self.path)}: belongs to a run with {name} {before}, this one has {name} {value}; go on "
                    "with what it was begun with, or remove it."
                )
        if len(whole) < len(raw):
            os.truncate(self.path, len(whole))
        self.outcomes = outcomes
