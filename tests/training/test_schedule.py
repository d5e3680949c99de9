"""Schedules are functions of the step and of the losses they were shown."""

import pytest

from intertwine.training.plan import TrainingPlan
from intertwine.training.schedule import make_schedule


def test_constant_stays_at_one():
    schedule = make_schedule(TrainingPlan(), 100)
    assert [schedule.factor(step) for step in (0, 50, 1000)] == [1.0, 1.0, 1.0]


def test_cosine_starts_at_one_passes_the_middle_and_ends_at_the_final_fraction():
    schedule = make_schedule(TrainingPlan(schedule="cosine", final_learning_rate=0.1), 100)
    assert schedule.factor(0) == 1.0
    assert schedule.factor(50) == pytest.approx(0.55)
    assert schedule.factor(100) == schedule.factor(500) == pytest.approx(0.1)
    factors = [schedule.factor(step) for step in range(101)]
    assert factors == sorted(factors, reverse=True)


def test_warm_up_climbs_linearly_to_the_schedule_that_follows():
    schedule = make_schedule(TrainingPlan(schedule="cosine", warmup_steps=4, final_learning_rate=0.0), 104)
    assert [schedule.factor(step) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert schedule.factor(54) == pytest.approx(0.5)


def test_plateau_cuts_after_its_patience_and_stops_at_its_floor():
    plan = TrainingPlan(schedule="plateau", plateau_factor=0.5, plateau_patience=1, final_learning_rate=0.2)
    schedule = make_schedule(plan, 100)
    factors = []
    for loss in (1.0, 0.9, 1.0, 1.0, 0.95, 0.8, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0):
        schedule.observe(loss)
        factors.append(schedule.factor(0))
    assert factors == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2]


def test_a_restored_plateau_cuts_when_the_original_does():
    plan = TrainingPlan(schedule="plateau", plateau_patience=2, warmup_steps=3)
    original, restored = make_schedule(plan, 100), make_schedule(plan, 100)
    for loss in (1.0, 2.0, 2.0):
        original.observe(loss)
    restored.restore(original.state())
    fresh = make_schedule(plan, 100)
    for schedule in (original, restored, fresh):
        schedule.observe(2.0)
    assert original.factor(9) == restored.factor(9) == 0.5
    assert fresh.factor(9) == 1.0


def test_cosine_goes_by_steps_or_by_time_whichever_is_ahead():
    schedule = make_schedule(TrainingPlan(schedule="cosine", final_learning_rate=0.0), 100)
    assert schedule.factor(10, 0.5) == pytest.approx(0.5)
    assert schedule.factor(90, 0.5) == schedule.factor(90)
    assert schedule.factor(1, 1.0) == schedule.factor(1, 1.5) == 0.0
    for other in (TrainingPlan(), TrainingPlan(schedule="plateau")):
        assert make_schedule(other, 100).factor(10, 0.9) == 1.0


def test_warm_up_goes_by_steps_whatever_the_time():
    schedule = make_schedule(TrainingPlan(schedule="cosine", warmup_steps=4, final_learning_rate=0.0), 10**6)
    assert [schedule.factor(step, 0.0) for step in range(4)] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert schedule.factor(1, 0.5) == pytest.approx(0.25) and schedule.factor(4, 0.5) == pytest.approx(0.5)


@pytest.mark.parametrize("start", [0, 100, 200])
def test_a_second_stage_outside_the_run_is_refused(start):
    with pytest.raises(ValueError, match=f"swa_start must be at least 1 and below epochs = 100, got {start}"):
        TrainingPlan(swa_start=start)


@pytest.mark.parametrize(
    "change", [{"epochs": 0}, {"learning_rate": 0.0}, {"ema_decay": 1.0}, {"plateau_factor": 1.5}, {"warmup_steps": -1}]
)
def test_a_plan_that_cannot_be_followed_is_refused_by_name(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        TrainingPlan(**change)
