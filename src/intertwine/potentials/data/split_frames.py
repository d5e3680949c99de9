"""Frames in parts for training, validation and testing that have no structure in common; permutations act on frames."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from intertwine.potentials.data.copies import find_copies
from intertwine.potentials.structures.batching import split
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.reference import is_isolated_atom


def split_frames(
    graphs: Sequence[Graph], shares: Sequence[float], *, seed: int = 0, blocks: bool = False
) -> list[list[Graph]]:
    """Parts whose sizes are as `shares`, in every group (`config_type`, or else the composition) alike.

    Structures that are the same up to motion, reflection and the order of atoms stay together, and isolated atoms come
    into the first part. Frames keep their order within a part.

    Args:
        blocks: consecutive frames of a group stay together, the first for the first part, and so on: frames of a
            trajectory resemble their neighbours, and a random split would test on what was trained on.

    Raises:
        GraphError: a part that would be empty.

    Example:
        >>> from ase.build import molecule
        >>> from intertwine.potentials.data.readers import from_atoms
        >>> train, test = split_frames([from_atoms(molecule(name)) for name in ("H2O", "CO2", "H2O", "N2")], [0.7, 0.3])
        >>> sorted(len(part) for part in (train, test))
        [1, 3]
    """
    frames = [structure for graph in graphs for structure in split(graph)]
    lone = [index for index, graph in enumerate(frames) if is_isolated_atom(graph)]
    families = _families(frames, set(lone))
    part_of = dict.fromkeys(lone, 0)
    assign = _in_blocks if blocks else _at_random
    for family, part in assign(_strata(frames, families), np.array(shares), np.random.default_rng(seed)):
        part_of |= dict.fromkeys(family, part)
    parts = [[frames[i] for i in sorted(part_of) if part_of[i] == part] for part in range(len(shares))]
    for number, part in enumerate(parts):
        if not part:
            raise GraphError(
                f"split: part {number} of {len(shares)} would be empty, there are {len(families)} different structures "
                f"in {len(frames)} frames; give it a larger fraction, or more frames."
            )
    return parts


def _families(frames: list[Graph], apart: set[int]) -> list[list[int]]:
    """Indices of frames that are copies of one structure, in the order of their first."""
    head = list(range(len(frames)))

    def find(index: int) -> int:
        while head[index] != index:
            head[index] = head[head[index]]
            index = head[index]
        return index

    for one, two, _ in find_copies(frames):
        one, two = sorted((find(one), find(two)))
        head[two] = one
    families = defaultdict(list)
    for index in range(len(frames)):
        if index not in apart:
            families[find(index)].append(index)
    return list(families.values())


def _strata(frames: list[Graph], families: list[list[int]]) -> list[list[list[int]]]:
    """Families of one group, or else one composition, behind one another."""
    strata = defaultdict(list)
    for family in families:
        graph = frames[family[0]]
        strata[graph.groups or tuple(sorted(graph.numbers.tolist()))].append(family)
    return list(strata.values())


def _at_random(strata: list[list[list[int]]], shares: np.ndarray, rng: np.random.Generator):
    """Families one after another, each into the part that lags furthest behind its share."""
    sizes = np.zeros(len(shares))
    for stratum in strata:
        for position in rng.permutation(len(stratum)).tolist():
            family = stratum[position]
            part = int(np.argmax(shares * (sizes.sum() + len(family)) - sizes))
            sizes[part] += len(family)
            yield family, part


def _in_blocks(strata: list[list[list[int]]], shares: np.ndarray, rng: np.random.Generator):
    """Families in order, each into the part that its middle falls into."""
    borders = np.cumsum(shares)[:-1]
    for stratum in strata:
        total, done = sum(map(len, stratum)), 0
        for family in stratum:
            yield family, int(np.searchsorted(borders, (done + len(family) / 2) / total))
            done += len(family)
