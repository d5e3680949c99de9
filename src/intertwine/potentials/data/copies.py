"""Structures that are the same up to motion, reflection and the order of atoms: E(3) and permutations leave them alone.

Two structures are compared by their distances, each to the nearest image. The k-th shortest distance moves by no more
than twice what the atoms do, and so do means over a fixed part of the sorted list: such means are points that near
copies keep close together, and a tree finds them. Candidates are then compared atom by atom, and at last a motion is
looked for that carries one onto the other.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement, product

import numpy as np
from scipy.spatial import KDTree

from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.images import distances, lattice_lengths
from intertwine.potentials.structures.isometry import isometric

SAME = 1e-3
"""Distances of two structures that differ by less are those of one structure, rounded; Angstrom."""
NEAR = 0.02
"""Distances of frames a few femtoseconds apart, Angstrom."""
LARGEST = 400
"""Atoms beyond which a structure is not compared: its pairs would not fit."""
PARTS = 8
"""Means taken over the sorted distances between two elements, and shortest distances beside them."""
KEPT = 500
"""Structures whose surroundings are kept while candidates are compared."""
SLACK, LEVER = 0.05, 20.0
"""A motion must bring atoms together within the first, Angstrom, and the second times the difference of distances."""


def find_copies(graphs: Sequence[Graph], tolerance: float = SAME) -> list[tuple[int, int, float]]:
    """Pairs of structures whose distances differ by less than `tolerance`, and by how much, Angstrom.

    Exact copies of one structure are paired with the first of them only. Structures of one atom that repeat nowhere,
    and those of more than `LARGEST` atoms, are passed over.

    Example:
        >>> from ase.build import molecule
        >>> from intertwine.potentials.data.readers import from_atoms
        >>> one, two, other = molecule("CO2"), molecule("CO2"), molecule("N2")
        >>> two.rotate(30, "x")
        >>> [pair[:2] for pair in find_copies([from_atoms(one), from_atoms(two[[2, 0, 1]]), from_atoms(other)])]
        [(0, 1)]
    """
    kinds = defaultdict(list)
    for index, graph in enumerate(graphs):
        if graph.node_count <= LARGEST and (graph.node_count > 1 or bool(graph.pbc.any())):
            kinds[(*np.sort(graph.numbers.numpy()).tolist(), *graph.pbc[0].tolist())].append(index)
    found = []
    for indices in kinds.values():
        if len(indices) > 1:
            pairs = _pairs([graphs[index] for index in indices], tolerance)
            found.extend((indices[one], indices[two], difference) for one, two, difference in pairs)
    return sorted(found)


def _pairs(graphs: Sequence[Graph], tolerance: float) -> list[tuple[int, int, float]]:
    """The pairs among structures of one composition."""
    surroundings = lru_cache(KEPT)(lambda position: _surroundings(graphs[position]))

    def compare(one: int, two: int) -> float | None:
        """How much the distances of two copies differ; None if they are none."""
        difference = _difference(surroundings(one), surroundings(two), tolerance)
        if difference < tolerance and isometric(graphs[one], graphs[two], min(SLACK + LEVER * difference, 10 * SLACK)):
            return difference
        return None

    points = np.array([_fingerprint(graph) for graph in graphs])
    _, first, group = np.unique(points.round(7), axis=0, return_index=True, return_inverse=True)
    families: list[list[list[int]]] = [[] for _ in first]  # by fingerprint: copies, each list with its first before it
    found = []
    for position, name in enumerate(group.ravel().tolist()):
        for family in families[name]:
            difference = compare(family[0], position)
            if difference is not None:
                found.append((family[0], position, difference))
                family.append(position)
                break
        else:
            families[name].append([position])
    near = KDTree(points[first]).query_pairs(tolerance * (1 + 1e-6) + 1e-7, p=np.inf, output_type="ndarray")
    for one, two in sorted(near.tolist()):
        for mine, yours in product(families[one], families[two]):
            difference = compare(mine[0], yours[0])
            if difference is not None:
                early, late = sorted((mine, yours))
                found.extend((min(early[0], other), max(early[0], other), difference) for other in late)
    return found


def _fingerprint(graph: Graph) -> np.ndarray:
    """For every two elements the shortest distances and means over parts of the sorted list; and lattice lengths."""
    numbers, matrix = graph.numbers.numpy(), distances(graph)
    means = [lattice_lengths(graph)]
    for one, two in combinations_with_replacement(np.unique(numbers).tolist(), 2):
        block = matrix[np.ix_(numbers == one, numbers == two)]
        values = np.sort(block[np.triu_indices(len(block), 1)] if one == two else block.ravel())
        if len(values):
            parts = [part.mean() for part in np.array_split(values, min(PARTS, len(values)))]
            means.append(np.array([*values[:PARTS], *parts]))
    return np.concatenate(means)


@dataclass(frozen=True)
class Surroundings:
    """What two copies have in common."""

    lattice: np.ndarray
    distances: dict[int, np.ndarray]
    """For each element a row an atom: its sorted distances to the atoms of every element in turn."""


def _surroundings(graph: Graph) -> Surroundings:
    numbers, matrix = graph.numbers.numpy(), distances(graph)
    elements = np.unique(numbers)
    rows = np.concatenate([np.sort(matrix[:, numbers == element], axis=1) for element in elements], axis=1)
    return Surroundings(lattice_lengths(graph), {int(element): rows[numbers == element] for element in elements})


def _difference(mine: Surroundings, yours: Surroundings, tolerance: float) -> float:
    """Largest difference of the distances around an atom and around the best atom for it in the other structure.

    Atoms are compared until one has no like; what is returned then is beyond `tolerance`, and no more is said of it.
    """
    worst = float(np.abs(mine.lattice - yours.lattice).max(initial=0.0))
    for one, two in ((mine, yours), (yours, mine)):
        for element, rows in one.distances.items():
            for row in rows:
                if worst >= tolerance:
                    return worst
                worst = max(worst, float(np.abs(two.distances[element] - row).max(axis=1, initial=0.0).min()))
    return worst
