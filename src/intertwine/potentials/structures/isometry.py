"""A motion or reflection that carries one structure onto another, atom by atom; it is an element of E(3).

Equal distances do not prove it: alloys ordered in different ways on one lattice can have the same.
"""

from collections.abc import Iterator

import numpy as np
import torch

from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect

REACH = 6.0
"""Length within which two vectors are looked for that fix a rotation, Angstrom."""
MOST = 20_000
"""Motions tried before the structures are called different."""


def isometric(one: Graph, two: Graph, slack: float) -> bool:
    """Whether some motion or reflection brings every atom of `one` within `slack` of an atom of its element in `two`.

    A motion is fixed by an atom and two vectors to neighbours. Those of one atom of `one`, of its rarest element, are
    carried to every atom of that element in `two` and every two neighbours of it that fit, until all atoms fit. Atoms
    whose neighbours lie on one line fix no motion; then True is returned, and the distances have to do.

    Example:
        >>> from ase.build import molecule
        >>> from intertwine.potentials.data.readers import from_atoms
        >>> one, two = molecule("CH3OH"), molecule("CH3OH")
        >>> two.rotate(40, "x")
        >>> isometric(from_atoms(one), from_atoms(two), 0.01)
        True
    """
    numbers, counts = np.unique(one.numbers.numpy(), return_counts=True)
    rarest = numbers[counts.argmin()]
    here, there = _Neighbours(one), _Neighbours(two)
    start = int(np.flatnonzero(one.numbers.numpy() == rarest)[0])
    frame = here.frame(start)
    if frame is None:
        return True
    tried = 0
    for atom in np.flatnonzero(two.numbers.numpy() == rarest).tolist():
        for rotation in there.rotations(atom, *frame, slack):
            tried += 1
            moved = (one.positions.numpy() - one.positions.numpy()[start]) @ rotation + two.positions.numpy()[atom]
            if _fits(moved, one, two, slack) and _same_lattice(one, two, rotation, slack):
                return True
            if tried >= MOST:
                return False
    return False


class _Neighbours:
    """Vectors from atoms to their neighbours, the shortest first."""

    def __init__(self, graph: Graph):
        graph = connect(graph.to(dtype=torch.float64), REACH)
        offsets = torch.einsum("ei,ij->ej", graph.shifts, graph.cell[0])
        vectors = graph.positions[graph.senders] - graph.positions[graph.receivers] - offsets
        self._vectors, self._receivers = vectors.numpy(), graph.receivers.numpy()
        self._elements = graph.numbers[graph.senders].numpy()

    def of(self, atom: int) -> tuple[np.ndarray, np.ndarray]:
        """Vectors and elements."""
        mine = self._receivers == atom
        vectors, elements = self._vectors[mine], self._elements[mine]
        order = np.argsort(np.linalg.norm(vectors, axis=1), kind="stable")
        return vectors[order], elements[order]

    def frame(self, atom: int) -> tuple[np.ndarray, np.ndarray] | None:
        """The shortest vector and the shortest across it, with their elements; None if all lie on one line."""
        vectors, elements = self.of(atom)
        if not len(vectors):
            return None
        across = np.linalg.norm(np.cross(vectors, vectors[0]), axis=1)
        across /= np.linalg.norm(vectors, axis=1) * np.linalg.norm(vectors[0])
        second = int(np.argmax(across > 0.3))
        return (vectors[[0, second]], elements[[0, second]]) if across[second] > 0.3 else None

    def rotations(self, atom: int, frame: np.ndarray, kinds: np.ndarray, slack: float) -> Iterator[np.ndarray]:
        """Orthogonal matrices that carry the frame to neighbours of an atom, both hands of each."""
        vectors, elements = self.of(atom)
        lengths = np.linalg.norm(vectors, axis=1)
        wanted, dot = np.linalg.norm(frame, axis=1), frame[0] @ frame[1]
        firsts = vectors[(elements == kinds[0]) & (np.abs(lengths - wanted[0]) < slack)]
        seconds = vectors[(elements == kinds[1]) & (np.abs(lengths - wanted[1]) < slack)]
        for first in firsts:
            for second in seconds[np.abs(seconds @ first - dot) < 2 * slack * wanted.sum()]:
                for hand in (1.0, -1.0):
                    yield _axes(frame[0], frame[1], 1.0).T @ _axes(first, second, hand)


def _axes(first: np.ndarray, second: np.ndarray, hand: float) -> np.ndarray:
    """Orthonormal rows, the first along `first`, the second in the plane of both."""
    x = first / np.linalg.norm(first)
    y = second - (second @ x) * x
    y /= np.linalg.norm(y)
    return np.stack([x, y, hand * np.cross(x, y)])


def _fits(moved: np.ndarray, one: Graph, two: Graph, slack: float) -> bool:
    """Whether every moved atom lies on an atom of its element, images included; no two on one, since they repel."""
    apart = moved[:, None] - two.positions.numpy()
    pbc = two.pbc[0].numpy()
    if pbc.any():
        cell = two.cell[0].numpy()
        fractions = apart @ np.linalg.pinv(cell)
        apart = apart - np.where(pbc, np.rint(fractions), 0) @ cell
    fit = (np.linalg.norm(apart, axis=-1) < slack) & (one.numbers.numpy()[:, None] == two.numbers.numpy())
    return bool(fit.any(axis=1).all())


def _same_lattice(one: Graph, two: Graph, rotation: np.ndarray, slack: float) -> bool:
    pbc = two.pbc[0].numpy()
    if not pbc.any():
        return True
    turned, cell = one.cell[0].numpy()[pbc] @ rotation, two.cell[0].numpy()[pbc]
    steps = np.rint(turned @ np.linalg.pinv(cell))
    return bool(np.abs(steps @ cell - turned).max() < slack)
