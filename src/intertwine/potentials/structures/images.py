"""Vectors and distances to nearest images, and lengths of a lattice; E(3) turns vectors and leaves lengths alone."""

from itertools import product
from typing import Any

import numpy as np
from ase.geometry import minkowski_reduce

from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.lattice import complete


def distances(graph: Graph) -> np.ndarray:
    """From every atom of one structure to the nearest image of every other, `node node`, Angstrom.

    Example:
        >>> from ase.build import bulk
        >>> from intertwine.potentials.data.readers import from_atoms
        >>> float(distances(from_atoms(bulk("NaCl", "rocksalt", a=5.6)))[0, 1])
        2.8
    """
    positions, pbc = graph.positions.double().numpy(), graph.pbc[0].numpy()
    difference = positions[:, None] - positions
    if not pbc.any():
        return np.linalg.norm(difference, axis=-1)
    cell, vectors = _reduced(graph), nearest_image(difference.reshape(-1, 3), graph)
    squares = np.einsum("ij,ij->i", vectors, vectors)
    if np.abs(cell @ cell.T - np.diag(np.diag(cell @ cell.T))).max() > 1e-9:  # a wrapped vector may not be the shortest
        images = np.array(list(product(*((-1, 0, 1) if flag else (0,) for flag in pbc)))) @ cell
        squares = squares + (2 * images @ vectors.T + (images**2).sum(axis=1)[:, None]).min(axis=0)
    return np.sqrt(np.maximum(squares, 0)).reshape(len(positions), -1)


def nearest_image(vectors: np.ndarray, graph: Graph) -> np.ndarray:
    """Vectors moved by lattice vectors into the reduced cell, where those shorter than half of it are the shortest."""
    pbc = graph.pbc[0].numpy()
    if not pbc.any():
        return vectors
    cell = _reduced(graph)
    fractions = vectors @ np.linalg.inv(cell)
    return (fractions - np.where(pbc, np.rint(fractions), 0)) @ cell


def lattice_lengths(graph: Graph) -> np.ndarray:
    """Lengths of the shortest lattice vectors and of their sums and differences, sorted; every cell gives the same."""
    pbc = graph.pbc[0].numpy()
    if not pbc.any():
        return np.zeros(0)
    steps = [step for step in product(*((-1, 0, 1) if flag else (0,) for flag in pbc)) if step > (0, 0, 0)]
    return np.sort(np.linalg.norm(np.array(steps) @ _reduced(graph), axis=1))


def _reduced(graph: Graph) -> np.ndarray:
    pbc: Any = graph.pbc[0].numpy()
    return np.asarray(minkowski_reduce(complete(graph.cell[0].double().numpy(), pbc), pbc)[0])
