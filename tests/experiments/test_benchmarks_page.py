"""The page of the benchmark is written by a script, from kept results only."""

import importlib.util
import json
from pathlib import Path

from intertwine.experiments.bench.rows import find_rows

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("make_benchmarks_page", ROOT / "docs" / "make_benchmarks_page.py")
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)


def result(ratio: float, **changes) -> dict:
    one = {"median": 1e-3, "spread": 1e-5}
    entry = {
        "case": "L = 1", "setting": "", "degree": 1, "which": "forward", "threads": 1, "clock": "cpu", "paths": 10,
        "repeats": 5, "seconds": {"intertwine": one, "e3nn": one}, "calls": {}, "flops": 1, "bytes": 1,
        "ratios": {"e3nn": {"median": ratio, "spread": 0.5}}, "notes": {"cuequivariance": "not installed"},
        "agreement": {"e3nn": {"z": 1e-6}}, "fraction": 0.25,
    }  # fmt: skip
    return {
        "row": "B", "machine": {"processor": "Test", "cores": 2}, "command": "intertwine bench B", "entries": [entry],
        "started": "2026-01-01T00:00:00+00:00", "versions": {"e3nn": {"e3nn": "0.6.0"}}, "memory": [], "slopes": {},
        "first_call": {}, "limits": {"1": {"flops": 1e11, "bytes": 3e10}}, "load": {"start": 0.1, "end": 0.2},
        "quick": False, **changes,
    }  # fmt: skip


def test_goals_stand_beside_what_was_measured(tmp_path):
    (tmp_path / "B-test.json").write_text(json.dumps(result(15.0)))
    page = make.page(tmp_path)
    assert "30 x e3nn and cuequivariance: missed by 2.00 x, without cuequivariance" in page
    assert "| L = 1 | forward | 1 (cpu) | 1 ± 0.01 | 15 ± 0.5 | – | 25 % |" in page
    assert "0 of 1 goals met. 2 cores of Test, 2026-01-01" in page
    assert "- cuequivariance: not installed" in page


def test_quick_runs_are_no_results(tmp_path):
    (tmp_path / "B-test.json").write_text(json.dumps(result(15.0, quick=True)))
    assert make.kept(find_rows(["B"])[0], tmp_path) == []


def test_a_row_and_its_primed_sister_are_not_mixed_up(tmp_path):
    (tmp_path / "B-prime-test.json").write_text(json.dumps(result(15.0, row="B'")))
    assert make.kept(find_rows(["B"])[0], tmp_path) == []
    assert len(make.kept(find_rows(["B'"])[0], tmp_path)) == 1


def test_the_page_in_the_repository_is_what_the_script_writes():
    assert make.PAGE.read_text("utf-8") == make.page()
