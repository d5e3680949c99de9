"""The numbers of a report as JSON inside its page, for the viewer and for whoever wants to read them by program."""

import json
from collections.abc import Mapping
from dataclasses import fields

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from jaxtyping import Float

from intertwine.potentials.judging.report import Report, Structure
from intertwine.potentials.judging.set_result import SetResult
from intertwine.potentials.judging.tables import numbers

HIDDEN_COLOURS = {1: "#e8e8e8", 6: "#6e747b"}  # jmol's white hydrogen and pale carbon vanish on paper


def embedded(report: Report) -> str:
    """Everything the page prints and the viewer draws, safe inside a script element."""
    trace, path = report.dynamics, report.relaxation
    present = {int(number) for structure in report.structures for number in structure.numbers}
    data = {
        "title": report.title,
        "summary": report.summary,
        "configuration": report.configuration,
        "history": report.history,
        "sets": [of_set(result) for result in report.sets],
        "relaxation": path and arrays(path),
        "dynamics": trace and arrays(trace) | {"drift": trace.drift, "spread": trace.spread},
        "structures": [of_structure(structure) for structure in report.structures],
        "elements": {str(number): of_element(number) for number in sorted(present)},
    }
    return json.dumps(as_plain(data), allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def arrays(part: object) -> dict[str, object]:
    """The fields of a part of the report by name."""
    return {field.name: getattr(part, field.name) for field in fields(part)}  # type: ignore[arg-type]


def of_set(result: SetResult) -> dict[str, object]:
    """Energies and all errors; single forces and stresses are left out, they are drawn only."""
    energy = result.energy
    return {
        "name": result.name,
        "title": result.title,
        **numbers(result),
        "energy": energy and energy.label,
        "predicted_energy": energy and energy.predicted,
    }


def of_structure(structure: Structure) -> dict[str, object]:
    """Frames as flat lists rounded to 1e-3 A, with the turn that shows the broad side."""
    centre = structure.positions.mean(axis=(0, 1))
    offsets = structure.positions - centre
    return {
        "name": structure.name,
        "numbers": structure.numbers,
        "frames": structure.positions.round(3).reshape(len(structure.positions), -1),
        "bonds": structure.bonds,
        "cell": structure.cell,
        "centre": centre,
        "radius": float(np.linalg.norm(offsets, axis=-1).max()) + 1.0,
        "view": broad_side(offsets[0]),
    }


def broad_side(offsets: Float[np.ndarray, "node 3"]) -> Float[np.ndarray, "3 3"]:
    """The rotation that puts the longest direction to the right and the shortest to the reader, a little tilted."""
    axes = np.linalg.svd(offsets - offsets.mean(axis=0), full_matrices=True)[2]
    axes[2] *= np.linalg.det(axes)
    tilt = 0.35
    return np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]) @ axes


def of_element(number: int) -> dict[str, object]:
    """How an element is drawn."""
    red, green, blue = (round(255 * part) for part in jmol_colors[number])
    return {
        "symbol": chemical_symbols[number],
        "colour": HIDDEN_COLOURS.get(number, f"#{red:02x}{green:02x}{blue:02x}"),
        "radius": float(covalent_radii[number]),
    }


def as_plain(value: object) -> object:
    """Arrays as lists, numbers of numpy as numbers, nan and infinity (which JSON lacks) as null, the rest as text."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): as_plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.9g}") if np.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
