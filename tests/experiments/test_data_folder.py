from pathlib import Path

import pytest

from intertwine.cli.boundary import BAD_INPUT, exit_code, explain
from intertwine.experiments import graph_sets, shape_sets, three_bpa
from intertwine.experiments.apen import data as apen_data
from intertwine.experiments.catalog import EXPERIMENTS
from intertwine.experiments.data_folder import DataFolderError, locate, require
from intertwine.experiments.soft_equivariance import mocap

THREE_BPA = [f"3bpa/{stem}.xyz" for stem in ("train_300K", "iso_atoms", "test_300K", "test_600K", "test_1200K")]
SETS = {
    "three_bpa": (three_bpa.describe, THREE_BPA),
    "mocap": (mocap.describe, [str(mocap.RECORDINGS)]),
    "shapes": (shape_sets.describe_shapes, [str(shape_sets.FURNITURE)]),
    "graphs": (graph_sets.describe_graphs, [str(graph_sets.PAIRS), str(graph_sets.ALL_GRAPHS)]),
    "people": (apen_data.describe, [apen_data.FILES["people"]]),
    "scans": (apen_data.describe, [apen_data.FILES["scans"]]),
}


@pytest.mark.parametrize("name", SETS)
def test_the_folder_of_all_sets_and_the_set_itself_are_the_same(name, tmp_path):
    describe, files = SETS[name]
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    inner = (tmp_path / files[0]).parent
    words = [describe(data).replace(str(inner), "DATA").replace(str(tmp_path), "DATA") for data in (inner, tmp_path)]
    assert words[0] == words[1]
    (tmp_path / files[-1]).unlink()
    for data in (inner, tmp_path):
        with pytest.raises(DataFolderError, match=Path(files[-1]).stem):
            describe(data)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
@pytest.mark.parametrize("folder", [".", "nowhere"])
def test_every_experiment_refuses_a_folder_without_its_files_in_one_line(experiment, folder, tmp_path):
    with pytest.raises(ValueError, match="--data") as caught:
        experiment.run("smoke", data=tmp_path / folder, out=tmp_path)
    line = explain(caught.value)
    assert exit_code(caught.value) == BAD_INPUT and line == str(caught.value)
    assert str(tmp_path / folder) in line and "eave" in line
    assert ("no such folder" in line) == (folder == "nowhere" and experiment.name != "price-of-freedom")


def test_a_folder_inside_goes_before_a_file_beside_it(tmp_path):
    (tmp_path / "walls.npz").touch()
    assert locate(tmp_path, "rooms/walls.npz") == tmp_path / "walls.npz"
    (tmp_path / "rooms").mkdir()
    with pytest.raises(DataFolderError, match=r"expected rooms/walls\.npz; .* leave it out for boxes"):
        require(tmp_path, "rooms/walls.npz", without="boxes")
