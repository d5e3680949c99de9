"""A fleet loses nothing: workers that die, runs that are stopped, structures that cannot be computed."""

import json
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from intertwine.potentials.simulation.crew import RayCrew
from intertwine.potentials.simulation.fleet import run_fleet
from intertwine.potentials.simulation.ledger import Ledger
from intertwine.potentials.structures.graph import GraphError


def prepare(folder: str, dies_once: list[int], dies_always: list[int], fails: list[int]):
    """A task that notes every attempt, and kills its worker where it is told to."""

    def task(indices: list[int]) -> list[dict]:
        outcomes = []
        for index in indices:
            note = Path(folder) / f"{index}.txt"
            attempts = len(note.read_text()) if note.exists() else 0
            note.write_text("x" * (attempts + 1))
            if index in dies_always or (index in dies_once and attempts == 0):
                os.kill(os.getpid(), signal.SIGKILL)
            if index in fails:
                raise GraphError(f"structure {index} is bad")
            outcomes.append({"square": index**2})
        return outcomes

    return task


def attempts(folder: Path, index: int) -> int:
    return len((folder / f"{index}.txt").read_text())


def test_dead_workers_are_replaced_and_their_work_is_done_by_others(tmp_path):
    seen = []
    outcomes = run_fleet(
        prepare, (str(tmp_path), [3], [1], [4]), 6, ledger=tmp_path / "ledger.jsonl", about={"what": "squares"},
        unit=2, workers=2, tries=2, progress=lambda text, done, total: seen.append(done),
    )  # fmt: skip
    for index in (0, 2, 3, 5):
        assert outcomes[index] == {"square": index**2}
    assert "worker died 2 times" in outcomes[1]["failed"]
    assert outcomes[4]["failed"] == "structure 4 is bad"
    assert attempts(tmp_path, 1) == 3  # in its unit, and twice alone
    assert seen[-1] == 6


def test_actors_of_ray_are_replaced_too(tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # at ray's 15 they would starve on a busy machine
    arguments, choices = (str(tmp_path), [1], [], [2]), {"about": {"what": "squares"}, "workers": 1}
    outcomes = run_fleet(prepare, arguments, 3, ledger=tmp_path / "ledger.jsonl", engine="ray", **choices)
    assert outcomes == [{"square": 0}, {"square": 1}, {"failed": "structure 2 is bad"}]
    assert attempts(tmp_path, 1) == 2
    assert not ray.is_initialized()  # what was started here is shut down


def test_a_cluster_that_is_there_is_not_told_how_many_processors_it_has(monkeypatch):
    seen = []

    def init(**choices):
        if "num_cpus" in choices:
            raise ValueError("When connecting to an existing cluster, num_cpus and num_gpus must not be provided.")
        seen.append(choices)

    actor = SimpleNamespace(remote=lambda *arguments: object())
    ray = SimpleNamespace(init=init, is_initialized=lambda: False, remote=lambda **choices: lambda kind: actor)
    monkeypatch.setitem(sys.modules, "ray", ray)
    assert RayCrew(prepare, (), workers=3).free() == 3
    assert len(seen) == 1 and seen[0]["log_to_driver"] is False


class Stop(Exception):
    pass


def test_a_stopped_run_goes_on_where_it_was_and_does_nothing_twice(tmp_path):
    def stopping(text, done, total):
        if done == 3:
            raise Stop

    choices = {"ledger": tmp_path / "ledger.jsonl", "about": {"what": "squares"}, "workers": 1}
    arguments = (str(tmp_path), [], [], [])
    with pytest.raises(Stop):
        run_fleet(prepare, arguments, 6, progress=stopping, **choices)
    lines = (tmp_path / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    (tmp_path / "ledger.jsonl").write_bytes(b"".join(lines[:-1]) + lines[-1][:-5])  # cut short by a crash
    outcomes = run_fleet(prepare, arguments, 6, **choices)
    assert outcomes == [{"square": index**2} for index in range(6)]
    assert [attempts(tmp_path, index) for index in range(6)] == [1, 1, 2, 1, 1, 1]
    assert run_fleet(prepare, arguments, 6, **choices) == outcomes  # without any worker
    with pytest.raises(GraphError, match="what squares"):
        run_fleet(prepare, arguments, 6, ledger=choices["ledger"], about={"what": "cubes"})


@pytest.mark.parametrize("text", ["no json\n", '{"format": "other"}\n', "[]\n", '{"format": 1}\n{"index": 0}\n'])
def test_a_file_that_is_no_ledger_is_refused(text, tmp_path):
    (tmp_path / "ledger.jsonl").write_text(text)
    with pytest.raises(GraphError, match="ledger"):
        Ledger(tmp_path / "ledger.jsonl", {})
    assert (tmp_path / "ledger.jsonl").read_text() == text


def test_the_ledger_is_lines_of_json(tmp_path):
    book = Ledger(tmp_path / "ledger.jsonl", {"what": "x"})
    book.record(3, {"energy": 1.5})
    book.close()
    lines = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert lines[1] == {"index": 3, "outcome": {"energy": 1.5}}
