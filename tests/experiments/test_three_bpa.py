from itertools import pairwise
from pathlib import Path

import pytest

from intertwine.experiments import three_bpa
from intertwine.experiments.data_folder import DataFolderError
from intertwine.potentials.data.readers import read, write
from intertwine.potentials.structures.graph import GraphError


@pytest.fixture(scope="module")
def frames():
    return {graph.groups[0]: graph for graph in read(three_bpa.SHIPPED)}, [
        graph for graph in read(three_bpa.SHIPPED) if graph.groups == ("isolated_atom",)
    ]


def fill(folder: Path, frames, stem: str, ending: str = ".extxyz.xz", isolated: str = "isolated_atoms") -> Path:
    sets, atoms = frames
    write(folder / f"train_300K{ending}", [sets["train_300K"]] * 3)
    write(folder / f"{isolated}{ending}", atoms)
    for kelvin in (300, 600, 1200):
        write(folder / f"{stem}_{kelvin}K{ending}", [sets[f"test_{kelvin}K"]] * 2)
    return folder


def test_the_shipped_set_is_called_a_stand_in_and_thinned_evenly():
    assert three_bpa.describe(None).startswith("Stand-in data: ")
    sets = three_bpa.load(None, frames=10, test_frames=4)
    assert len(sets.train) == 10 and len(sets.isolated) == 4
    assert [graph.groups[0] for graph in sets.tests] == ["300 K"] * 4 + ["600 K"] * 4 + ["1200 K"] * 4
    places = [graph.sources[0].frame for graph in sets.train]
    assert {b - a for a, b in pairwise(places)} == {50}


def test_held_out_blocks_are_never_called_the_published_test_sets(tmp_path, frames):
    fill(tmp_path, frames, "heldout")
    assert "held-out blocks of the mixed-T file, which are not the published test sets" in three_bpa.describe(tmp_path)
    assert len(three_bpa.load(tmp_path).tests) == 6


def test_the_published_file_names_are_found(tmp_path, frames):
    fill(tmp_path, frames, "test", ending=".xyz", isolated="iso_atoms")
    assert three_bpa.describe(tmp_path).endswith("tested on the published test sets.")
    assert len(three_bpa.load(tmp_path, frames=2).train) == 2


@pytest.mark.parametrize("missing", ["train_300K", "isolated_atoms", "heldout_600K"])
def test_a_folder_with_a_missing_file_gives_one_line(tmp_path, frames, missing):
    (fill(tmp_path, frames, "heldout") / f"{missing}.extxyz.xz").unlink()
    with pytest.raises(DataFolderError, match=missing) as caught:
        three_bpa.describe(tmp_path)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_path_that_is_no_folder_gives_one_line(tmp_path):
    with pytest.raises(DataFolderError, match="no such folder") as caught:
        three_bpa.describe(tmp_path / "nowhere")
    assert "\n" not in str(caught.value)


def test_a_damaged_file_names_itself(tmp_path, frames):
    damaged = fill(tmp_path, frames, "heldout") / "heldout_600K.extxyz.xz"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    with pytest.raises(GraphError, match="heldout_600K"):
        three_bpa.load(tmp_path)
