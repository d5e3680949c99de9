"""Learning-rate schedules: the fraction of the base rate that a step takes. No group acts here."""

import math
from abc import ABC, abstractmethod

from intertwine.training.plan import TrainingPlan


class Schedule(ABC):
    """The learning rate over time, as a factor on the base rate.

    `factor(step, share)` depends on the step, on the share of a limited time that lies behind, and on the validation
    losses shown to `observe` so far; what it has learnt from them is `state()`, plain JSON.
    """

    @abstractmethod
    def factor(self, step: int, share: float = 0.0) -> float:
        """Fraction of the base learning rate at optimizer step `step`, counted from 0.

        Args:
            share: of the time that the schedule may take, from 0 to 1; 0 where nothing limits it.
        """

    def observe(self, loss: float) -> None:  # noqa: B027  most schedules do not look at the loss
        """Show the schedule one validation loss."""

    def state(self) -> dict:
        """What `observe` has changed."""
        return {}

    def restore(self, state: dict) -> None:  # noqa: B027  nothing to restore unless `state` says so
        """Continue from an earlier `state()`."""


class Constant(Schedule):
    """The base rate at every step."""

    def factor(self, step: int, share: float = 0.0) -> float:
        """One."""
        return 1.0


class Cosine(Schedule):
    """Half a cosine from 1 down to `final` over `steps`, or over the time where that is ahead; then flat.

        factor = final + (1 - final) (1 + cos(pi max(step / steps, share))) / 2

    Reference: Loshchilov and Hutter, 2017, SGDR, arXiv:1608.03983, equation 5 with one cycle.
    """

    def __init__(self, steps: int, *, final: float):
        self.steps = max(steps, 1)
        self.final = final

    def factor(self, step: int, share: float = 0.0) -> float:
        """The cosine at `step`, or at the time."""
        done = min(max(step / self.steps, share), 1.0)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * done))


class Plateau(Schedule):
    """Cut the rate by `cut` after more than `patience` validations without a new lowest loss, down to `floor`."""

    def __init__(self, *, cut: float, patience: int, floor: float):
        self.cut = cut
        self.patience = patience
        self.floor = floor
        self.current = 1.0
        self.lowest = math.inf
        self.waited = 0

    def factor(self, step: int, share: float = 0.0) -> float:
        """The present cut, whatever the step."""
        return self.current

    def observe(self, loss: float) -> None:
        """Count the validations since the lowest loss, and cut when there are too many."""
        if loss < self.lowest:
            self.lowest, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.current, self.waited = max(self.current * self.cut, self.floor), 0

    def state(self) -> dict:
        """Present factor, lowest loss (None before the first) and validations waited."""
        lowest = None if math.isinf(self.lowest) else self.lowest
        return {"current": self.current, "lowest": lowest, "waited": self.waited}

    def restore(self, state: dict) -> None:
        """Continue from `state()`."""
        self.current, self.waited = state["current"], state["waited"]
        self.lowest = math.inf if state["lowest"] is None else state["lowest"]


class WarmUp(Schedule):
    """Climb linearly to another schedule, which starts when the climb ends.

    factor = (step + 1) / steps  times the first factor of `then`,  for step < steps
    """

    def __init__(self, steps: int, then: Schedule):
        self.steps = steps
        self.then = then

    def factor(self, step: int, share: float = 0.0) -> float:
        """The climb, or what comes after."""
        if step < self.steps:
            return (step + 1) / self.steps * self.then.factor(0, share)
        return self.then.factor(step - self.steps, share)

    def observe(self, loss: float) -> None:
        """Pass the loss on."""
        self.then.observe(loss)

    def state(self) -> dict:
        """The state of what comes after; the climb has none."""
        return self.then.state()

    def restore(self, state: dict) -> None:
        """Continue from `state()`."""
        self.then.restore(state)


def make_schedule(plan: TrainingPlan, steps: int) -> Schedule:
    """The schedule of the first stage of a plan, `steps` optimizer steps long; the second stage has a constant rate.

    Example:
        >>> schedule = make_schedule(TrainingPlan(schedule="cosine", warmup_steps=10, final_learning_rate=0.0), 110)
        >>> schedule.factor(4), schedule.factor(60), schedule.factor(110)
        (0.5, 0.5, 0.0)
    """
    if plan.schedule == "cosine":
        schedule = Cosine(steps - plan.warmup_steps, final=plan.final_learning_rate)
    elif plan.schedule == "plateau":
        schedule = Plateau(cut=plan.plateau_factor, patience=plan.plateau_patience, floor=plan.final_learning_rate)
    else:
        schedule = Constant()
    return WarmUp(plan.warmup_steps, schedule) if plan.warmup_steps else schedule
