"""benchmarks/gpu.py where there is no GPU: what it says, and its parts on the CPU at small sizes."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from intertwine.experiments.bench import ours
from intertwine.experiments.bench.cases import Case, contractions, convolutions
from intertwine.experiments.bench.row import NAME
from intertwine.experiments.bench.rows import find_rows

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SMALL = {"edges": 12, "nodes": 5, "channels": 3, "elements": 2, "correlation": 2}
SCRIPTS = ("gpu", "gpu_sides", "e3nn_worker", "torch_passes")


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield importlib.import_module("gpu")
    for name in SCRIPTS:
        sys.modules.pop(name, None)


def small(case):
    return Case(case.setting, case.degree, case.data | {k: size for k, size in SMALL.items() if k in case.data})


def test_without_a_gpu_it_says_so_in_one_line(gpu, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 3
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "NVIDIA GPU" in said


def test_sides_that_are_here_agree_and_the_others_are_named(gpu):
    found, notes = gpu.build("B", small(convolutions((1,))[0]), "cpu")
    assert set(found) == {NAME, f"{NAME}, atomic", "e3nn"}
    assert all(list(passes) == ["forward", "forward+backward", "two derivatives"] for passes in found.values())
    for name in ("cuequivariance", "OpenEquivariance", "OpenEquivariance, atomic"):
        assert "not installed" in notes[name]


def test_contractions_have_weights_of_one_polynomial(gpu):
    found, notes = gpu.build("C", small(contractions((1,))[0]), "cpu")
    assert set(found[NAME]) == set(find_rows(["C"])[0].passes)
    assert set(notes) == {"mace", "cuequivariance"}


def test_a_side_that_computes_something_else_is_not_timed(gpu, monkeypatch):
    def convolution(case, inputs):
        passes = ours.convolution(case, inputs | {"weight": inputs["weight"] * 1.001})
        return {name: passes[name] for name in ("forward", "two derivatives")} | {"unknown": (lambda: 1 / 0, None)}

    sides = sys.modules["gpu_sides"]
    monkeypatch.setattr(sides, "script_of", lambda name: SimpleNamespace(convolution=convolution) if name else ours)
    found, notes = sides.build("B", small(convolutions((1,))[0]), "cpu")
    assert found["e3nn"] == {}
    assert "z differs by" in notes["e3nn, forward"] and "ZeroDivisionError" in notes["e3nn, unknown"]


def test_times_are_taken_in_turns_and_compared(gpu):
    asked = []

    def clock(run, calls, warm):
        asked.append(run())
        return {"wall": {"mine": 0.5, "theirs": 1.0}[run()]}

    sides = {NAME: {"forward": (lambda: "mine", None)}, "e3nn": {"forward": (lambda: "theirs", None)}, "other": {}}
    found = gpu.measure(sides, "forward", clock, repeats=3)
    assert found["ratios"] == {"e3nn": {"median": 2.0, "spread": 0.0}}
    assert asked == ["mine", "theirs", "mine", "theirs", "theirs", "mine", "mine", "theirs"]
    assert gpu.words(found) == "intertwine 500.000 ms, e3nn 1000.000 ms (2.00x ours)"


def test_what_numbers_depend_on_is_written_down(gpu):
    found = gpu.about()
    assert {"cores", "accelerator"} <= set(found["machine"]) and found["versions"]["torch"] == torch.__version__
    assert found["dtype"] == "float32" and found["versions"]["triton"]
