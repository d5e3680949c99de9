"""Atoms in the order of a curve through space, so that neighbours lie near in memory; permutations act on nodes."""

from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from intertwine.potentials.structures.graph import Graph

Found = TypeVar("Found")
BITS = 21
"""Of each coordinate: three fit an integer of 64 bits."""


def curve_order(positions: Float[np.ndarray, "node 3"], *, side: float) -> Int[np.ndarray, "node"]:
    """The atoms along Morton's curve through cubes of a side: those of a cube follow each other, in their old order.

    The number of a cube interleaves the bits of its three coordinates, so that cubes of every size, and not only the
    smallest, are visited as a whole before the next one.

    Example:
        >>> curve_order(np.array([[0.0, 0, 0], [9, 9, 9], [1, 0, 0], [9, 8, 9]]), side=4.0).tolist()
        [0, 2, 1, 3]

    Reference: Morton, 1966, A Computer Oriented Geodetic Data Base and a New Technique in File Sequencing.
    """
    lowest = positions.min(axis=0, initial=np.inf) if len(positions) else 0.0
    cubes = np.minimum((positions - lowest) / side, 2**BITS - 1).astype(np.int64)
    number = np.zeros(len(positions), dtype=np.int64)
    for bit in range(BITS):
        for axis in range(3):
            number |= ((cubes[:, axis] >> bit) & 1) << (3 * bit + axis)
    return np.argsort(number, kind="stable")


def reordered(graph: Graph, order: Int[Tensor, "node"]) -> Graph:
    """One structure with atom order[k] in place k; edges follow and keep their vectors, receivers ascend again."""
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    receivers, edges = place[graph.receivers].sort(stable=True)
    return replace(
        graph,
        positions=graph.positions[order],
        numbers=graph.numbers[order],
        structure=graph.structure[order],
        senders=place[graph.senders[edges]],
        receivers=receivers,
        shifts=graph.shifts[edges],
        forces=None if graph.forces is None else graph.forces[order],
    )


def restored(found: Found, order: Int[Tensor, "node"]) -> Found:
    """What was found for a reordered structure, energies of atoms and forces, in the first order again."""
    changes = {}
    for name in ("node_energy", "forces"):
        values = getattr(found, name)
        if values is not None:
            changes[name] = torch.empty_like(values).index_copy_(0, order, values)
    return replace(found, **changes)  # type: ignore[type-var]
