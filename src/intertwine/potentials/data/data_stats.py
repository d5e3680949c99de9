"""How much there is of what in a set of structures: sizes, labels, neighbours; numbers that E(3) leaves alone."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from intertwine.potentials.structures.batching import split
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect
from intertwine.potentials.structures.reference import is_isolated_atom
from intertwine.potentials.structures.textfile import replacing


def measure_data(graphs: Sequence[Graph], cutoff: float = 5.0) -> dict[str, dict[str, Any]]:
    """For all frames, and for each group where there are several: counts, ranges [least, mean, largest] and RMS values.

    Energies in eV/atom, forces in eV/A, stresses in eV/A^3, volumes in A^3/atom, densities of neighbours per atom.
    What no frame has is None.

    Example:
        >>> from ase.build import bulk
        >>> from intertwine.potentials.data.readers import from_atoms
        >>> measure_data([from_atoms(bulk("Cu", "fcc", a=3.6))], cutoff=3.0)["all"]["neighbours"]
        [12.0, 12.0, 12.0]
    """
    frames = [structure for graph in graphs for structure in split(graph)]
    groups: dict[str, list[Graph]] = {"all": frames}
    names = sorted({graph.groups[0] for graph in frames if graph.groups and graph.groups[0]})
    if len(names) > 1:
        for name in names:
            groups[name if name != "all" else "all (group)"] = [g for g in frames if g.groups and g.groups[0] == name]
    measured = {id(graph): _neighbours(graph, cutoff) for graph in frames}
    return {name: _measure(part, [measured[id(graph)] for graph in part]) for name, part in groups.items()}


def plot_data(path: Path, graphs: Sequence[Graph]) -> None:
    """Histograms of energies, forces and sizes as a picture."""
    from matplotlib.figure import Figure

    frames = [structure for graph in graphs for structure in split(graph)]
    values = {
        "energy above the mean of its composition, eV/atom": _centred_energies(frames),
        "length of a force, eV/Å": np.concatenate(
            [g.forces.norm(dim=1).numpy() for g in frames if g.forces is not None] or [np.zeros(0)]
        ),
        "atoms in a frame": np.array([graph.node_count for graph in frames]),
    }
    figure = Figure(figsize=(10, 3), layout="constrained")
    for axes, (title, numbers) in zip(figure.subplots(1, 3), values.items()):
        axes.hist(numbers, bins=50, log=len(numbers) > 0)
        axes.set_xlabel(title)
        axes.set_ylabel("count")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def _centred_energies(frames: list[Graph]) -> np.ndarray:
    energies: dict[tuple[int, ...], list[float]] = {}
    for graph in frames:
        if graph.energy is not None:
            energies.setdefault(tuple(sorted(graph.numbers.tolist())), []).append(float(graph.energy))
    return np.concatenate(
        [(np.array(values) - np.mean(values)) / len(kind) for kind, values in energies.items()] or [np.zeros(0)]
    )


def _neighbours(graph: Graph, cutoff: float) -> float:
    return connect(graph, cutoff).senders.shape[0] / graph.node_count


def _measure(frames: list[Graph], neighbours: list[float]) -> dict[str, Any]:
    elements = Counter(number for graph in frames for number in graph.numbers.tolist())
    periodic = Counter("".join("T" if flag else "F" for flag in graph.pbc[0].tolist()) for graph in frames)
    forces = [graph.forces.numpy() for graph in frames if graph.forces is not None]
    stresses = [graph.stress.numpy() for graph in frames if graph.stress is not None]
    cells = [float(graph.cell[0].det().abs()) / graph.node_count for graph in frames if bool(graph.pbc.all())]
    energies = [float(graph.energy) / graph.node_count for graph in frames if graph.energy is not None]
    components = np.concatenate(forces).ravel() if forces else None
    return {
        "frames": len(frames),
        "isolated_atoms": sum(is_isolated_atom(graph) for graph in frames),
        "atoms": sum(graph.node_count for graph in frames),
        "atoms_per_frame": _range([graph.node_count for graph in frames]),
        "elements": {chemical_symbols[number]: count for number, count in sorted(elements.items())},
        "pbc": dict(sorted(periodic.items())),
        "with_energy": len(energies),
        "with_forces": len(forces),
        "with_stress": len(stresses),
        "energy_per_atom": _range(energies),
        "force_rms": None if components is None else float(np.sqrt((components**2).mean())),
        "force_largest": None if components is None else float(max(np.linalg.norm(f, axis=1).max() for f in forces)),
        "stress_rms": float(np.sqrt((np.concatenate(stresses) ** 2).mean())) if stresses else None,
        "volume_per_atom": _range(cells),
        "neighbours": _range(neighbours),
    }


def _range(values: Sequence[float] | Sequence[int]) -> list[float] | None:
    """Least, mean and largest."""
    return [float(np.min(values)), float(np.mean(values)), float(np.max(values))] if len(values) else None
