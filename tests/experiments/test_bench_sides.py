"""Our side of every row and e3nn's, in this process and at small sizes: the same outputs and gradients."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from intertwine.experiments.bench import ours
from intertwine.experiments.bench.agreement import Disagreement, compare
from intertwine.experiments.bench.cases import (
    Case,
    contractions,
    convolutions,
    decompositions,
    full_products,
    gaunt_products,
)
from intertwine.experiments.bench.inputs import draw_inputs
from intertwine.experiments.bench.matching import DifferentSpan, change_of_basis
from intertwine.experiments.bench.operations import edge_convolutions, interactions, many_body
from intertwine.experiments.bench.rows import ROWS, find_rows

BENCH = Path(ours.__file__).parent
PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"
SMALL = {"batch": 6, "edges": 12, "nodes": 5, "channels": 3, "elements": 2, "correlation": 2}


@pytest.fixture
def e3nn_worker(monkeypatch):
    """The script, loaded as `serve` does, which puts the shared passes on the path."""
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    spec = importlib.util.spec_from_file_location("e3nn_worker", PEERS / "e3nn_worker.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("torch_passes", None)


def small(case: Case, variant: str = "") -> Case:
    data = {**case.data, **{name: size for name, size in SMALL.items() if name in case.data}, "variant": variant}
    return Case(case.setting, case.degree, data | ({"hidden": [4, 4]} if "hidden" in data else {}))


def gives(script, row: str, case: Case, inputs: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    copies = {name: values.copy() for name, values in inputs.items()}
    return {name: export(run()) for name, (run, export) in script.build(row, case.data, copies).items()}


CASES = {
    "A": full_products((1, 2))[-1],
    "A'": gaunt_products((2,))[0],
    "B": convolutions((1,))[0],
    "B'": convolutions((1,))[0],
    "E": decompositions((2,))[0],
    "G1": interactions((2,))[0],
    "G2": edge_convolutions((2,))[0],
}


@pytest.mark.parametrize("row", ["A", "B", "B'", "G1", "G2"])
def test_e3nn_gives_what_we_give(row, e3nn_worker):
    case = small(CASES[row])
    inputs = draw_inputs(row, case)
    we, they = gives(ours, row, case, inputs), gives(e3nn_worker, row, case, inputs)
    we.pop("inference", None)
    for name, arrays in we.items():
        compare(arrays, they[name])
    assert set(we) >= {"forward", "forward+backward"} | ({"two derivatives"} if row == "B" else set())


@pytest.mark.parametrize("row", ["G1", "G2"])
def test_couplings_give_what_functions_give(row):
    case = small(CASES[row])
    inputs = draw_inputs(row, case)
    coupled = gives(ours, row, small(CASES[row], "coupled"), inputs)
    for name, arrays in gives(ours, row, case, inputs).items():
        compare(arrays, coupled[name])
    if row == "G2":
        for name, arrays in gives(ours, row, small(CASES[row], "aligned"), inputs).items():
            compare(arrays, coupled[name])
    with pytest.raises(Disagreement):
        factor = inputs["factor"][::-1].copy()
        compare(
            coupled["forward"], gives(ours, row, small(CASES[row], "coupled"), {**inputs, "factor": factor})["forward"]
        )


def test_couplings_can_write_every_many_body_product_of_functions():
    case, coupled = (small(many_body((2,))[1], variant) for variant in ("", "coupled"))
    samples = {"samples": np.random.default_rng(1).standard_normal((300, 9)).astype(np.float32)}
    few, many = (gives(ours, "G3 basis", each, samples)["basis"]["basis"] for each in (case, coupled))
    matrix = change_of_basis(many, few, wider=True)
    with pytest.raises(DifferentSpan):
        change_of_basis(few, many, wider=True)
    inputs, weight = draw_inputs("G3", case), np.random.default_rng(2).standard_normal((2, len(few), 3))
    we = gives(ours, "G3", case, {**inputs, "weight": weight.astype(np.float32)})
    theirs = np.einsum("qp,epc->eqc", matrix, weight).astype(np.float32)
    they = gives(ours, "G3", coupled, {**inputs, "weight": theirs})
    slope = they["forward+backward"]["gradient of weight"]
    they["forward+backward"]["gradient of weight"] = np.einsum("qp,eqc->epc", matrix, slope)
    for name, arrays in we.items():
        compare(arrays, they[name])


def test_another_filter_is_noticed(e3nn_worker):
    case = small(CASES["B"])
    inputs = draw_inputs("B", case)
    they = gives(e3nn_worker, "B", case, {**inputs, "filter": inputs["filter"][:, ::-1].copy()})
    with pytest.raises(Disagreement):
        compare(gives(ours, "B", case, inputs)["two derivatives"], they["two derivatives"])


def test_both_forms_of_the_gaunt_product_agree():
    grid, fourier = small(CASES["A'"]), small(CASES["A'"], "fourier")
    inputs = draw_inputs("A'", grid)
    for name, arrays in gives(ours, "A'", grid, inputs).items():
        compare(arrays, gives(ours, "A'", fourier, inputs)[name])


@pytest.mark.parametrize("degree", [2, 5])
def test_the_cp_product_runs_with_shipped_and_with_random_factors(degree):
    case = small(decompositions((degree,))[0])
    found = gives(ours, "E", case, draw_inputs("E", case))
    assert found["forward"]["z"].shape == (6, (degree + 1) ** 2)


def test_a_contraction_and_its_basis_are_the_same_map():
    case = small(contractions((1,))[0])
    inputs = draw_inputs("C", case)
    samples = inputs["x"][:, :, 0]
    basis = gives(ours, "C basis", case, {"samples": samples})["basis"]["basis"]
    weight = np.random.default_rng(0).standard_normal((2, len(basis), 3)).astype(np.float32)
    found = gives(ours, "C", case, {**inputs, "weight": weight})
    expected = np.einsum("np,pnd->nd", weight[inputs["element"], :, 0], basis)
    np.testing.assert_allclose(found["forward"]["z"][:, :, 0], expected, rtol=1e-4, atol=1e-5)
    assert set(found["two derivatives"]) == {"gradient of x", "gradient of weight"}
    np.testing.assert_allclose(change_of_basis(2 * basis, basis), np.eye(len(basis)) / 2, atol=1e-6)


def test_every_row_has_a_builder_and_every_script_is_there():
    for row in ROWS:
        assert row.key in ours.BUILDERS
        for side in row.sides:
            assert not side.script or (PEERS / side.script).is_file()


def test_the_two_derivatives_are_those_of_the_formula():
    case = small(CASES["B"])
    inputs = draw_inputs("B", case)
    found = gives(ours, "B", case, inputs)["two derivatives"]["gradient of weight"]

    def total(weight: torch.Tensor) -> torch.Tensor:
        data = {name: torch.from_numpy(values) for name, values in inputs.items()}
        layer, x, filters, edges = ours._convolution(case.data, data)
        layer, x, filters = layer.double(), x.double(), filters.double().requires_grad_()
        energy = (data["cotangent"].double() * layer(x, filters, weight, *edges).square()).sum() / 2
        (slope,) = torch.autograd.grad(energy, filters, create_graph=True)
        return slope.square().sum() + energy

    weight = torch.from_numpy(inputs["weight"]).double()
    step = torch.zeros_like(weight)
    step[3, 2, 1] = 1e-4
    slope = (total(weight + step) - total(weight - step)) / 2e-4
    assert float(slope) == pytest.approx(found[3, 2, 1], rel=1e-3, abs=1e-3)


def test_kernels_are_recorded(monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    monkeypatch.setattr(torch, "set_num_interop_threads", lambda threads: None)
    assert ours.start(1)["kernels"]
    assert find_rows(["A"])[0].sides[0].script == ""
