from dataclasses import replace

import pytest

from intertwine.experiments.gaunt.numbers import (
    OURS,
    PAPER_ERRORS,
    Trained,
    compare,
    cost_table,
    error_table,
    judge,
)
from intertwine.experiments.outcome import Measured, Number
from intertwine.experiments.timing import Quartiles
from intertwine.experiments.verdict import Verdict, together

YES, NO, OPEN = Verdict.reproduced, Verdict.not_reproduced, Verdict.not_decided
FASTER, SLOWER, UNCLEAR = Quartiles(0.6, 0.7, 0.8), Quartiles(1.2, 1.3, 1.4), Quartiles(0.9, 1.0, 1.1)


def errors(scale: float) -> dict[str, dict[str, float]]:
    return {
        f"{kelvin} K": {
            "energy_rmse": 0.5 * scale * kelvin / 300,
            "energy_rmse_predict_mean": 5.0,
            "force_rmse": 60.0 * scale * kelvin / 300,
            "force_rmse_predict_zero": 900.0,
        }
        for kelvin in (300, 600, 1200)
    }


def trained(contraction: str, seed: int, scale: float = 1.0, peak: int | None = 400_000_000) -> Trained:
    return Trained(contraction, seed, 1000, 90, 2.0 + seed, peak, errors(scale), atoms=27.0)


def runs(scale: float = 1.0, peak: int = 250_000_000, seeds: int = 2) -> list[Trained]:
    return [
        run
        for seed in range(seeds)
        for run in (
            trained("clebsch-gordan", seed),
            trained("gaunt+bracket", seed),
            trained("gaunt", seed, scale + 0.01 * seed, peak),
        )
    ]


def verdicts(runs: list[Trained], time: Quartiles = FASTER, channels: int = 64) -> list[Verdict]:
    return [finding.verdict for finding in judge(runs, time, channels=channels)]


def test_numbers_that_bear_the_claim_out_reproduce_it():
    assert verdicts(runs()) == [YES, YES, YES, YES]


def test_numbers_that_contradict_the_claim_do_not_reproduce_it():
    assert verdicts(runs(scale=1.5)) == [NO, NO, YES, YES]
    assert verdicts(runs(), SLOWER) == [YES, YES, NO, YES]
    assert verdicts(runs(peak=500_000_000)) == [YES, YES, YES, NO]
    assert together(verdicts(runs(scale=1.5))) is NO


def test_one_temperature_that_fails_is_enough_to_refute_the_accuracy():
    hot = errors(1.0)
    hot["1200 K"]["force_rmse"] *= 2
    changed = [replace(run, errors=hot) if run.contraction == "gaunt" else run for run in runs()]
    assert verdicts(changed) == [NO, YES, YES, YES]


def test_seeds_that_disagree_and_times_that_straddle_one_decide_nothing():
    mixed = runs()
    mixed[-1] = replace(mixed[-1], errors=errors(1.3))  # Gaunt, second seed
    assert verdicts(mixed, UNCLEAR) == [OPEN, OPEN, OPEN, YES]


def test_one_seed_decides_nothing_about_accuracy():
    assert verdicts(runs(seeds=1))[:2] == [OPEN, OPEN]


def test_untrained_and_narrow_models_are_not_judged():
    raw = [replace(run, errors=errors(10.0)) for run in runs(scale=1.5)]
    assert verdicts(raw)[:2] == [OPEN, OPEN]
    assert verdicts(runs(), SLOWER, channels=8)[2:] == [OPEN, OPEN]
    assert "Not judged" in judge(raw, FASTER, channels=64)[0].evidence


def test_ratios_pair_equal_seeds_and_leave_out_what_is_missing():
    some = [trained("gaunt", 1, peak=2), trained("clebsch-gordan", 1, peak=4), trained("gaunt", 2, peak=3)]
    some.append(trained("clebsch-gordan", 2, peak=None))
    assert compare(some, "gaunt", [run.peak for run in some]) == [0.5]


def test_our_rows_and_the_papers_rows_do_not_mix():
    table = error_table(runs())
    assert {row.name for row in table.paper} == set(PAPER_ERRORS)
    assert {row.source for row in table.ours} == {OURS} and OURS not in {row.source for row in table.paper}
    published = {row.name: tuple((cell.value, cell.spread) for cell in row.cells) for row in table.paper}
    assert published == PAPER_ERRORS
    assert all(row.name not in PAPER_ERRORS for row in table.ours)


def test_energies_stand_in_the_papers_unit_a_molecule():
    row = next(row for row in error_table(runs()).ours if row.name == "Clebsch-Gordan")
    assert row.cells[0].value == pytest.approx(27 * 0.5)
    assert row.cells[3].value == pytest.approx(60.0)


def test_cost_is_a_ratio_over_clebsch_gordan_for_both():
    steps = {"clebsch-gordan": [0.2, 0.4], "gaunt": [0.1, 0.2], "gaunt+bracket": [0.2, 0.4]}
    table = cost_table(runs(), steps, 2)
    gaunt = next(row for row in table.ours if row.name == "Gaunt").cells
    assert (gaunt[0].value, gaunt[0].spread) == pytest.approx((2.5, 0.5**0.5))
    assert gaunt[3] == Number(2.0, 0.0)
    assert gaunt[4].value == pytest.approx(62.5)
    assert [round(row.cells[3].value, 2) for row in table.paper] == [1.0, 1.32]


def test_tables_refuse_rows_of_another_length_and_numbers_that_are_not_finite():
    table = error_table(runs())
    with pytest.raises(ValueError, match="cells"):
        replace(table, columns=table.columns[:2])
    with pytest.raises(ValueError, match="finite"):
        Number(float("nan"))
    assert Measured((table,), ()).remarks == ()
