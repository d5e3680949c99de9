"""How a run shows itself: a bar with the time left and a line an epoch, plain lines, or nothing. No group acts here."""

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from io import TextIOBase


class Progress(ABC):
    """What the loop tells whoever watches. `start`, then `step` and `epoch` as they come, then `close`."""

    @abstractmethod
    def start(self, *, epochs: int, steps: int, done: int) -> None:
        """The run has `epochs` epochs of `steps` steps, of which `done` steps lie behind."""

    @abstractmethod
    def step(self, done: int, loss: float) -> None:
        """Step number `done` ended with `loss`. Called often; must cost microseconds."""

    @abstractmethod
    def epoch(self, row: Mapping[str, int | float]) -> None:
        """An epoch ended with this row of the history."""

    @abstractmethod
    def say(self, text: str) -> None:
        """One line of text."""

    @abstractmethod
    def close(self) -> None:
        """The run ended, well or badly."""


class Quiet(Progress):
    """Shows nothing."""

    def start(self, *, epochs: int, steps: int, done: int) -> None:
        """Nothing."""

    def step(self, done: int, loss: float) -> None:
        """Nothing."""

    def epoch(self, row: Mapping[str, int | float]) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Lines(Progress):
    """A line an epoch, for logs and pipes; within a long epoch one a minute."""

    def __init__(self, stream: TextIOBase | None = None, *, seconds_between: float = 60.0):
        self.stream = stream
        self.seconds_between = seconds_between

    def start(self, *, epochs: int, steps: int, done: int) -> None:
        """Take the time."""
        self.epochs, self.total, self.first = epochs, epochs * steps, done
        self.begun = self.shown = time.monotonic()
        self.done = done

    def step(self, done: int, loss: float) -> None:
        """Print only when the last line is old."""
        self.done = done
        now = time.monotonic()
        if now - self.shown > self.seconds_between:
            self.shown = now
            self.say(f"step {done}/{self.total}  loss {loss:.4g}  left {self.left()}")

    def epoch(self, row: Mapping[str, int | float]) -> None:
        """Print the row."""
        self.shown = time.monotonic()
        self.say(f"{epoch_line(row, self.epochs)}  left {self.left()}")

    def say(self, text: str) -> None:
        """Print and flush."""
        print(text, file=self.stream or sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing to clear."""

    def left(self) -> str:
        """Time left, from the mean time of a step of this session."""
        steps = self.done - self.first
        if steps <= 0:
            return "--:--"
        return clock((time.monotonic() - self.begun) / steps * max(self.total - self.done, 0))


class Bar(Progress):
    """A rich progress bar on a terminal, below one line for each epoch."""

    def __init__(self):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self.console = Console(stderr=True, highlight=False)
        self.display = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.shown = 0.0
        self.epochs = 0

    def start(self, *, epochs: int, steps: int, done: int) -> None:
        """Draw the bar."""
        self.epochs = epochs
        self.task = self.display.add_task("training", total=epochs * steps, completed=done, loss="")
        self.display.start()

    def step(self, done: int, loss: float) -> None:
        """Move the bar, at most ten times a second."""
        now = time.monotonic()
        if now - self.shown > 0.1:
            self.shown = now
            self.display.update(self.task, completed=done, loss=f"loss {loss:.4g}")

    def epoch(self, row: Mapping[str, int | float]) -> None:
        """Print the row above the bar."""
        self.display.update(self.task, completed=row["step"])
        self.say(epoch_line(row, self.epochs))

    def say(self, text: str) -> None:
        """Print above the bar."""
        self.console.print(text, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Clear the bar."""
        self.display.stop()


def make_progress(*, quiet: bool = False) -> Progress:
    """A bar when stderr is a terminal, else lines; nothing when `quiet`."""
    if quiet:
        return Quiet()
    return Bar() if sys.stderr.isatty() else Lines()


def epoch_line(row: Mapping[str, int | float], epochs: int) -> str:
    """A row of the history in one line; where there is a validation, its terms stand for those of the training.

    Example:
        >>> epoch_line({"epoch": 2, "step": 8, "seconds": 75.0, "learning_rate": 0.01, "loss": 0.12345}, epochs=10)
        'epoch  2/10  loss 0.1235  lr 0.01  1:15'
    """
    known = {"epoch", "step", "seconds", "learning_rate"}
    validated = any(name.startswith("valid_") for name in row)
    terms = [
        f"{name} {value:.4g}"
        for name, value in row.items()
        if name not in known and (not validated or name == "loss" or name.startswith("valid_"))
    ]
    width = len(str(epochs))
    end = [f"lr {row['learning_rate']:.2g}", clock(row["seconds"])]
    return "  ".join([f"epoch {int(row['epoch']):{width}}/{epochs}", *terms, *end])


def clock(seconds: float) -> str:
    """Seconds as minutes:seconds, with hours when there are any.

    Example:
        >>> clock(75), clock(3700)
        ('1:15', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
