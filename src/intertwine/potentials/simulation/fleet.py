"""Thousands of structures over many workers: resumable, and nothing lost when workers die. No group acts here."""

from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from intertwine.potentials.data.workers import core_count
from intertwine.potentials.simulation.crew import Crew, ProcessCrew, RayCrew, Task
from intertwine.potentials.simulation.ledger import Ledger
from intertwine.potentials.structures.graph import GraphError
from intertwine.training.run import NumericalError

Engine = Literal["processes", "ray"]
CREWS: dict[str, Callable[..., Crew]] = {"processes": ProcessCrew, "ray": RayCrew}
Progress = Callable[[str, int, int], None]
"""Called with a line of text, the structures done and the structures in all."""


def run_fleet(
    prepare: Callable[..., Task],
    arguments: tuple[Any, ...],
    count: int,
    *,
    ledger: Path | str,
    about: Mapping[str, Any],
    unit: int = 1,
    workers: int | None = None,
    engine: Engine = "processes",
    tries: int = 3,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """The outcome of every index below `count`: what the task said, or {"failed": why}.

    `prepare(*arguments)` is called once in every worker and makes the task; the task takes a list of indices and gives
    an outcome, JSON values, for each. Outcomes go to the ledger as soon as they are there, and a run that finds its
    ledger does only what is missing.

    A worker that dies is replaced. Its unit comes back one index at a time, so that a structure that kills workers
    takes no other with it, and an index that was alone with a dying worker `tries` times has failed. An error that a
    task raises, bad input or a numerical failure, is not tried again for a single index.

    Args:
        about: what the ledger belongs to.
        unit: indices that a worker takes at a time.
        workers: one for each core if None.

    Raises:
        GraphError: a ledger that belongs to another run.
        Exception: a bug in the task, as it was raised; what was done before stays in the ledger.
    """
    if engine not in CREWS:
        raise ValueError(f"run_fleet: engine must be one of {', '.join(CREWS)}, got {engine!r}.")
    book = Ledger(ledger, about)
    missing = [index for index in range(count) if index not in book.outcomes]
    waiting = deque(missing[start : start + unit] for start in range(0, len(missing), unit))
    deaths: dict[int, int] = {}
    crew = CREWS[engine](prepare, arguments, min(workers or core_count(), max(len(waiting), 1))) if waiting else None
    busy = 0
    try:
        while crew is not None and (waiting or busy):
            while waiting and crew.free():
                crew.give(waiting.popleft())
                busy += 1
            reply = crew.next()
            busy -= 1
            told = isinstance(reply.error, GraphError | NumericalError)
            if len(reply.unit) > 1 and (told or reply.death is not None):
                waiting.extendleft([index] for index in reversed(reply.unit))
                continue
            if reply.death is not None:
                (index,) = reply.unit
                deaths[index] = deaths.get(index, 0) + 1
                if deaths[index] < tries:
                    waiting.append([index])
                    continue
                book.record(index, {"failed": f"its worker died {tries} times ({reply.death}); check the free memory"})
            elif told:
                book.record(reply.unit[0], {"failed": " ".join(str(reply.error).split())})
            elif reply.error is not None:
                raise reply.error
            else:
                for index, outcome in zip(reply.unit, reply.result, strict=True):
                    book.record(index, outcome)
            if progress:
                failed = sum("failed" in outcome for outcome in book.outcomes.values())
                progress(f"fleet  {failed} failed", len(book.outcomes), count)
    finally:
        if crew is not None:
            crew.dismiss()
        book.close()
    return [book.outcomes[index] for index in range(count)]
