"""Logs show the history, also of a run that was stopped and resumed."""

import csv
import dataclasses

import pytest
from toy import TOY_PLAN, toy_collate, toy_items, toy_model, toy_objective, toy_validate

from intertwine.training.loggers import MissingLogger
from intertwine.training.loop import fit
from intertwine.training.progress import Quiet


def train(folder, epochs: int, log, resume: bool = False):
    plan = dataclasses.replace(TOY_PLAN, epochs=epochs)
    return fit(
        toy_model(), toy_objective, toy_items(), toy_collate, plan,
        validate=toy_validate, folder=folder, resume=resume, progress=Quiet(), log=log,
    )  # fmt: skip


def test_csv_and_tensorboard_hold_every_row_of_a_resumed_run(tmp_path):
    train(tmp_path, 3, ["csv", "tensorboard"])
    history = train(tmp_path, 5, ["csv", "tensorboard"], resume=True)
    with open(tmp_path / "log" / "csv" / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(float(row["step"])) for row in rows] == history.column("step")
    assert [float(row["loss"]) for row in rows] == history.column("loss")
    assert [float(row["valid_loss"]) for row in rows if row["valid_loss"]] == history.column("valid_loss")

    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(tmp_path / "log" / "tensorboard")).Reload()
    shown = events.Scalars("loss")
    assert [event.step for event in shown] == history.column("step")
    assert [event.value for event in shown] == pytest.approx(history.column("loss"), rel=1e-6)


def test_without_being_asked_nothing_is_logged(tmp_path):
    train(tmp_path, 1, [])
    assert not (tmp_path / "log").exists()


def test_a_logger_that_is_not_installed_is_named_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr("intertwine.training.loggers.find_spec", lambda name: None)
    for name, remedy in (("wandb", "pip install wandb"), ("tensorboard", r"intertwine\[tensorboard\]")):
        with pytest.raises(MissingLogger, match=f"{name} is not installed; .*{remedy}") as caught:
            train(tmp_path / name, 1, [name])
        assert "\n" not in str(caught.value)
        assert not (tmp_path / name).exists()
