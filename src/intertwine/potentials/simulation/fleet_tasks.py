"""What a fleet can do with a file of structures: relax them, run their dynamics, label them. No group acts here."""

import hashlib
from pathlib import Path
from typing import Any

from intertwine.potentials.data.extxyz import format_frame
from intertwine.potentials.data.label import single_point
from intertwine.potentials.data.readers import from_atoms, read, to_atoms
from intertwine.potentials.models.saved import load
from intertwine.potentials.models.tabulate import for_use
from intertwine.potentials.simulation.batched_relax import relax_all
from intertwine.potentials.simulation.crew import Task
from intertwine.potentials.simulation.md import simulate


def prepare_relax(potential: str, structures: str, tabulated: bool | None, choices: dict[str, Any]) -> Task:
    """Relax structures of a file, those of a unit in one graph; the outcome holds the frame as extended XYZ.

    Args:
        choices: keyword arguments of `relax_all`.
    """
    model, graphs = _potential(potential, tabulated), read(structures)

    def task(indices: list[int]) -> list[dict[str, Any]]:
        outcomes = []
        for found in relax_all(model, [graphs[index] for index in indices], **choices):
            if found.failure is not None:
                outcomes.append({"failed": found.failure})
                continue
            frame = format_frame(from_atoms(found.atoms))
            outcomes.append({"frame": frame, "steps": found.steps, "converged": found.converged, "fmax": found.fmax})
        return outcomes

    return task


def prepare_md(potential: str, structures: str, tabulated: bool | None, folder: str, choices: dict[str, Any]) -> Task:
    """Dynamics of structures of a file, each with its own trajectory, seed and state for restarts in `folder`.

    Args:
        choices: keyword arguments of `simulate`; structure i has the seed `choices["seed"]` + i.
    """
    model, graphs = _potential(potential, tabulated), read(structures)

    def one(index: int) -> dict[str, Any]:
        place = Path(folder) / f"{index:06d}"
        run = simulate(
            model, graphs[index], trajectory=place.with_suffix(".h5"), restart=place.with_suffix(".state"),
            **{**choices, "seed": choices["seed"] + index},
        )  # fmt: skip
        return {
            "picoseconds": float(run.trace.time[-1]) / 1000,
            "temperature": float(run.trace.temperature.mean()),
            "drift": run.drift,
        }

    return lambda indices: [one(index) for index in indices]


def prepare_label(structures: str, charge: int) -> Task:
    """Label structures of a file with GFN2-xTB; the outcome holds the frame as extended XYZ."""
    graphs = read(structures)

    def one(index: int) -> dict[str, Any]:
        labelled = single_point(to_atoms(graphs[index]), charge=charge, source=graphs[index].sources[0])
        return {"frame": format_frame(from_atoms(labelled))}

    return lambda indices: [one(index) for index in indices]


def fingerprint(*files: Path) -> list[str]:
    """A short digest of every file, to tell whether a fleet goes on with what it began with."""
    return [hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files]


def _potential(folder: str, tabulated: bool | None) -> Any:
    return for_use(load(folder), tabulated)
