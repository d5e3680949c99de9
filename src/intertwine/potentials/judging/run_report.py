"""A potential judged on labelled structures, or a training run, as a report; no group acts."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from intertwine.potentials.judging.evaluate import Evaluation, compare
from intertwine.potentials.judging.report import Report, Structure, plain
from intertwine.potentials.judging.saved_uncertainty import knows_uncertainty, load_uncertainty
from intertwine.potentials.judging.set_result import SetResult
from intertwine.potentials.models.saved import KIND, load
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.grouping import by_group
from intertwine.training.checkpoint import read_checkpoint
from intertwine.training.history import History

LARGEST_SHOWN = 2000
"""Atoms of a structure that a page still draws with ease."""


def run_report(
    folder: Path | str,
    graphs: Sequence[Graph] = (),
    *,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """The report of a folder that `fit_potential` wrote: configuration, learning curves, errors on `graphs`.

    Where the potential knows its uncertainty, that is judged too.

    Raises:
        CheckpointError: the folder holds no finished run, or a damaged one.
        GraphError: structures that cannot be judged.

    Example:
        >>> write_report("report.html", run_report("runs/train", read("test.extxyz")))  # doctest: +SKIP
    """
    folder = Path(folder)
    place = folder / "potential"
    potential = load(place, device=device)
    notes = read_checkpoint(place, kind=KIND).values.get("notes", {})
    history = History.load(folder / "history.json").rows
    if not graphs:
        return Report(folder.name, configuration=notes.get("config", {}), history=history)
    estimator = load_uncertainty(place, potential) if knows_uncertainty(place, potential) else None
    found = compare(potential, graphs, estimator=estimator, progress=progress)
    sets = found.sets(by_group(found.structures))
    return evaluation_report(folder.name, found, sets, configuration=notes.get("config", {}), history=history)


def evaluation_report(
    title: str,
    evaluation: Evaluation,
    sets: Sequence[SetResult],
    *,
    configuration: Mapping[str, object],
    history: Sequence[Mapping[str, float | int]] = (),
) -> Report:
    """The errors of an evaluation, with the structures that were predicted worst to look at."""
    return Report(title, configuration, history=history, sets=sets, structures=worst(evaluation))


def worst(evaluation: Evaluation, count: int = 5) -> list[Structure]:
    """The structures with the largest force errors, the worst first; nothing without force labels."""
    sizes = {}
    for index in evaluation.counted:
        graph, answer = evaluation.structures[index], evaluation.predicted[index]
        if graph.forces is not None and answer.forces is not None and graph.node_count <= LARGEST_SHOWN:
            error = answer.forces.double() - graph.forces.cpu().double()
            sizes[index] = float(error.norm(dim=1).max())
    shown = []
    for index in sorted(sizes, key=sizes.__getitem__, reverse=True)[:count]:
        graph = evaluation.structures[index]
        name = f"Force error {plain(1000 * sizes[index])} meV/Å, {short_place(graph)}"
        cell = graph.cell[0].cpu().double().numpy() if bool(graph.pbc.any()) else None
        shown.append(Structure(name, graph.numbers.cpu().numpy(), _frame(graph), cell))
    return shown


def short_place(graph: Graph) -> str:
    """Where a structure came from, without folder and line: test.extxyz frame 17."""
    return f"{Path(graph.sources[0].path).name} frame {graph.sources[0].frame}" if graph.sources else "of no file"


def _frame(graph: Graph) -> np.ndarray:
    return graph.positions.cpu().double().numpy()[None]
