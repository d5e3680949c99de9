"""Which entries of a file are energy, forces, stress and group, and the graph they make; no group acts."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from intertwine.potentials.structures.graph import Graph, GraphError, Source
from intertwine.potentials.structures.numerals import parse_numbers, quote

ENERGY = ("energy", "ref_energy", "dft_energy", "total_energy", "totenergy", "free_energy")
FORCES = ("forces", "ref_forces", "dft_forces", "force", "ref_force", "dft_force")
STRESS = ("stress", "ref_stress", "dft_stress")
VIRIAL = ("virial", "virials", "ref_virial", "ref_virials", "dft_virial")
GROUP = ("config_type",)
VOIGT = ((0, 5, 4), (5, 1, 3), (4, 3, 2))


@dataclass(frozen=True)
class LabelKeys:
    """Names of the labels in a file; None takes the usual names, in any spelling of capitals, if they do not disagree.

    A `stress` key whose name holds "virial" is read as a virial.
    """

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Frame:
    """One frame of a file before its labels are understood."""

    source: Source
    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    info: Mapping[str, Any]
    """Entries of the whole frame, text or numbers, by name; None for a name without value."""
    columns: Mapping[str, Callable[[], np.ndarray]]
    """Entries of its atoms, `node width`, by name, read when called."""


def to_graph(frame: Frame, keys: LabelKeys = LabelKeys()) -> Graph:
    """The frame as a float64 graph without edges, its labels chosen by `keys`; not yet checked for soundness.

    Raises:
        GraphError: a label that is no number, has the wrong shape, or goes by two names with different values.
    """
    count = len(frame.numbers)
    energy, forces = _energy(frame, keys.energy), _forces(frame, keys.forces)
    stress = _stress(frame, keys.stress)
    cell = frame.cell if frame.pbc.any() or not np.isfinite(frame.cell).all() else np.zeros((3, 3))
    return Graph(
        positions=torch.tensor(frame.positions, dtype=torch.float64),
        numbers=torch.tensor(frame.numbers, dtype=torch.int64),
        structure=torch.zeros(count, dtype=torch.int64),
        cell=torch.tensor(cell, dtype=torch.float64).unsqueeze(0),
        pbc=torch.tensor(frame.pbc, dtype=torch.bool).unsqueeze(0),
        senders=torch.zeros(0, dtype=torch.int64),
        receivers=torch.zeros(0, dtype=torch.int64),
        shifts=torch.zeros(0, 3, dtype=torch.float64),
        energy=None if energy is None else torch.tensor([energy], dtype=torch.float64),
        forces=None if forces is None else torch.tensor(forces, dtype=torch.float64),
        stress=None if stress is None else torch.tensor(stress, dtype=torch.float64).unsqueeze(0),
        groups=_group(frame, keys.group),
        sources=(frame.source,),
    )


def _energy(frame: Frame, key: str | None) -> float | None:
    found = {}
    for name in _names(frame.info, key, ENERGY):
        values = _numbers(frame.info[name], f"{frame.source}: {name}")
        if values.size != 1:
            _fail(frame, f"{name} has {values.size} numbers, expected one, in eV; correct it")
        found[name] = values.reshape(())
    values = _agreed(frame, "energy", found, tolerance=1e-6)
    return None if values is None else float(values)


def _forces(frame: Frame, key: str | None) -> np.ndarray | None:
    for name in _names(frame.info, key, FORCES):
        _fail(frame, f"{name} is among the keys of the frame, expected one row an atom; make it a column {name}:R:3")
    found = {}
    for name in _names(frame.columns, key, FORCES):
        values = frame.columns[name]()
        if values.dtype.kind == "b":
            _fail(frame, f"{name} is a column of flags, expected {name}:R:3; correct Properties")
        if values.shape != (len(frame.numbers), 3):
            width = values.shape[1] if values.ndim == 2 else "an unexpected number of"
            _fail(frame, f"{name} has {width} columns, expected {name}:R:3, one row an atom; correct it")
        found[name] = values
    return _agreed(frame, "forces", found, tolerance=1e-6)


def _stress(frame: Frame, key: str | None) -> np.ndarray | None:
    names = _names(frame.info, key, STRESS + VIRIAL)
    found = {}
    for name in names:
        values = _numbers(frame.info[name], f"{frame.source}: {name}").ravel()
        if values.size not in (6, 9):
            _fail(
                frame, f"{name} has {values.size} numbers, expected 9, or 6 in the order xx yy zz yz xz xy; correct it"
            )
        matrix = values.reshape(3, 3) if values.size == 9 else values[np.array(VOIGT)]
        if np.abs(matrix - matrix.T).max() > 0.01 * np.abs(matrix).max() + 1e-6:
            _fail(frame, f"{name} is not symmetric; correct it")
        if not frame.pbc.any() and not matrix.any():
            continue  # zero is what some programs write for a molecule, which has no stress
        volume = abs(np.linalg.det(frame.cell)) if frame.pbc.any() and np.isfinite(frame.cell).all() else 0.0
        if volume == 0:
            _fail(
                frame, f"{name} is given, but there is no cell and so no volume; give Lattice and pbc, or drop {name}"
            )
        found[name] = (matrix + matrix.T) / 2 * (-1 / volume if "virial" in name.lower() else 1)
    return _agreed(frame, "stress", found, tolerance=1e-6)


def _group(frame: Frame, key: str | None) -> tuple[str, ...]:
    for name in _names(frame.info, key, GROUP):
        value = frame.info[name]
        if value is not None and str(value).isprintable():
            return (str(value),)
        _fail(frame, f"{name} is {quote(str(value))}, expected a printable name; correct it")
    return ()


def _names(available: Iterable[str], key: str | None, usual: tuple[str, ...]) -> list[str]:
    if key is not None:
        return [name for name in available if name == key]
    return [name for name in available if name.lower() in usual]


def _numbers(value: Any, place: str) -> np.ndarray:
    if isinstance(value, str):
        return parse_numbers(value.replace(",", " ").strip("[]").split(), lambda _: place)
    if value is None:
        raise GraphError(f"{place} has no value, expected a number; correct the file.")
    try:
        if np.asarray(value).dtype.kind not in "fiu":
            raise TypeError
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise GraphError(f"{place} is {quote(repr(value))}, which is no number; correct the file.") from None


def _agreed(frame: Frame, label: str, found: dict[str, np.ndarray], tolerance: float) -> np.ndarray | None:
    """The value that goes by one name, or by several and is the same."""
    if not found:
        return None
    (first, value), *others = found.items()
    for name, other in others:
        if not np.allclose(value, other, rtol=1e-9, atol=tolerance, equal_nan=True):
            _fail(
                frame, f"{label} is ambiguous, {first} and {name} differ; choose with {label}_key={name!r} or {first!r}"
            )
    return value


def _fail(frame: Frame, message: str):
    raise GraphError(f"{frame.source}: {message}.")
