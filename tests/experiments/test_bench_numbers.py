"""The arithmetic of the benchmark: agreement, ratios, repeats, work, promises. Nothing is timed here."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

from intertwine.experiments import bench
from intertwine.experiments.bench.agreement import WORST, Disagreement, compare, difference
from intertwine.experiments.bench.cases import convolutions, full_products, gaunt_products
from intertwine.experiments.bench.inputs import draw_inputs
from intertwine.experiments.bench.judge import judge, judge_memory
from intertwine.experiments.bench.matching import DifferentSpan, change_of_basis
from intertwine.experiments.bench.measure import Budget, Spread, in_turns, ratios, slope
from intertwine.experiments.bench.row import BenchError
from intertwine.experiments.bench.rows import ROWS, find_rows
from intertwine.experiments.bench.work import work
from intertwine.o3.irreps import Irreps


@pytest.mark.parametrize("name", [found.name for found in pkgutil.iter_modules(bench.__path__)])
def test_examples_of_the_benchmark_run(name):
    if name not in ("serve", "torch_passes"):  # run by path
        assert doctest.testmod(importlib.import_module(f"{bench.__name__}.{name}")).failed == 0


def test_equal_arrays_agree_and_a_small_change_is_refused():
    ours = {"z": np.linspace(-1, 1, 100), "gradient of x": np.ones((3, 4))}
    theirs = {name: values * (1 + 1e-6) for name, values in ours.items()}
    assert max(compare(ours, theirs).values()) < WORST
    theirs["gradient of x"] = theirs["gradient of x"].copy()
    theirs["gradient of x"][1, 2] += 1e-3
    with pytest.raises(Disagreement, match=r"gradient of x differs by 5\.0e-04"):
        compare(ours, theirs)


def test_a_missing_gradient_is_refused():
    with pytest.raises(Disagreement, match=r"they give z$"):
        compare({"z": np.ones(3), "gradient of x": np.ones(3)}, {"z": np.ones(3)})


def test_not_a_number_and_other_shapes_never_agree():
    assert difference(np.ones(3), np.array([1.0, np.nan, 1.0])) == np.inf
    assert difference(np.ones((2, 3)), np.ones((3, 2))) == np.inf
    assert difference(np.zeros(3), np.ones(3)) == np.inf


def test_ratios_are_theirs_over_ours_round_by_round():
    # the machine slows down fivefold in the second round, which changes no ratio
    found = ratios({"ours": [1.0, 5.0, 1.0], "peer": [4.0, 20.0, 4.0]}, "ours")
    assert found == {"peer": Spread(4.0, 0.0)}


def test_sides_take_turns_and_the_slow_ones_get_fewer_calls():
    order: list[tuple[str, int]] = []

    def clock(name: str, seconds: float):
        def run(calls: int, warm: bool) -> dict[str, float]:
            order.append((name, calls))
            return {"wall": seconds, "cpu": 2 * seconds}

        return run

    sides = {"fast": clock("fast", 0.001), "slow": clock("slow", 0.5)}
    seconds, calls = in_turns(sides, "cpu", Budget(repeats=4, slice=0.01, total=1e9))
    assert calls == {"fast": 10, "slow": 1}
    assert seconds == {"fast": [0.002] * 4, "slow": [1.0] * 4}
    timed = order[2:]  # the first two were to find the numbers of calls
    assert [name for name, _ in timed] == ["fast", "slow", "slow", "fast"] * 2


def test_long_cases_get_fewer_rounds_but_never_fewer_than_three():
    budget = Budget(repeats=9, total=10.0)
    assert [budget.repeats_of(seconds) for seconds in (0.1, 2.0, 100.0)] == [9, 5, 3]
    assert Budget(repeats=1, total=10.0).repeats_of(100.0) == 1


def test_the_slope_of_a_power_is_its_exponent():
    assert slope([1, 2, 3, 4], [5 * L**2.5 for L in (1, 2, 3, 4)]) == pytest.approx(2.5)
    assert slope([3], [1.0]) is None


def test_every_case_of_the_products_has_a_live_path():
    cases = full_products(range(1, 5))
    assert all(case.data["paths"] for case in cases)
    assert [case.degree for case in cases if case.setting == "SISO"] == [2, 4]  # odd degrees have none
    assert [len(case.data["paths"]) for case in cases if case.setting == "MIMO"] == [5, 14, 30, 55]


def test_the_paths_of_the_convolution_are_those_of_the_goal_table():
    assert [len(case.data["paths"]) for case in convolutions((1, 2, 3))] == [10, 17, 23]


def test_work_of_the_full_product_counts_its_couplings():
    # 21 couplings and 16 products for L = 1, 162 and 81 for L = 2; z counts 13 and 58 numbers
    for case, entries, pairs, dims in zip(full_products((1, 2))[-2:], (21, 162), (16, 81), (4 + 4 + 13, 9 + 9 + 58)):
        found = work("A", case, "forward")
        assert (found.flops, found.bytes) == (1000 * (2 * entries + pairs), 4000 * dims)
        assert work("A", case, "forward+backward").flops == 3 * found.flops


def test_the_grid_needs_less_work_than_couplings_for_large_degrees():
    small, large = gaunt_products((1, 10))
    assert work("A'", small, "forward").flops < 1000 * 100
    assert work("A'", large, "forward").flops < work("A", large, "forward").flops


def test_inputs_have_the_shapes_that_workers_expect():
    (case,) = convolutions((1,))
    case.data.update(edges=20, nodes=5, channels=2)
    found = draw_inputs("B'", case)
    assert found["x"].shape == (5, 4, 2) and found["filter"].shape == (20, 16)
    assert found["layer3"].shape == (64, len(case.data["paths"]) * 2)
    assert found["cotangent"].shape == (5, Irreps(case.data["irreps_out"]).dim, 2)
    assert all(values.dtype in (np.float32, np.int64) for values in found.values())
    assert (np.diff(found["receivers"]) >= 0).all()


def test_two_bases_of_one_space_are_matched():
    draw = np.random.default_rng(0)
    ours = draw.standard_normal((3, 20, 4))
    theirs = np.einsum("qp,psd->qsd", draw.standard_normal((5, 3)), ours)  # redundant
    matrix, weight = change_of_basis(theirs, ours), draw.standard_normal(3)
    np.testing.assert_allclose(
        np.einsum("q,qsd->sd", matrix @ weight, theirs), np.einsum("p,psd->sd", weight, ours), atol=1e-12
    )


def test_a_side_with_fewer_or_more_couplings_is_refused():
    ours = np.random.default_rng(0).standard_normal((3, 20, 4))
    with pytest.raises(DifferentSpan, match="cannot write"):
        change_of_basis(ours[:2], ours)
    more = np.concatenate([ours, np.random.default_rng(1).standard_normal((1, 20, 4))])
    with pytest.raises(DifferentSpan, match="4 independent couplings, ours 3"):
        change_of_basis(more, ours)


def entry(**ratio_by_peer: float) -> dict:
    numbers = {name.replace("_", "-"): {"median": value, "spread": 0.0} for name, value in ratio_by_peer.items()}
    return {
        "which": "forward",
        "degree": 2,
        "ratios": numbers,
        "notes": {"cuequivariance": "not installed"},
        "fraction": None,
    }


def test_promises_are_held_against_the_fastest_peer():
    (row,) = find_rows(["B"])
    (found,) = judge(row, entry(e3nn=50.0, cuequivariance=20.0))
    assert (found.measured, found.words, found.met) == (20.0, "missed by 1.50 x", False)
    (found,) = judge(row, entry(e3nn=30.0, cuequivariance=31.0))
    assert found.met


def test_a_missing_peer_is_named_in_the_judgement():
    (row,) = find_rows(["B"])
    (found,) = judge(row, entry(e3nn=50.0))
    assert found.words == "met, without cuequivariance"
    (found,) = judge(row, {**entry(), "notes": {"e3nn": "not installed: make bench-peers"}})
    assert (found.measured, found.words) == (None, "not measured: not installed: make bench-peers")


def test_promises_depend_on_the_degree():
    (row,) = find_rows(["A'"])
    times = [[each.promise for each in judge(row, {**entry(), "degree": degree})] for degree in (4, 5)]
    assert times[0][0].startswith("5 x grid in JAX") and times[1][0].startswith("2 x grid in JAX")


def test_memory_is_a_fraction_of_the_peer():
    (row,) = find_rows(["B"])
    (found,) = judge_memory(row, {"bytes": {"intertwine": 100, "e3nn": 400}, "notes": {}})
    assert (found.measured, found.words) == (4.0, "missed by 1.25 x")
    (found,) = judge_memory(row, {"bytes": {"intertwine": 100}, "notes": {"e3nn": "not installed"}})
    assert found.words == "not measured: not installed"


def test_rows_are_found_by_their_letters():
    assert find_rows([]) == ROWS
    assert [row.key for row in find_rows(["a", "Ap", "B'"])] == ["A", "A'", "B'"]
    with pytest.raises(BenchError, match="no row 'Z'"):
        find_rows(["Z"])


def test_every_goal_names_a_side_of_its_row():
    for row in ROWS:
        names = {side.name for side in row.sides}
        assert all(set(goal.peers) <= names and set(goal.times) <= set(row.passes) for goal in row.goals)
