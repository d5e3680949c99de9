"""The model part of the TDN experiment: two models that differ in their product alone, and what decides."""

from functools import cache

import pytest

from intertwine.experiments import three_bpa
from intertwine.experiments.tdn import model as tdn_model
from intertwine.experiments.tdn.model import IN_TORCH, PATHS, SHARED, TrainedModel
from intertwine.experiments.three_bpa import TEMPERATURES
from intertwine.experiments.verdict import Verdict
from intertwine.training.plan import TrainingPlan

YES, NO, OPEN = Verdict.reproduced, Verdict.not_reproduced, Verdict.not_decided
TINY = tdn_model.ModelSize(
    2, TrainingPlan(epochs=1, batch_size=2), layers=2, hidden="0e+1o", frames=6, test_frames=2, rounds=2
)


def quiet(*_: object) -> None:
    """Reports to nobody."""


def test_both_models_run_from_end_to_end_and_differ_in_their_product(monkeypatch):
    monkeypatch.setattr(three_bpa, "read", cache(three_bpa.read))  # once is enough
    runs = [tdn_model.train_one(TINY, None, name, 0, quiet) for name in tdn_model.PRODUCTS]
    seconds = tdn_model.clock(TINY, None, quiet)
    assert list(seconds) == [PATHS, SHARED, PATHS + IN_TORCH, SHARED + IN_TORCH]
    assert runs[1].parameters < runs[0].parameters
    assert [len(run.errors) for run in runs] == [len(TEMPERATURES)] * 2
    steps, errors = tdn_model.step_table(seconds), tdn_model.error_table(runs)
    assert [row.cells[1].value for row in steps.ours][::2] == [1.0, 1.0]
    assert [len(row.cells) for row in errors.ours] == [len(errors.columns)] * 2
    found = [finding.verdict for finding in tdn_model.judge(seconds, runs, channels=2)]
    assert found == [OPEN, OPEN, OPEN]  # too narrow for the clock, and nothing is learned in an epoch


@pytest.mark.parametrize(
    ("kernel", "torch", "growth", "share", "expected"),
    [
        (0.3, 0.3, 1.02, 0.1, [YES, YES, YES]),
        (0.9, 0.3, 1.02, 0.1, [NO, YES, YES]),
        (0.3, 0.9, 1.20, 0.1, [YES, NO, NO]),
        (0.3, 0.3, 1.02, 0.6, [YES, YES, OPEN]),
    ],
)
def test_time_and_errors_are_judged_apart(kernel, torch, growth, share, expected):
    seconds = {PATHS: [1.0] * 3, SHARED: [kernel] * 3, PATHS + IN_TORCH: [2.0] * 3, SHARED + IN_TORCH: [2 * torch] * 3}

    def run(name: str, seed: int, size: float) -> TrainedModel:
        metrics = {"energy_rmse": size, "force_rmse": 10 * size, "force_rmse_predict_zero": 10 * size / share}
        return TrainedModel(name, seed, 10, 1.0, {"300 K": metrics})

    runs = [run(name, seed, growth if name == SHARED else 1.0) for seed in (0, 1) for name in (PATHS, SHARED)]
    assert [finding.verdict for finding in tdn_model.judge(seconds, runs, channels=64)] == expected
