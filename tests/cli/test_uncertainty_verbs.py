"""`intertwine committee`, `calibrate` and `evaluate --uncertainty`, from folders to a page."""

import json
import shutil

import pytest
from calling import call, refused

from intertwine.potentials.data.readers import read, write
from intertwine.potentials.fitting.recalled_data import recall_data


@pytest.fixture(scope="module")
def place(workplace, tmp_path_factory):
    """Two potentials of different seeds, their committee, and data in two halves."""
    folder = tmp_path_factory.mktemp("uncertainty")
    words = ["train", workplace / "config.yaml", "--quiet", "--out", folder / "run", "--seed", 7]
    assert call(*words).exit_code == 0
    shutil.copytree(workplace / "run/potential", folder / "a")
    shutil.copytree(folder / "run/potential", folder / "b")
    result = call("committee", folder / "a", folder / "b", "--out", folder / "both")
    assert result.exit_code == 0, (result.output, result.exception)
    graphs = read(workplace / "data.extxyz")
    write(folder / "train.extxyz", graphs[:4])
    write(folder / "valid.extxyz", graphs[4:])
    return folder


def test_a_committee_is_a_potential_for_every_verb(place):
    for words in (
        ["relax", place / "both", place / "valid.extxyz", "--steps", 2, "--out", place / "relaxed.extxyz"],
        ["evaluate", place / "both", place / "valid.extxyz"],
    ):
        result = call(*words, "--quiet")
        assert result.exit_code == 0, (result.output, result.exception)


@pytest.mark.parametrize("folder", ["a", "both"])
def test_calibrated_uncertainty_reaches_tables_files_and_page(place, tmp_path, folder):
    valid = place / "valid.extxyz"
    result = call("calibrate", place / folder, "--train", place / "train.extxyz", "--valid", valid, "--quiet")
    assert result.exit_code == 0, (result.output, result.exception)
    result = call(
        "evaluate", place / folder, valid, "--uncertainty", "--json", tmp_path / "e.json", "--quiet",
        "--predictions", tmp_path / "e.extxyz", *(["--report", tmp_path / "e.html"] if folder == "both" else []),
    )  # fmt: skip
    assert result.exit_code == 0, (result.output, result.exception)
    calibration = json.loads((tmp_path / "e.json").read_text())["total"]["calibration"]
    assert calibration["energy"]["scale" if folder == "a" else "ratio"] == pytest.approx(1.0, rel=1e-3)
    assert ("forces" in calibration) == (folder == "both")
    assert "predicted deviations" in result.stdout
    assert folder == "a" or "Uncertainty</h2>" in (tmp_path / "e.html").read_text()
    text = (tmp_path / "e.extxyz").read_text()
    assert "energy_deviation" in text and ("forces_deviation" in text) == (folder == "both")


def test_without_files_the_frames_of_the_training_are_read_again(place):
    result = call("calibrate", place / "run/potential", "--quiet")
    assert result.exit_code == 0, (result.output, result.exception)
    assert (place / "run/potential/uncertainty/checkpoint.json").is_file()
    data = recall_data(place / "run/potential", cutoff=4.5)
    assert (len(data.train), len(data.valid)) == (6, 2)


REFUSED = {
    "a committee of one": (["committee", "{}/a", "--out", "{}/c"], "at least two"),
    "a potential twice": (["committee", "{}/a", "{}/a", "--out", "{}/c"], "each of them once"),
    "a committee over a folder": (["committee", "{}/a", "{}/b", "--out", "{}/both"], "is there already"),
    "a committee of nothing": (["committee", "{}/a", "{}/nowhere", "--out", "{}/c"], "nowhere"),
    "no uncertainty": (["evaluate", "{}/b", "{}/valid.extxyz", "--uncertainty"], "intertwine calibrate"),
    "calibration without training frames": (["calibrate", "{}/b", "--valid", "{}/valid.extxyz"], "--train FILE"),
    "calibration of a committee on nothing": (["calibrate", "{}/both"], "--valid FILE"),
    "a head that is not there": (["evaluate", "{}/b", "{}/valid.extxyz", "--head", "r2scan"], "r2scan"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_one_line(case, place):
    words, expected = REFUSED[case]
    refused(call(*(word.replace("{}", str(place)) for word in words)), expected)
