"""Where the other libraries live: environments of their own, made by `make bench-peers`. No group acts here."""

import sys
from dataclasses import dataclass
from pathlib import Path

from intertwine.experiments.bench.row import OURS, Side

NOT_INSTALLED = "not installed: make bench-peers"
NO_REPOSITORY = "not at hand: peers run from a copy of the repository, which holds benchmarks/peers"


@dataclass(frozen=True)
class Place:
    """The interpreter and the script of a side."""

    python: Path
    script: Path


def repository() -> Path | None:
    """The copy of the repository that this package, or the current folder, belongs to."""
    for root in (Path(__file__).parents[4], Path.cwd()):
        if (root / "benchmarks" / "peers").is_dir():
            return root
    return None


def find_side(side: Side, root: Path | None) -> Place | str:
    """Where a side runs, or in one line why it cannot."""
    if not side.environment:
        return Place(Path(sys.executable), OURS)
    if root is None:
        return NO_REPOSITORY
    python = root / ".peers" / side.environment / "bin" / "python"
    script = root / "benchmarks" / "peers" / side.script
    return Place(python, script) if python.exists() and script.exists() else NOT_INSTALLED
