"""Workers, pipes and refusals, with sides that need numpy only; no time is asserted."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from intertwine.experiments.bench import peers
from intertwine.experiments.bench.cases import Case
from intertwine.experiments.bench.measure import Budget
from intertwine.experiments.bench.peers import NO_REPOSITORY, NOT_INSTALLED, find_side
from intertwine.experiments.bench.pipe import Worker, WorkerError, WorkerGone
from intertwine.experiments.bench.result import Limits, machine_slug
from intertwine.experiments.bench.row import NAME, BenchError, Row, Side
from intertwine.experiments.bench.rows import find_rows
from intertwine.experiments.bench.run import Options, run_row
from intertwine.experiments.bench.table import header, line, remarks

SCRIPT = """
import sys, time
import numpy as np

def start(threads):
    print("libraries may print")
    return {{"fake": "1.0"}}

def build(row, case, inputs):
    x, y = inputs["x"], inputs["y"]
    {trouble}
    def forward():
        return {{"z": factor * x[:, :1] * y}}
    def backward():
        return {{"z": factor * x[:, :1] * y, "gradient of x": slope * x}}
    return {{"forward": (forward, dict), "forward+backward": (backward, dict)}}
"""
RIGHT = "factor, slope = 1.0, 1.0"
TROUBLES = {
    "right": RIGHT,
    "wrong": "factor, slope = 1.01, 1.0",
    "wrong gradient": "factor, slope = 1.0, 1.01",
    "no backward": "factor, slope = 1.0, None",
    "slow": RIGHT + "; time.sleep(1e6)",
    "raises": RIGHT + "; raise ValueError('no such path')",
    "ends": "sys.exit('out of memory')",
}
LIMITS = {1: Limits(flops=1e11, bytes=1e10)}
OPTIONS = Options(threads=(1,), budget=Budget(3, 1e-5, 1.0), build_limit=600.0)
DATA = {"irreps_in1": "0e+1o", "irreps_in2": "1o", "irreps_out": "1o", "paths": [(0, 0, 0)], "batch": 5}


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A repository with a script for each kind of trouble; ours is the right one."""
    (tmp_path / "benchmarks" / "peers").mkdir(parents=True)
    for name, trouble in TROUBLES.items():
        (tmp_path / "benchmarks" / "peers" / f"{name}.py").write_text(SCRIPT.format(trouble=trouble))
    (tmp_path / ".peers" / "fake" / "bin").mkdir(parents=True)
    python = tmp_path / ".peers" / "fake" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(peers, "OURS", tmp_path / "benchmarks" / "peers" / "right.py")
    return tmp_path


def row(*names: str, environment: str = "fake", cases: tuple[Case, ...] = (Case("", 1, DATA),)) -> Row:
    sides = (Side(NAME), *(Side(name, environment, f"{name}.py") for name in names))
    return replace(find_rows(["A"])[0], sides=sides, goals=(), cases=lambda degrees: cases)


def run(root: Path, which: Row, **choices) -> dict:
    return json.loads(json.dumps(run_row(which, replace(OPTIONS, root=root, **choices), LIMITS).to_json()))


def test_sides_that_agree_are_timed(root):
    result = run(root, row("right"))
    assert [entry["which"] for entry in result["entries"]] == ["forward", "forward+backward"]
    for entry in result["entries"]:
        assert set(entry["seconds"]) == {NAME, "right"} and set(entry["ratios"]) == {"right"}
        assert max(entry["agreement"]["right"].values()) == 0.0
        assert entry["repeats"] == 3 and entry["clock"] == "cpu" and entry["notes"] == {}
        assert entry["paths"] == 1 and entry["fraction"] > 0
    assert result["versions"] == {NAME: {"fake": "1.0"}, "right": {"fake": "1.0"}}
    assert set(result["load"]) == {"start", "end"} and result["first_call"]


def test_a_side_that_differs_is_refused(root):
    result = run(root, row("wrong"))
    for entry in result["entries"]:
        assert set(entry["seconds"]) == {NAME} and entry["ratios"] == {}
        assert entry["notes"]["wrong"].startswith("refused: z differs by")


def test_a_wrong_gradient_refuses_the_passes_that_have_it(root):
    forward, backward = run(root, row("wrong gradient"))["entries"]
    assert "wrong gradient" in forward["ratios"]
    assert backward["notes"]["wrong gradient"].startswith("refused: gradient of x differs")


def test_a_pass_that_fails_leaves_the_others(root):
    forward, backward = run(root, row("no backward"))["entries"]
    assert "no backward" in forward["ratios"]
    assert backward["notes"]["no backward"].startswith("failed: TypeError")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("slow", "not timed: building L = 1 took more than 3 s"),
        ("raises", "failed: ValueError: no such path"),
        ("ends", "the worker ended with code 1: out of memory"),
    ],
)
def test_a_side_in_trouble_is_reported_and_the_others_go_on(root, name, words, monkeypatch):
    receive = Worker.receive

    def patient(worker, *, limit=600.0):  # with all but the slow one, on a busy machine too
        slow = str(root / "benchmarks" / "peers" / "slow.py") in worker.process.args
        return receive(worker, limit=limit if slow else 600.0)

    monkeypatch.setattr(Worker, "receive", patient)
    for entry in run(root, row(name, "right"), build_limit=3.0)["entries"]:
        assert words in entry["notes"][name]
        assert set(entry["ratios"]) == {"right"}


def test_a_missing_peer_is_a_line_of_its_own(root):
    which = row("right", environment="absent")
    result = run(root, which)
    assert all(entry["notes"] == {"right": NOT_INSTALLED} for entry in result["entries"])
    assert f"right: {NOT_INSTALLED}" in remarks(which, result)
    assert line(which, result["entries"][0])[header(which).index("right, x ours")] == "–"


def test_without_the_repository_only_our_side_runs(root):
    assert find_side(Side("e3nn", "torch", "e3nn_worker.py"), None) == NO_REPOSITORY
    result = run_row(row("right"), replace(OPTIONS, root=None), LIMITS)
    assert all(set(entry.seconds) == {NAME} for entry in result.entries)


def test_a_case_without_a_path_is_refused(root):
    dead = Case("SISO", 1, {**DATA, "paths": []})
    with pytest.raises(BenchError, match="SISO L = 1 has no live path"):
        run(root, row("right", cases=(dead,)))


def test_a_worker_that_fails_may_be_asked_again(root):
    with Worker(root / "benchmarks" / "peers" / "right.py", threads=1) as worker:
        assert worker.receive()["versions"] == {"fake": "1.0"}
        with pytest.raises(WorkerError, match="KeyError"):
            worker.ask({"do": "time", "pass": "forward", "calls": 1, "warm": False})
        with pytest.raises(WorkerError):
            worker.ask({"do": "build", "row": "A", "case": {}, "inputs": "/nowhere", "outputs": "", "run": []})
        assert worker.process.poll() is None


def test_a_worker_that_ended_says_so(root):
    with Worker(root / "benchmarks" / "peers" / "nowhere.py", threads=1) as worker:
        with pytest.raises(WorkerError, match="FileNotFoundError"):
            worker.receive()
        worker.process.kill()
        with pytest.raises(WorkerGone, match="ended"):
            worker.ask({"do": "time"})


def test_machines_make_file_names():
    assert machine_slug({"processor": "Intel(R) Xeon(R)", "cores": 2}) == "intel-r-xeon-r-2-cores"
