"""`intertwine compress` on a small trained potential, and on what it must refuse."""

import re

from calling import call, refused

from intertwine.potentials.models.saved import load


def test_compress_tells_fit_size_and_errors_and_writes_a_potential(workplace, tmp_path):
    words = ["--data", workplace / "data.extxyz", "--quiet"]
    result = call("compress", workplace / "run/potential", tmp_path / "small", *words)
    assert result.exit_code == 0, result.output
    before, after = re.search(r"parameters +(\d+)  ->  (\d+)", result.stdout).groups()
    small, large = load(tmp_path / "small"), load(workplace / "run/potential")
    assert [sum(each.numel() for each in one.parameters()) for one in (large, small)] == [int(before), int(after)]
    assert result.stdout.count("R2 ") >= 2
    assert "cold" in result.stdout and "forces, meV/A" in result.stdout
    again = call("evaluate", tmp_path / "small", workplace / "data.extxyz", "--quiet")
    assert again.exit_code == 0, again.output


def test_a_goal_that_is_not_reached_is_said(workplace, tmp_path):
    result = call("compress", workplace / "run/potential", tmp_path / "small", "--r2", 1)
    assert result.exit_code == 0, result.output
    assert "R2 stays below 100 %" in result.stdout and "RMSE" not in result.stdout


def test_bad_input_is_one_line_and_code_3(workplace, tmp_path):
    potential = workplace / "run/potential"
    refused(call("compress", potential, workplace), "is there already")
    refused(call("compress", tmp_path / "nowhere", tmp_path / "out"), "no such checkpoint folder")
    refused(call("compress", potential, tmp_path / "out", "--data", "nowhere.extxyz"), "nowhere.extxyz")
    assert call("compress", potential, tmp_path / "once", "--waves", 3).exit_code == 0
    refused(call("compress", tmp_path / "once", tmp_path / "twice"), "nothing to compress")
    assert not (tmp_path / "out").exists() and not (tmp_path / "twice").exists()
