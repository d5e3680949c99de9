"""How a run shows itself: a bar with the time left and a line an epoch, plain lines, or nothing. No group acts here."""

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from io import TextIOBase


class Progress(ABC):
    """What the loop tells whoever watches. `start`, then `step` and `epoch` as they come, then `close`."""

    @abstractmethod
    def start(self, *, epochs: int, steps: int, done: int, seconds: float | None = None) -> None:
        """The run has `epochs` epochs of `steps` steps, of which `done` steps lie behind, and may take `seconds`."""

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


class TimeLeft:
    """What a run still takes: its steps at the mean speed of this session, or the rest of its time if that is less.

    Example:
        >>> now = iter([0.0, 10.0, 20.0]).__next__
        >>> left = TimeLeft(total=100, done=0, seconds=60.0, now=now)
        >>> left(20), left(30)
        (40.0, 40.0)
    """

    def __init__(self, *, total: int, done: int, seconds: float | None, now: Callable[[], float] = time.monotonic):
        self.total, self.first, self.seconds, self.now = total, done, seconds, now
        self.begun = now()

    def __call__(self, done: int) -> float | None:
        """Seconds; None before the first step where nothing limits the time."""
        gone, steps = self.now() - self.begun, done - self.first
        by_steps = [gone / steps * max(self.total - done, 0)] if steps > 0 else []
        by_clock = [max(self.seconds - gone, 0.0)] if self.seconds is not None else []
        return min(by_steps + by_clock, default=None)


class Quiet(Progress):
    """Shows nothing."""

    def start(self, *, epochs: int, steps: int, done: int, seconds: float | None = None) -> None:
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

    def start(self, *, epochs: int, steps: int, done: int, seconds: float | None = None) -> None:
        """Take the time."""
        self.epochs, self.total, self.done = epochs, epochs * steps, done
        self.shown = time.monotonic()
        self.left = TimeLeft(total=self.total, done=done, seconds=seconds)

    def step(self, done: int, loss: float) -> None:
        """Print only when the last line is old."""
        self.done = done
        now = time.monotonic()
        if now - self.shown > self.seconds_between:
            self.shown = now
            self.say(f"step {done}/{self.total}  loss {loss:.4g}  left {clock(self.left(done))}")

    def epoch(self, row: Mapping[str, int | float]) -> None:
        """Print the row."""
        self.shown = time.monotonic()
        self.say(f"{epoch_line(row, self.epochs)}  left {clock(self.left(self.done))}")

    def say(self, text: str) -> None:
        """Print and flush."""
        print(text, file=self.stream or sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing to clear."""


class Bar(Progress):
    """A rich progress bar on a terminal, below one line for each epoch."""

    def __init__(self):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self.console = Console(stderr=True, highlight=False)
        self.display = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeElapsedColumn(),
            TextColumn("left {task.fields[left]}"),
            console=self.console,
            transient=True,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.shown = 0.0
        self.epochs = 0

    def start(self, *, epochs: int, steps: int, done: int, seconds: float | None = None) -> None:
        """Draw the bar."""
        self.epochs, total = epochs, epochs * steps
        self.left = TimeLeft(total=total, done=done, seconds=seconds)
        self.task = self.display.add_task("training", total=total, completed=done, loss="", left=clock(self.left(done)))
        self.display.start()

    def step(self, done: int, loss: float) -> None:
        """Move the bar, at most ten times a second."""
        now = time.monotonic()
        if now - self.shown > 0.1:
            self.shown = now
            left = clock(self.left(done))
            self.display.update(self.task, completed=done, loss=f"loss {loss:.4g}", left=left)

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


def clock(seconds: float | None) -> str:
    """Seconds as minutes:seconds, with hours when there are any; dashes where nobody knows.

    Example:
        >>> clock(75), clock(3700), clock(None)
        ('1:15', '1:01:40', '--:--')
    """
    if seconds is None:
        return "--:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
