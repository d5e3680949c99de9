"""Structures to time potentials on, made by rule: molecules of 27 atoms and boxes of water; E(3) acts on positions."""

import numpy as np
from ase import Atoms
from ase.build import molecule

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect

CUTOFF = 5.0
ELEMENTS = (1, 6, 7, 8)
MOLECULE, NEIGHBORS = 27, 16.5
"""Atoms of the 3BPA molecule, and edges an atom within the cutoff at 300 K."""
WATER_SIDE = 3.108
"""Side of the cube that a molecule of liquid water takes, Angstrom (0.997 g/cm3)."""


def cluster(draw: np.random.Generator) -> Atoms:
    """27 atoms of four elements, at least 1 Angstrom apart, with about as many edges as 3BPA has."""
    radius = (MOLECULE / NEIGHBORS) ** (1 / 3) * CUTOFF * 0.725  # the surface costs edges: found by trial
    points: list[np.ndarray] = []
    while len(points) < MOLECULE:
        point = draw.uniform(-radius, radius, 3)
        if np.linalg.norm(point) < radius and all(np.linalg.norm(point - other) > 1.0 for other in points):
            points.append(point)
    return Atoms(draw.choice(ELEMENTS, MOLECULE), np.array(points))


def water(side: int, draw: np.random.Generator) -> Atoms:
    """A periodic box of side^3 water molecules on a cubic lattice, each turned at random."""
    box = Atoms(cell=[side * WATER_SIDE] * 3, pbc=True)
    for place in np.ndindex(side, side, side):
        one = molecule("H2O")
        one.rotate(draw.uniform(0, 360), draw.standard_normal(3))
        one.translate((np.array(place) + 0.5) * WATER_SIDE - one.get_center_of_mass())
        box += one
    return box


def system(case: dict, seed: int = 0) -> Graph:
    """The connected batch of a case: `{"molecules": n}` or `{"water": side}`."""
    draw = np.random.default_rng(seed)
    if "water" in case:
        return connect(from_atoms(water(case["water"], draw)), CUTOFF)
    return collate([connect(from_atoms(cluster(draw)), CUTOFF) for _ in range(case["molecules"])])


def graph_inputs(graph: Graph) -> dict[str, np.ndarray]:
    """The tensors of a batch in float32: positions, numbers, structure, cell, shifts, senders, receivers."""
    names = ("positions", "numbers", "structure", "cell", "shifts", "senders", "receivers")
    arrays = {name: getattr(graph, name).numpy() for name in names}
    return {name: each.astype(np.float32) if each.dtype == np.float64 else each for name, each in arrays.items()}
