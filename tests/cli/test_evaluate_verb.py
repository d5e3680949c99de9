"""`intertwine evaluate`: its tables, files and refusals, on the small potential of the workplace."""

import csv
import json

import numpy as np
import pytest
from ase.io import read as ase_read
from calling import call, refused

from intertwine.potentials.data.readers import read, write

POTENTIAL, DATA = "run/potential", "data.extxyz"


@pytest.fixture(scope="module")
def outcome(workplace, tmp_path_factory):
    """Every file that the verb writes, and what it printed."""
    folder = tmp_path_factory.mktemp("evaluate")
    result = call(
        "evaluate", workplace / POTENTIAL, workplace / DATA, "--json", folder / "e.json", "--csv", folder / "e.csv",
        "--report", folder / "e.html", "--predictions", folder / "e.extxyz", "--by", "group", "--by", "file", "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, (result.output, result.exception)
    return folder, result.stdout


def test_a_table_for_each_quantity_with_its_sets_and_their_total(outcome):
    _, printed = outcome
    for words in ("energy, meV/atom", "forces, meV/A", "stress, meV/A^3", "by file", "element", "cold", "hot", "total"):
        assert words in printed, words


def test_files_agree_with_one_another_and_with_the_frames(outcome):
    folder, _ = outcome
    numbers = json.loads((folder / "e.json").read_text())
    rows = list(csv.DictReader((folder / "e.csv").open()))
    frames = ase_read(folder / "e.extxyz", ":")
    error = np.concatenate([1000 * (frame.arrays["predicted_forces"] - frame.get_forces()) for frame in frames])
    rmse = np.sqrt((error**2).mean())
    assert numbers["total"]["force_rmse"] == pytest.approx(rmse, rel=1e-4)
    (total,) = [row for row in rows if row["by"] == "total" and row["quantity"] == "forces" and row["element"] == "all"]
    assert float(total["rmse"]) == numbers["total"]["force_rmse"]
    assert numbers["by"]["file"]["data"]["force_rmse"] == pytest.approx(numbers["total"]["force_rmse"])
    assert numbers["total"]["labelled"] == {"energy": 8, "forces": 8, "stress": 8}
    assert frames[0].info["predicted_stress"].shape == (3, 3) and "predicted_energies" in frames[0].arrays
    assert (folder / "e.html").read_text().lstrip().lower().startswith("<!doctype html")


def test_written_predictions_are_read_again_as_labelled_data(outcome, workplace):
    again, first = read(outcome[0] / "e.extxyz"), read(workplace / DATA)
    assert [graph.energy.item() for graph in again] == pytest.approx([graph.energy.item() for graph in first])
    assert [graph.groups for graph in again] == [graph.groups for graph in first]


def test_frames_that_lack_a_label_are_counted_beside_all(workplace, tmp_path):
    from dataclasses import replace

    graphs = read(workplace / DATA)
    write(tmp_path / "some.extxyz", [replace(graphs[0], forces=None), *graphs[1:4]])
    result = call("evaluate", workplace / POTENTIAL, tmp_path / "some.extxyz", "--by", "file", "--quiet")
    assert result.exit_code == 0, result.output
    assert "3 of 4" in result.stdout


def test_data_without_labels_are_predicted_and_not_judged(workplace, tmp_path):
    from dataclasses import replace

    bare = [replace(graph, energy=None, forces=None, stress=None) for graph in read(workplace / DATA)]
    write(tmp_path / "bare.extxyz", bare)
    words = ["evaluate", workplace / POTENTIAL, tmp_path / "bare.extxyz", "--quiet"]
    refused(call(*words), "bare.extxyz", "has energy, forces or stress")
    result = call(*words, "--predictions", tmp_path / "out.extxyz")
    assert result.exit_code == 0, result.output
    assert "no labels" in result.stdout and len(ase_read(tmp_path / "out.extxyz", ":")) == 8


REFUSED = {
    "by a key that is not there": (["--by", "phase"], "phase"),
    "predictions into another format": (["--predictions", "x.cif"], "x.cif"),
    "a table into no folder": (["--csv", "/nowhere/x.csv"], "/nowhere/x.csv"),
    "a page into no folder": (["--report", "/nowhere/x.html"], "/nowhere/x.html"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_said_in_a_line_before_anything_is_computed(case, workplace):
    words, expected = REFUSED[case]
    result = call("evaluate", workplace / POTENTIAL, workplace / DATA, "--quiet", *words)
    refused(result, expected)
    assert result.stdout == ""
