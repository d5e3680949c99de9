"""A training in another process, told to whoever waits for it, and timed epoch by epoch. No group acts here."""

import time
from collections.abc import Mapping

from intertwine.experiments.experiment import Stage
from intertwine.training.progress import Progress


class StepReport(Progress):
    """Passes the steps of a run on as a stage, a few times a second, and keeps the seconds of every epoch's steps."""

    def __init__(self, name: str, report: Stage):
        self.name, self.report = name, report
        self.epoch_seconds: list[float] = []
        """Without the validation."""

    def start(self, *, epochs: int, steps: int, done: int, seconds: float | None = None) -> None:
        """Begin the first epoch."""
        self.steps, self.total, self.first = steps, epochs * steps, done
        self.said = 0.0
        self.begun = self.last = time.perf_counter()

    def step(self, done: int, loss: float) -> None:
        """Remember when; pass on now and then."""
        self.last = time.perf_counter()
        if self.last - self.said > 0.3 or done == self.total:
            self.said = self.last
            self.report(f"{self.name} loss {loss:.3g}", done, self.total)

    def epoch(self, row: Mapping[str, int | float]) -> None:
        """Keep the time of a complete epoch; the next begins after the validation, which is now over."""
        if row["step"] - self.first >= self.steps:
            self.epoch_seconds.append(self.last - self.begun)
        self.begun = time.perf_counter()

    def say(self, text: str) -> None:
        """Nothing: the stage says it."""

    def close(self) -> None:
        """Nothing to clear."""
