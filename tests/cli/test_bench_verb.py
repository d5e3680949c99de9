"""`intertwine bench`: a row on its own side, and what it refuses. No time is asserted."""

import json

from calling import call, refused

from intertwine.experiments.bench import run
from intertwine.experiments.bench.rows import find_rows


def test_a_quick_row_prints_and_writes_its_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "GEMM", 64)
    monkeypatch.setattr(run, "COPY", 1024)
    result = call("bench", "E", "--quick", "--threads", 1, "--out", tmp_path / "results", "--quiet")
    assert result.exit_code == 0, result.output
    assert "CP product" in result.stdout and "load average" in result.stdout
    (kept,) = (tmp_path / "results").glob("E-*.json")
    numbers = json.loads(kept.read_text())
    assert numbers["quick"] and numbers["command"].startswith("intertwine bench E")
    assert {entry["which"] for entry in numbers["entries"]} == set(find_rows(["E"])[0].passes)


def test_a_row_that_does_not_exist_is_refused():
    refused(call("bench", "Z"), "no row 'Z'", "A, A', B, B', C, E")


def test_threads_are_numbers():
    refused(call("bench", "--threads", "two"), "--threads", "1,2")
