"""What a run did, one row an epoch, kept as JSON. No group acts here."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from intertwine.training.checkpoint import CheckpointError


@dataclass
class History:
    """The rows of a run.

    Each row has `epoch` (from 1), `step`, `seconds` (training time since the start), `learning_rate`, the mean over the
    epoch of every number the objective returned, and `valid_<name>` for every number of the validation.

    Example:
        >>> history = History([{"epoch": 1, "valid_loss": 2.0}, {"epoch": 2, "valid_loss": 1.0}])
        >>> history.best["epoch"], history.column("valid_loss")
        (2, [2.0, 1.0])
    """

    rows: list[dict[str, int | float]] = field(default_factory=list)

    def __iter__(self) -> Iterator[dict[str, int | float]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def best(self) -> dict[str, int | float] | None:
        """The first row with the lowest validation loss; None when nothing was validated."""
        return min((row for row in self.rows if "valid_loss" in row), key=lambda row: row["valid_loss"], default=None)

    def column(self, name: str) -> list[int | float]:
        """The values of one name, in the rows that have it."""
        return [row[name] for row in self.rows if name in row]

    def save(self, path: Path | str) -> None:
        """Write the rows as JSON, one a line, replacing the file in one move."""
        path = Path(path)
        temporary = path.with_name(f".{path.name}.writing-{os.getpid()}")
        temporary.write_text("[\n" + ",\n".join(json.dumps(row, allow_nan=False) for row in self.rows) + "\n]\n")
        temporary.replace(path)

    @staticmethod
    def load(path: Path | str) -> "History":
        """Read what `save` wrote.

        Raises:
            CheckpointError: the file is missing or not a list of rows.
        """
        try:
            rows = json.loads(Path(path).read_text())
        except FileNotFoundError:
            raise CheckpointError(f"{path}: the file is missing. Train first, or check the path.") from None
        except (ValueError, OSError) as error:
            raise CheckpointError(f"{path}: not a history ({type(error).__name__}). Check the path.") from None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise CheckpointError(f"{path}: not a list of rows. Check the path.")
        return History(rows)
