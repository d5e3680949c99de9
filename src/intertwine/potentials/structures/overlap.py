"""The closest two atoms, images included; motions, permutations and lattice translations leave their distance."""

import numpy as np
from scipy.spatial import KDTree

from intertwine.potentials.structures.lattice import complete, plane_spacing

FEW = 1000
"""Atoms whose pairs fit the memory, however close they lie."""


def closest_pair(
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, reach: float
) -> tuple[int, int, float] | None:
    """Two atoms nearer than `reach`, and their distance; the same atom twice where it meets its own image.

    For a displacement d whose lattice coordinates s are measured in plane spacings, |s_i| <= |d|: candidates come from
    a box search in s. The cell is first repeated until its planes lie further apart than twice `reach`, so that a
    candidate means one image only. Among many atoms some pair nearer than `reach` is returned, not always the closest.
    """
    count = len(positions)
    cell = complete(cell, pbc)
    repeats = np.where(pbc, np.ceil(2.1 * reach / plane_spacing(cell)), 1).astype(int)
    if repeats.max() > 1:
        offsets = np.indices(repeats.tolist()).reshape(3, -1).T @ cell
        positions = (offsets[:, None] + positions).reshape(-1, 3)
        cell = cell * repeats[:, None]
    spacing, inverse = plane_spacing(cell), np.linalg.inv(cell)
    fractions = positions @ inverse
    fractions = np.where(pbc, fractions % 1, fractions)
    pairs = _same_cube(fractions @ cell, reach) if count > FEW else None
    if pairs is None:
        period = np.where(pbc, spacing * (1 + 1e-9), 0) if pbc.any() else None  # the remainder may round up to 1
        tree = KDTree(fractions * spacing, boxsize=period)
        pairs = tree.query_pairs(reach * (1 + 1e-6), p=np.inf, output_type="ndarray")
    if not len(pairs):
        return None
    vectors = positions[pairs[:, 1]] - positions[pairs[:, 0]]
    vectors -= np.where(pbc, np.rint(vectors @ inverse), 0) @ cell
    distances = np.linalg.norm(vectors, axis=1)
    nearest = int(distances.argmin())
    if distances[nearest] >= reach:
        return None
    first, second = sorted(int(atom) % count for atom in pairs[nearest])
    return first, second, float(distances[nearest])


def _same_cube(positions: np.ndarray, diagonal: float) -> np.ndarray | None:
    """Two atoms in one cube of that diagonal, if any; then no search for all pairs is needed, nor its memory."""
    cubes = np.floor(positions * (3**0.5 / diagonal))
    order = np.lexsort(cubes.T)
    same = np.flatnonzero((np.diff(cubes[order], axis=0) == 0).all(axis=1))
    return order[[[same[0], same[0] + 1]]] if len(same) else None
