"""Progress of a verb that counts steps: a bar on a terminal, a line now and then in a log. No group acts here."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(*, quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """A function `(text, done, total)` to call at every step; each new first word of `text` is a stage of its own.

    Example:
        >>> with bar(quiet=True) as show:
        ...     show("300 K", 1, 10)
    """
    if quiet:
        yield lambda text, done, total: None
        return
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = [BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()]
    display = Progress(*columns, TextColumn("{task.description}"), console=Console(stderr=True), refresh_per_second=8)
    tasks: dict[str, TaskID] = {}
    shown = 0.0

    def show(text: str, done: int, total: int) -> None:
        nonlocal shown
        stage = text.split()[0]
        if stage not in tasks:
            display.start()  # not before: another bar may have been there until now
            tasks[stage] = display.add_task(text, total=total)
        if time.monotonic() - shown > 0.1 or done == total:
            shown = time.monotonic()
            display.update(tasks[stage], description=text, completed=done, total=total)

    try:
        yield show
    finally:
        display.stop()


def _lines(seconds_between: float = 10.0) -> Callable[[str, int, int], None]:
    shown = time.monotonic()

    def show(text: str, done: int, total: int) -> None:
        nonlocal shown
        if time.monotonic() - shown > seconds_between:
            shown = time.monotonic()
            print(f"{done}/{total}  {text}", file=sys.stderr, flush=True)

    return show
