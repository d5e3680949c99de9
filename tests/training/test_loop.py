"""The loop does what the formula says, stops when it must, and leaves nothing behind."""

import dataclasses
import itertools
import json
import os
import random
import runpy
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from toy import TOY_PLAN, toy_collate, toy_items, toy_model, toy_objective, toy_validate

from intertwine.training.checkpoint import CheckpointError, read_checkpoint, steps
from intertwine.training.history import History
from intertwine.training.interruption import Interrupted
from intertwine.training.loop import fit
from intertwine.training.plan import TrainingPlan
from intertwine.training.progress import Quiet
from intertwine.training.run import NumericalError, SecondStage
from intertwine.training.sampler import EpochSampler
from intertwine.training.weights import snapshot


def train(model=None, plan=TOY_PLAN, objective=toy_objective, items=None, **rest):
    model = model or toy_model()
    items = toy_items() if items is None else items
    return model, fit(model, objective, items, toy_collate, plan, progress=Quiet(), **rest)


def test_the_steps_are_those_of_a_plain_loop():
    plan = TrainingPlan(epochs=3, batch_size=4, learning_rate=0.05, ema_decay=0.0, clip_norm=0.1, seed=2)
    items = toy_items()

    def objective(model, batch):
        return {"loss": (model(batch[:, :3]) - batch[:, 3:]).square().mean()}

    ours, plain = nn.Linear(3, 1).double(), nn.Linear(3, 1).double()
    plain.load_state_dict(ours.state_dict())
    fit(ours, objective, items, torch.stack, plan, progress=Quiet())
    optimizer = torch.optim.Adam(plain.parameters(), 0.05)
    for epoch in range(3):
        for batch in EpochSampler(len(items), batch_size=4, seed=2).batches(epoch):
            optimizer.zero_grad()
            objective(plain, torch.stack([items[index] for index in batch]))["loss"].backward()
            torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.1)
            optimizer.step()
    for one, other in zip(ours.parameters(), plain.parameters()):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_the_loss_falls_and_the_history_says_so():
    _, history = train(plan=dataclasses.replace(TOY_PLAN, epochs=40, schedule="constant"), validate=toy_validate)
    assert history.column("valid_loss")[-1] < 0.8 * history.column("valid_loss")[0]
    assert history.column("epoch") == list(range(1, 41))
    assert history.rows[-1]["step"] == 40 * 5
    assert history.rows[-1].keys() == {
        "epoch", "step", "seconds", "learning_rate", "loss", "absolute", "valid_loss",
    }  # fmt: skip
    assert len(history.column("valid_loss")) == 20  # every second epoch


def test_two_runs_of_one_plan_are_equal_and_another_seed_is_not():
    runs = [train(plan=dataclasses.replace(TOY_PLAN, seed=seed))[0] for seed in (3, 3, 4)]
    first, same, other = (torch.cat([tensor.reshape(-1) for tensor in snapshot(model).values()]) for model in runs)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_training_leaves_the_callers_random_numbers_alone():
    def draw():
        return torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()

    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(11)
    expected = [draw(), draw()]
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(11)
    first = draw()
    train()
    assert [first, draw()] == expected


def test_the_model_ends_with_the_averaged_weights_of_its_best_validation():
    losses = iter([3.0, 1.0, 2.0])
    seen = []

    def validate(model):
        seen.append(snapshot(model))
        return {"loss": next(losses)}

    model, history = train(plan=dataclasses.replace(TOY_PLAN, epochs=3, validate_every=1), validate=validate)
    assert history.best is not None
    assert history.best["epoch"] == 2
    assert all(torch.equal(tensor, seen[1][name]) for name, tensor in snapshot(model).items())
    assert not torch.equal(seen[1]["0.weight"], seen[2]["0.weight"])
    assert not model.training


def test_the_second_stage_averages_its_own_weights_equally_and_seeks_its_own_best():
    plan = dataclasses.replace(TOY_PLAN, epochs=6, swa_start=4, swa_learning_rate=0.5, validate_every=1, patience=2)
    losses = iter([1.0, 2.0, 2.0, 2.0])  # without improvement, which ends no run before its second stage
    seen, live = [], []

    def late_objective(model, batch):
        live.append(snapshot(model))  # before the step
        return toy_objective(model, batch)

    def validate(model):
        seen.append(snapshot(model))
        return {"loss": next(losses)}

    def late_validate(model):
        seen.append(snapshot(model))
        return {"loss": 100.0 + len(seen)}

    model, history = train(plan=plan, validate=validate, second_stage=SecondStage(late_objective, late_validate))
    assert len(live) == 10 and len(seen) == 6
    assert history.column("learning_rate")[-2:] == [0.01, 0.01]
    assert all(torch.equal(tensor, seen[4][name]) for name, tensor in snapshot(model).items())
    # after five steps of the stage the average is the mean of the weights before steps 2 to 6
    expected = torch.stack([weights["0.weight"] for weights in live[1:6]]).mean(dim=0)
    torch.testing.assert_close(seen[4]["0.weight"], expected, rtol=1e-12, atol=1e-12)


def test_validation_sees_the_average_not_the_last_weights():
    seen = {}
    for decay in (0.0, 0.99):
        plan = dataclasses.replace(TOY_PLAN, epochs=2, ema_decay=decay)
        train(plan=plan, validate=lambda model, decay=decay: seen.update({decay: snapshot(model)}) or {"loss": 1.0})
    assert not torch.equal(seen[0.0]["0.weight"], seen[0.99]["0.weight"])


def test_training_stops_early_when_the_validation_stops_improving():
    losses = iter([3.0, 2.0, *[2.5] * 90])
    plan = dataclasses.replace(TOY_PLAN, epochs=60, validate_every=1, patience=4)
    _, history = train(plan=plan, validate=lambda model: {"loss": next(losses)})
    assert len(history) == 6


@pytest.fixture
def clock(monkeypatch) -> None:
    """A clock of our own, a hundredth of a second further at every look: no test depends on how busy the machine is."""
    ticks = itertools.count(step=0.01)
    monkeypatch.setattr("intertwine.training.run.time", SimpleNamespace(monotonic=lambda: next(ticks)))


def rates_of_steps(monkeypatch) -> list[float]:
    """Filled with the learning rate of every step from here on."""
    rates: list[float] = []
    step = torch.optim.AdamW.step

    def noted(optimizer, *arguments):
        rates.append(optimizer.param_groups[0]["lr"])
        return step(optimizer, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    return rates


TIMED = dataclasses.replace(
    TOY_PLAN, epochs=10**6, max_seconds=2.0, schedule="cosine", final_learning_rate=0.0, warmup_steps=0
)


def test_the_cosine_ends_with_the_time(clock, monkeypatch):
    rates = rates_of_steps(monkeypatch)
    train(plan=TIMED)
    assert rates[0] == TIMED.learning_rate and rates == sorted(rates, reverse=True)
    assert rates[len(rates) // 2] == pytest.approx(TIMED.learning_rate / 2, rel=0.1)
    assert 0 <= rates[-1] < 0.001 * TIMED.learning_rate


def test_epochs_that_come_before_the_time_end_the_cosine_as_if_there_were_no_limit(monkeypatch):
    rates = rates_of_steps(monkeypatch)
    train(plan=dataclasses.replace(TIMED, epochs=3, max_seconds=1e9))
    train(plan=dataclasses.replace(TIMED, epochs=3, max_seconds=None))
    assert rates[:15] == rates[15:] and rates[14] < 0.02 * TIMED.learning_rate


def test_a_resumed_run_goes_on_from_the_time_it_had_used(clock, tmp_path, monkeypatch):
    rates, count = rates_of_steps(monkeypatch), 0

    def objective(model, batch):
        nonlocal count
        count += 1
        if count == 78:
            os.kill(os.getpid(), signal.SIGINT)
        return toy_objective(model, batch)

    with pytest.raises(Interrupted):
        train(plan=TIMED, objective=objective, folder=tmp_path)
    train(plan=TIMED, folder=tmp_path, resume=True)
    assert rates == sorted(rates, reverse=True)
    assert rates[78] == pytest.approx(rates[77], rel=0.1) and rates[78] < 0.8 * rates[0]
    assert rates[-1] < 0.001 * rates[0]


def test_the_cosine_ends_where_the_second_stage_begins_by_epochs_and_by_time(clock, monkeypatch):
    rates = rates_of_steps(monkeypatch)
    choices = {"schedule": "cosine", "final_learning_rate": 0.0, "warmup_steps": 0, "swa_learning_rate": 0.2}
    train(plan=dataclasses.replace(TOY_PLAN, epochs=10, swa_start=6, **choices))
    assert rates[29] < 0.02 * TOY_PLAN.learning_rate and rates[30:] == [0.2 * TOY_PLAN.learning_rate] * 20
    rates.clear()
    train(plan=dataclasses.replace(TIMED, swa_start=600_000, swa_learning_rate=0.2))
    late = [rate for rate in rates if rate == 0.2 * TOY_PLAN.learning_rate]
    assert rates[-len(late) :] == late and len(late) / len(rates) == pytest.approx(0.4, abs=0.05)


def test_training_stops_when_the_time_is_up_and_still_validates(clock, tmp_path):
    plan = dataclasses.replace(TOY_PLAN, epochs=10**6, max_seconds=2.0)
    _, history = train(plan=plan, validate=toy_validate, folder=tmp_path)
    assert 0 < len(history) < 200
    assert "valid_loss" in history.rows[-1]
    _, more = train(
        plan=dataclasses.replace(plan, max_seconds=4.0), validate=toy_validate, folder=tmp_path, resume=True
    )
    assert len(history) < len(more) < 400


@pytest.mark.parametrize("what", ["loss", "absolute", "gradient"])
def test_a_number_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(what, tmp_path):
    count = 0

    def objective(model, batch):
        nonlocal count
        count += 1
        terms = toy_objective(model, batch)
        if count == 13:
            if what == "gradient":  # finite loss, infinite slope
                terms["loss"] = terms["loss"] + (model[0].weight[0, 0] * 0).abs().sqrt()
            else:
                terms[what] = terms[what] * float("nan")
        return terms

    with pytest.raises(NumericalError, match=f"{what} became (nan|inf) in epoch 3, after step 12") as caught:
        train(objective=objective, folder=tmp_path)
    newest = steps(tmp_path / "checkpoints")[-1]
    assert newest.name == "step-00000010"
    assert str(newest) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(tensor.isfinite().all() for tensor in read_checkpoint(newest, kind="training").part("model").values())


def test_a_validation_that_is_not_finite_stops_the_run():
    with pytest.raises(NumericalError, match="validation loss became inf"):
        train(validate=lambda model: {"loss": float("inf")})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_saves_in_mid_epoch_and_resumes_to_the_same_bits(number, tmp_path):
    expected, _ = train(folder=tmp_path / "whole", validate=toy_validate)
    count = 0

    def objective(model, batch):
        nonlocal count
        count += 1
        if count == 8:
            os.kill(os.getpid(), number)
        return toy_objective(model, batch)

    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=r"after step 8; checkpoint saved: .*step-00000008"):
        train(objective=objective, folder=tmp_path / "cut", validate=toy_validate)
    assert signal.getsignal(number) == before
    resumed, history = train(folder=tmp_path / "cut", validate=toy_validate, resume=True)
    assert len(history) == TOY_PLAN.epochs
    found = snapshot(resumed)
    assert all(torch.equal(tensor, found[name]) for name, tensor in snapshot(expected).items())


def test_training_runs_in_a_thread_where_signals_cannot_be_caught():
    done = []
    thread = threading.Thread(target=lambda: done.append(train()))
    thread.start()
    thread.join()
    assert len(done) == 1


def test_a_finished_run_resumes_to_its_result_and_more_epochs_go_on(tmp_path):
    model, history = train(folder=tmp_path, validate=toy_validate)
    again, same = train(toy_model(seed=9), folder=tmp_path, validate=toy_validate, resume=True)
    assert same.rows == history.rows == History.load(tmp_path / "history.json").rows
    found = snapshot(again)
    assert all(torch.equal(tensor, found[name]) for name, tensor in snapshot(model).items())
    _, longer = train(plan=dataclasses.replace(TOY_PLAN, epochs=8), folder=tmp_path, validate=toy_validate, resume=True)
    assert longer.rows[:6] == history.rows
    assert len(longer) == 8
    json.loads((tmp_path / "history.json").read_text())


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path):
    train(folder=tmp_path)
    with pytest.raises(CheckpointError, match="holds a run already"):
        train(folder=tmp_path)


@pytest.mark.parametrize(
    ("plan", "items", "words"),
    [
        (dataclasses.replace(TOY_PLAN, learning_rate=0.1), None, "learning_rate = 0.02, the plan now says 0.1"),
        (dataclasses.replace(TOY_PLAN, seed=4), None, "seed = 3, the plan now says 4"),
        (TOY_PLAN, toy_items(9), "23 items, now there are 9"),
    ],
)
def test_another_plan_or_other_data_cannot_resume_a_run(plan, items, words, tmp_path):
    train(folder=tmp_path)
    with pytest.raises(CheckpointError, match=words):
        train(plan=plan, items=items, folder=tmp_path, resume=True)


def test_another_model_cannot_resume_a_run(tmp_path):
    train(folder=tmp_path)
    other = toy_model()
    other[4] = nn.Linear(8, 8, bias=False).double()
    with pytest.raises(CheckpointError, match=r'"4.bias" has no place in the model'):
        train(other, folder=tmp_path, resume=True)


def test_only_the_weights_that_may_decay_do():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).double()
    before = snapshot(model)
    plan = TrainingPlan(epochs=1, batch_size=4, learning_rate=0.1, optimizer="adamw", weight_decay=0.5, ema_decay=0.0)
    fit(
        model, lambda model, batch: {"loss": sum(weight.sum() * 0 for weight in model.parameters())},
        toy_items(4), torch.stack, plan, decays=lambda name, parameter: name.startswith("0"), progress=Quiet(),
    )  # fmt: skip
    for name, tensor in snapshot(model).items():
        torch.testing.assert_close(tensor, before[name] * (0.95 if name.startswith("0") else 1.0))


def test_a_parameter_without_gradient_is_left_alone():
    model = toy_model()
    model.register_parameter("unused", nn.Parameter(torch.ones(3, dtype=torch.float64)))
    train(model)
    assert torch.equal(model.unused, torch.ones(3, dtype=torch.float64))


PROCESSES = """
import sys, torch
from toy import *
from intertwine.training import TrainingPlan, fit, Quiet, write_checkpoint
from intertwine.training.weights import weights
from torch import distributed, nn

torch.set_num_threads(1)
torch.manual_seed(int(__import__("os").environ["RANK"]))  # unequal starts: the loop must make them equal
model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()
model.register_parameter("unused", nn.Parameter(torch.ones(3, dtype=torch.float64)))

def objective(model, batch):
    return {"loss": (model(batch[:, :3]) - batch[:, 3:]).square().mean()}

plan = TrainingPlan(epochs=10, batch_size=5, learning_rate=0.02, weight_decay=0.1, devices=int(sys.argv[2]))
history = fit(model, objective, toy_items(21), torch.stack, plan, validate=toy_validate, folder=sys.argv[1],
              progress=Quiet())
timed = nn.Linear(3, 1).double()  # at a rate that follows the clock, which is not the same in two processes
plan = TrainingPlan(epochs=10**6, max_seconds=0.1, schedule="cosine", batch_size=5, devices=int(sys.argv[2]))
fit(timed, objective, toy_items(21), torch.stack, plan, progress=Quiet())
if distributed.is_initialized():
    for tensor in [*weights(model).values(), *weights(timed).values()]:
        first = tensor.detach().clone()
        distributed.broadcast(first, src=0)
        assert torch.equal(first, tensor)
if __import__("os").environ["RANK"] == "0":
    write_checkpoint(sys.argv[1] + "/model", weights(model), {"loss": history.column("loss")}, kind="model")
"""


def test_two_processes_train_as_one_does(tmp_path, monkeypatch):
    """Five items a batch in two processes, 21 in all: shares are unequal, and in the last batch one is empty."""
    script = tmp_path / "script.py"
    script.write_text(PROCESSES)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run([*launcher, script, tmp_path / "2", "2"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(sys, "argv", ["script.py", str(tmp_path / "1"), "1"])
    runpy.run_path(str(script))
    found = {count: read_checkpoint(tmp_path / str(count) / "model", kind="model") for count in (1, 2)}
    for name, tensor in found[1].tensors.items():
        torch.testing.assert_close(found[2].tensors[name], tensor, rtol=0, atol=1e-12)
    assert found[2].values["loss"] == pytest.approx(found[1].values["loss"], rel=1e-12)
    assert torch.equal(found[2].tensors["unused"], torch.ones(3, dtype=torch.float64))
