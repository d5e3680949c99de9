"""The hostile corpus through the command line: exit code 3, one line on standard error, no traceback, no number."""

import pytest
from corpus import CASES, COPPER, WATER, Case
from typer.testing import CliRunner

from intertwine.cli.main import app
from intertwine.potentials.models.saved import build_potential, save_potential

HYPERPARAMETERS = {"species": [1, 8, 29], "cutoff": 3.0, "channels": 2, "edge_degree": 1, "correlation": 2}


@pytest.fixture(scope="module")
def potential(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "potential"
    made = build_potential("mace", HYPERPARAMETERS, {1: -13.6, 8: -2041.8, 29: -1000.0}, seed=0)
    return save_potential(folder, made)


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="intertwine")


def test_the_unspoilt_frames_are_evaluated(potential, tmp_path):
    (tmp_path / "good.extxyz").write_text(WATER + COPPER)
    done = call("evaluate", potential, tmp_path / "good.extxyz", "--quiet")
    assert done.exit_code == 0 and "force RMSE" in done.stdout


LABELLED = [case for case in CASES if "is missing" not in " ".join(case.expected)]
"""`evaluate` takes any labels there are."""


@pytest.mark.parametrize("case", LABELLED, ids=lambda case: case.name)
def test_evaluating_a_hostile_file_ends_with_code_3_and_one_line(case: Case, potential, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call("evaluate", potential, case.write(tmp_path), "--quiet")
    lines = done.stderr.splitlines()
    assert done.exit_code == 3, done.output
    assert len(lines) == 1 and lines[0].startswith("error: ")
    assert done.stdout == "" and "Traceback" not in done.output
    for words in case.expected:
        assert words in lines[0]
