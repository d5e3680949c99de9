"""Names of sets: groups, files, temperatures."""

from dataclasses import replace
from pathlib import Path

import pytest
from ase import Atoms

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph, Source
from intertwine.potentials.structures.grouping import by_file, by_group, by_temperature, temperature


def atom(path: str, group: str) -> Graph:
    return replace(from_atoms(Atoms("H")), groups=(group,) if group else (), sources=(Source(Path(path), 0),))


FRAMES = [atom("a/heldout_300K.extxyz.xz", ""), atom("b/set.xyz", "test_600K"), atom("set.xyz", "slab")]


def test_frames_are_named_by_group_file_and_temperature():
    assert by_group(FRAMES) == ["all", "test_600K", "slab"]
    assert by_file(FRAMES) == ["heldout_300K", "set", "set"]
    assert by_temperature(FRAMES) == ["300 K", "600 K", "no temperature"]


def test_batches_are_named_structure_by_structure():
    batch = collate(FRAMES)
    assert by_group([batch]) == by_group(FRAMES) and by_temperature([batch]) == by_temperature(FRAMES)
    assert by_file([replace(batch, sources=())]) == ["all"] * 3


@pytest.mark.parametrize("name", ["mixedT", "K", "CaK2", "K300", "300Kelvin", "v2.300K", "R300K"])
def test_what_only_looks_like_a_temperature_is_none(name):
    assert temperature(name) == "no temperature"


@pytest.mark.parametrize("name", ["300K", "test_300K", "md-300K-npt", "300.0 K", "run 300K"])
def test_temperatures_are_found_in_names(name):
    assert temperature(name) == "300 K"
