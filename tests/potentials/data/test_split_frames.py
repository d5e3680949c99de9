"""Parts have the sizes asked for in every group, and no structure in common."""

import numpy as np
import pytest
from formats import crystal, water

from intertwine.potentials.data.copies import find_copies
from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.data.split_frames import split_frames
from intertwine.potentials.structures.graph import Graph, GraphError


def frames(count: int = 40) -> list[Graph]:
    """Two groups of water, each a row of different frames."""
    found = []
    for seed in range(count):
        atoms = water(seed)
        atoms.info["config_type"] = "cold" if seed < count // 2 else "hot"
        found.append(from_atoms(atoms))
    return found


def indices(parts: list[list[Graph]], graphs: list[Graph]) -> list[list[int]]:
    order = {float(graph.positions.sum()): index for index, graph in enumerate(graphs)}
    return [[order[float(graph.positions.sum())] for graph in part] for part in parts]


def test_every_frame_is_in_one_part_and_every_group_in_all():
    graphs = frames()
    parts = indices(split_frames(graphs, [0.5, 0.25, 0.25]), graphs)
    assert [len(part) for part in parts] == [20, 10, 10]
    assert sorted(index for part in parts for index in part) == list(range(40)) and all(
        part == sorted(part) for part in parts
    )
    assert all(4 <= sum(index < 20 for index in part) <= 11 for part in parts)


def test_the_seed_decides():
    graphs = frames()
    one, same, other = (indices(split_frames(graphs, [0.8, 0.2], seed=seed), graphs) for seed in (0, 0, 1))
    assert one == same != other


def test_blocks_are_consecutive_in_every_group():
    graphs = frames()
    train, test = indices(split_frames(graphs, [0.75, 0.25], blocks=True), graphs)
    assert test == [15, 16, 17, 18, 19, 35, 36, 37, 38, 39] and len(train) == 30


@pytest.mark.parametrize("blocks", [False, True])
def test_copies_stay_together(blocks):
    images = [crystal(seed) for seed in range(20)]
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    again = []
    for atoms in images:
        other = atoms[[2, 0, 3, 1]]
        other.set_cell(atoms.cell.array @ rotation, scale_atoms=True)
        again.append(other)
    graphs = [from_atoms(atoms) for atoms in images + again]
    train, test = split_frames(graphs, [0.7, 0.3], blocks=blocks)
    border = len(train)
    pairs = find_copies(train + test)
    assert len(pairs) == 20 and all((one < border) == (two < border) for one, two, _ in pairs)
    careless = find_copies(graphs[:28] + graphs[28:])
    assert any((one < 28) != (two < 28) for one, two, _ in careless)


def test_isolated_atoms_are_in_the_first_part():
    lone = [from_atoms(water()[[atom]]) for atom in (0, 1)]
    for seed in range(5):
        train, test = split_frames([*frames(10), *lone], [0.5, 0.5], seed=seed)
        assert sum(graph.node_count == 1 for graph in train) == 2
        assert all(graph.node_count == 3 for graph in test)


def test_a_part_that_would_be_empty_is_refused():
    with pytest.raises(GraphError, match="part 1 of 2 would be empty, there are 1 different structures in 3 frames"):
        split_frames([frames(2)[0]] * 3, [0.5, 0.5])
