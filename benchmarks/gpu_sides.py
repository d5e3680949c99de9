"""The sides of rows B and C on a GPU, in this process: built on the same inputs, and held against ours."""

import importlib
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from intertwine.experiments.bench import ours
from intertwine.experiments.bench.agreement import compare
from intertwine.experiments.bench.cases import Case
from intertwine.experiments.bench.inputs import draw_inputs
from intertwine.experiments.bench.matching import change_of_basis
from intertwine.experiments.bench.row import NAME
from intertwine.experiments.bench.rows import find_rows

PEERS, PASSES = Path(__file__).with_name("peers"), Path(ours.__file__).parent
CUE, OEQ = "cuequivariance_worker", "openequivariance_worker"
SIDES = {
    "B": {
        NAME: ("", ""), f"{NAME}, atomic": ("", "atomic"), "e3nn": ("e3nn_worker", ""), "cuequivariance": (CUE, ""),
        "OpenEquivariance": (OEQ, ""), "OpenEquivariance, atomic": (OEQ, "atomic"),
    },
    "C": {NAME: ("", ""), "mace": ("mace_worker", ""), "cuequivariance": (CUE, "")},
}  # fmt: skip
"""By row the sides, each with its script (none for ours) and variant."""
NEEDS = {"e3nn_worker": "e3nn", CUE: "cuequivariance_ops_torch", OEQ: "openequivariance", "mace_worker": "mace"}
BUILDERS = {"B": "convolution", "C": "contraction"}
Passes = dict[str, tuple[Callable[[], Any], Callable[[Any], dict[str, np.ndarray]]]]


def script_of(name: str) -> Any:
    """A side's script; ImportError where its library is not here. cuequivariance without its kernels would be slow."""
    if not name:
        return ours
    if find_spec(NEEDS[name]) is None:
        raise ImportError(f"not installed: {NEEDS[name]}")
    sys.path += [path for path in (str(PASSES), str(PEERS)) if path not in sys.path]
    return importlib.import_module(name)


def weights_of(case: Case, bases: Mapping[str, np.ndarray], side: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights of row C with which a side computes our polynomial, and the matrix that makes them from ours."""
    count = len(bases[NAME])
    size = (case.data["elements"], count, case.data["channels"])
    matrix = np.eye(count) if side == NAME else change_of_basis(bases[side], bases[NAME])
    weight = np.random.default_rng(2).standard_normal(size) / count**0.5
    return np.einsum("qp,epc->eqc", matrix, weight).astype(np.float32), matrix


def basis(script: Any, case: Case) -> np.ndarray:
    """What every weight of row C does, on the CPU, where cuequivariance has one method."""
    if hasattr(script, "METHOD"):
        script.METHOD = "naive"
    samples = np.random.default_rng(1).standard_normal((300, draw_inputs("C", case)["x"].shape[1]))
    passes = script.contraction_basis({**case.data, "variant": ""}, {"samples": torch.from_numpy(samples)})
    run, export = passes["basis"]
    return export(run())["basis"]


def build(row: str, case: Case, device: str) -> tuple[dict[str, Passes], dict[str, str]]:
    """The passes of every side that is here and agrees with ours, and why others are not there."""
    shared, found, notes, bases = draw_inputs(row, case), {}, {}, {}
    expected: dict[str, dict[str, np.ndarray]] = {}
    left_out = {side.name: side.left_out for side in find_rows([row])[0].sides if not side.covers(case)}
    for side, (name, variant) in SIDES[row].items():
        if side in left_out:
            notes[side] = f"not run: {left_out[side]}"
            continue
        try:
            script, inputs, matrix = script_of(name), dict(shared), None
            if row == "C":
                bases[side] = basis(script, case)
                inputs["weight"], matrix = weights_of(case, bases, side)
            if name == CUE and device != "cpu":
                script.METHOD = "uniform_1d"
            tensors = {key: torch.from_numpy(values.copy()).to(device) for key, values in inputs.items()}
            passes = getattr(script, BUILDERS[row])({**case.data, "variant": variant}, tensors)
        except Exception as error:  # the other sides may still be timed
            notes[side] = words_of(error)
            continue
        found[side] = {}
        for which, (run, export) in passes.items():
            try:
                arrays = export(run())
                if matrix is not None and "gradient of weight" in arrays:
                    arrays["gradient of weight"] = np.einsum("qp,eqc->epc", matrix, arrays["gradient of weight"])
                compare(expected.setdefault(which, arrays) if side == NAME else expected[which], arrays)
                found[side][which] = (run, export)
            except Exception as error:  # so may the other passes
                notes[f"{side}, {which}"] = words_of(error)
    return found, notes


def words_of(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
