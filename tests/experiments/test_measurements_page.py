"""The page of measurements is what its script writes, and says of each result what it holds."""

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("make_measurements_page", ROOT / "docs" / "make_measurements_page.py")
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)

SIDE = {"parameters": 7, "epochs": 3, "seconds": 60.0, "errors": {"300 K": {"energy_rmse": 1.25, "force_rmse": 33.0}}}
ACCURACY = {
    "set": "3bpa", "minutes": 1.0, "threads": 2, "frames": {"train": 450, "valid": 50, "test 300 K": 136},
    "machine": "a machine", "sides": {"ours": SIDE, "theirs": {"failed": "not installed: make bench-peers"}},
}  # fmt: skip


def test_the_page_in_the_repository_is_what_the_script_writes():
    assert make.PAGE.read_text("utf-8") == make.page()


def test_errors_and_failures_of_every_side_are_shown(tmp_path):
    (tmp_path / "accuracy-3bpa.json").write_text(json.dumps(ACCURACY))
    text = make.page(tmp_path)
    assert "| ours | 7 | 3 | 1.0 | 1.25 &#124; 33.0 |" in text and "| theirs | not installed" in text


def test_packages_stand_beside_their_potential(tmp_path):
    package = {"cpu_seconds": {"trace": 3.0, "write": 1.5}, "bytes": 2_500_000, "agreement": {"forces": 6.1e-7}}
    times = {"potential": {"median": 10.0}, "aoti": {"median": 8.0}}
    found = {
        "command": "python benchmarks/export_speed.py", "machine": "a machine", "parameters": 7, "threads": 1,
        "export": {"aoti": package},
        "systems": {"27 atoms": {"milliseconds": times, "over the potential": {"aoti": {"median": 0.8}}}},
    }  # fmt: skip
    (tmp_path / "export_speed-here.json").write_text(json.dumps(found))
    text = make.page(tmp_path)
    assert "| potential |  |  |  | 10.0 |  |" in text and "| aoti | 4.5 | 2.5 | 6e-07 | 8.0 | 0.80 |" in text


def test_nothing_kept_nothing_said(tmp_path):
    assert make.page(tmp_path) == make.HEAD


def test_a_frame_is_shown_beside_the_bare_net(tmp_path):
    errors = {"clouds": 1e-6, "cube": 0.1}
    result = {
        "goal": {"over the bare net": {"median": 1.25}, "at most": 2.0, "met": True}, "points": 50, "command": "again",
        "clouds": {"goal": 10, "all sides": 5}, "machine": "a machine", "over the bare net": {"ours": {"median": 1.5}},
        "rotation error": {"ours": errors},
    }  # fmt: skip
    (tmp_path / "frames-here.json").write_text(json.dumps(result))
    text = make.page(tmp_path)
    assert "1.25 times (limit 2: met)" in text and "| ours | 1.50 | 1e-06 | 1e-01 |" in text
