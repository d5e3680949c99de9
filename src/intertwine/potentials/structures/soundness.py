"""What must hold of a structure before anything is computed from it; these are checks, no group acts."""

from collections.abc import Collection

import numpy as np
from ase.data import chemical_symbols

from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.lattice import complete, plane_spacing
from intertwine.potentials.structures.overlap import closest_pair

HEAVIEST = 118
FARTHEST = 1e6
"""Largest coordinate and cell entry, Angstrom; beyond it lattice sums lose their digits."""
THINNEST = 0.1
"""Smallest distance between lattice planes, Angstrom: a cell below it is flat, or in another unit."""
CLOSEST = 0.3
"""Smallest distance between two atoms, Angstrom; H2 has 0.74."""
LARGEST = 1e12
"""Largest label in eV and Angstrom; beyond it squares leave float32."""


def check(graph: Graph) -> Graph:
    """The graph itself, when structure, distances and labels are sound.

    Raises:
        GraphError: the first fault, in one line: file, frame, atom, field, value, remedy.
    """
    check_structure(graph)
    check_labels(graph)
    check_distances(graph)
    return graph


def check_structure(graph: Graph) -> None:
    """Refuse empty structures, unknown atomic numbers, non-finite or absurd coordinates, flat or missing cells."""
    structure, numbers = _array(graph.structure), _array(graph.numbers)
    if graph.graph_count == 0:
        raise GraphError("graph: holds no structures; expected at least one.")
    if (np.diff(structure) < 0).any():
        raise GraphError("graph: structure must ascend, but its atoms are interleaved; build batches with collate.")
    counts = np.bincount(structure, minlength=graph.graph_count)
    if len(counts) > graph.graph_count or (counts == 0).any():
        where = graph.place(int(np.argmin(counts[: graph.graph_count])))
        raise GraphError(f"{where}: holds no atoms, expected at least 1; drop it.")
    unknown = (numbers < 1) | (numbers > HEAVIEST)
    if unknown.any():
        atom = int(unknown.argmax())
        where = graph.place(int(structure[atom]), atom)
        raise GraphError(f"{where}: numbers is {numbers[atom]}, expected 1 to {HEAVIEST}; name a real element.")
    _check_rows(graph, "positions", structure, FARTHEST, "check the coordinates and their unit, Angstrom")
    _check_rows(graph, "cell", None, FARTHEST, "check the lattice vectors and their unit, Angstrom")
    for index, (cell, pbc) in enumerate(zip(_array(graph.cell).astype(float), _array(graph.pbc))):
        if pbc.any():
            _check_cell(cell, pbc, graph.place(index))


def check_labels(graph: Graph) -> None:
    """Refuse labels that are not finite, or absurdly large."""
    remedy = "drop the frame or compute its label again"
    _check_rows(graph, "energy", None, LARGEST, remedy)
    _check_rows(graph, "forces", _array(graph.structure), LARGEST, remedy)
    _check_rows(graph, "stress", None, LARGEST, remedy)


def check_distances(graph: Graph) -> None:
    """Refuse atoms closer than `CLOSEST` to each other or to a periodic image, in sound structures without edges."""
    counts = np.bincount(_array(graph.structure), minlength=graph.graph_count)
    first = 0
    for index, (count, cell, pbc) in enumerate(zip(counts, _array(graph.cell), _array(graph.pbc))):
        positions = _array(graph.positions)[first : first + count].astype(float)
        pair = closest_pair(positions, cell.astype(float), pbc, CLOSEST)
        if pair is not None:
            raise _overlap(graph, index, first + pair[0], first + pair[1], pair[2])
        first += int(count)


def check_species(graph: Graph, species: Collection[int]) -> None:
    """Refuse elements that a model does not know."""
    numbers = _array(graph.numbers)
    strange = ~np.isin(numbers, list(species))
    if strange.any():
        atom = int(strange.argmax())
        where = graph.place(int(graph.structure[atom]), atom)
        known = ", ".join(chemical_symbols[number] for number in sorted(species))
        raise GraphError(
            f"{where}: species {chemical_symbols[numbers[atom]]} ({numbers[atom]}) is unknown to this model, which "
            f"knows {known}; train with frames that hold it."
        )


def _check_cell(cell: np.ndarray, pbc: np.ndarray, where: str) -> None:
    missing = pbc & ~cell.any(axis=1)
    if missing.any():
        raise GraphError(
            f"{where}: cell vector {int(missing.argmax())} is zero, but pbc says the structure repeats along it; "
            "give the cell, or set pbc to F."
        )
    spacing = plane_spacing(complete(cell, pbc))
    if spacing.min() < THINNEST:
        raise GraphError(
            f"{where}: cell has no volume, its lattice planes are {spacing.min():.2g} A apart, expected at least "
            f"{THINNEST} A; check the lattice vectors and their unit, Angstrom."
        )


def _check_rows(graph: Graph, field: str, structure: np.ndarray | None, limit: float, remedy: str) -> None:
    """Refuse entries of a field that are not finite, or exceed `limit`; rows are atoms when `structure` is given."""
    tensor = getattr(graph, field)
    if tensor is None:
        return
    values = _array(tensor)
    bad = ~(np.abs(values) <= limit)  # written so that NaN is bad too
    if bad.any():
        position = tuple(np.argwhere(bad)[0])
        row = int(position[0])
        where = graph.place(row) if structure is None else graph.place(int(structure[row]), row)
        raise GraphError(
            f"{where}: {field} is {values[position]}, expected a finite number up to {limit:.0e}; {remedy}."
        )


def _overlap(graph: Graph, structure: int, first: int, second: int, distance: float) -> GraphError:
    """The error for two atoms, by their index in the batch."""
    begin = int((graph.structure < structure).sum())
    other = "its own periodic image" if first == second else f"atom {second - begin}"
    return GraphError(
        f"{graph.place(structure, first)}: positions overlap, {other} is {distance:.3g} A away, expected at least "
        f"{CLOSEST} A; remove the double atom, or check cell and unit."
    )


def _array(tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
