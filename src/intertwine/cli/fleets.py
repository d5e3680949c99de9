"""What verbs over every frame of a file share: a fleet that can be resumed, and what failed. No group acts here."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer


def run_all(
    verb: str,
    prepare: Callable[..., Any],
    arguments: tuple[Any, ...],
    count: int,
    *,
    files: Sequence[Path],
    settings: dict[str, Any],
    ledger: Path,
    crew: dict[str, Any],
    unit: int = 1,
    quiet: bool,
) -> list[dict[str, Any]]:
    """What became of every frame; the same files and settings go on from the ledger of a run that was stopped.

    Args:
        prepare, arguments: what a worker does, see `fleet_tasks`.
        crew: `workers` and `engine` of `run_fleet`.
    """
    from intertwine.cli.bar import bar
    from intertwine.potentials.simulation.fleet import run_fleet
    from intertwine.potentials.simulation.fleet_tasks import fingerprint

    about = {"verb": verb, "files": fingerprint(*files), **settings}
    with bar(quiet=quiet) as show:
        return run_fleet(prepare, arguments, count, ledger=ledger, about=about, unit=unit, progress=show, **crew)


def write_frames(outcomes: Sequence[dict[str, Any]], out: Path, ledger: Path) -> int:
    """Write the frames that came out and let the ledger go; how many there are."""
    from intertwine.potentials.structures.textfile import write_text

    frames = [outcome["frame"] for outcome in outcomes if "frame" in outcome]
    if frames:
        write_text(out, "".join(frames))
    ledger.unlink()
    return len(frames)


def tell_failures(reasons: Sequence[str | None], *, column: int) -> None:
    """A line on stderr for every frame with a reason, which begins in this column."""
    for index, reason in enumerate(reasons):
        if reason is not None:
            typer.echo(f"{'failed':{column}}frame {index}: {reason}", err=True)
