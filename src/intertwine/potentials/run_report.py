"""A training run, judged on labelled structures, as a report; no group acts."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from intertwine.potentials.evaluate import evaluate
from intertwine.potentials.graph import Graph
from intertwine.potentials.report import Report
from intertwine.potentials.saved import KIND, load
from intertwine.training.checkpoint import read_checkpoint
from intertwine.training.history import History


def run_report(
    folder: Path | str,
    graphs: Sequence[Graph] = (),
    *,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """The report of a folder that `fit_potential` wrote: configuration, learning curves, errors on `graphs`.

    Raises:
        CheckpointError: the folder holds no finished run, or a damaged one.
        GraphError: structures that cannot be judged.

    Example:
        >>> write_report("report.html", run_report("runs/train", read("test.extxyz")))  # doctest: +SKIP
    """
    folder = Path(folder)
    potential = load(folder / "potential", device=device)
    notes = read_checkpoint(folder / "potential", kind=KIND).values.get("notes", {})
    history = History.load(folder / "history.json")
    sets = evaluate(potential, graphs, progress=progress) if graphs else []
    return Report(folder.name, configuration=notes.get("config", {}), history=history.rows, sets=sets)
