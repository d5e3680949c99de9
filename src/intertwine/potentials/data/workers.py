"""Tasks in processes of one thread each, for programs that gain nothing from more. No group acts here."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import Lock
from typing import Any

import torch

from intertwine.potentials.structures.graph import GraphError

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
STARTING = Lock()
Progress = Callable[[str, int, int], None]
"""Called with a stage ("300 K"), the steps done and the steps in all."""


def core_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_in_processes(
    task: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Any]:
    """The results of task(*arguments, report) for every tuple of arguments, each in a fresh process.

    `report` takes what `progress` takes, and may be called in the task as often as it likes. The first error ends the
    other processes; so does the end of this one. As with every spawned process, `task` is a function of a module, and
    a script that calls this needs `if __name__ == "__main__":`.

    Args:
        workers: processes at a time, one for each core if None.

    Raises:
        GraphError: a process died, for want of memory or because its program crashed.
        Exception: whatever the task raised.
    """
    context = get_context("spawn")
    waiting = list(enumerate(arguments))[::-1]
    running: dict[Any, tuple[int, BaseProcess]] = {}
    results: dict[int, Any] = {}
    try:
        while waiting or running:
            while waiting and len(running) < (workers or core_count()):
                index, values = waiting.pop()
                here, there = context.Pipe(duplex=False)
                process = context.Process(target=run_one, args=(task, values, there), daemon=True)
                with single_threads():
                    process.start()
                there.close()  # ours: when the process ends, its own is the last
                running[here] = index, process
            for pipe in wait(list(running)):
                kind, value = received(pipe)
                if kind == "progress" and progress:
                    progress(*value)
                elif kind == "error":
                    raise value
                elif kind == "result":
                    index, process = running.pop(pipe)
                    results[index] = value
                    process.join()
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()
    return [results[index] for index in range(len(arguments))]


@contextmanager
def single_threads() -> Iterator[None]:
    """An environment in which libraries of linear algebra start with one thread; for the moment a process is started.

    A process loads numpy before it runs a line of a task. Threads of its linear algebra would hold the cores that
    other workers need, and each small matrix of ASE's BFGS would wait for them.
    """
    with STARTING:  # two threads that start processes at once must not take each other's ones for the user's
        before = {name: os.environ.get(name) for name in THREADS}
        os.environ.update(dict.fromkeys(THREADS, "1"))
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def received(pipe: Any) -> tuple[str, Any]:
    """What a process says next."""
    try:
        return pipe.recv()
    except (EOFError, ConnectionError) as error:
        raise GraphError(
            "a worker process died; check the free memory, and in a script of your own put the call under "
            'if __name__ == "__main__":'
        ) from error


def run_one(task: Callable[..., Any], values: tuple[Any, ...], pipe: "Connection") -> None:
    """The life of a process, started with `single_threads`."""
    torch.set_num_threads(1)  # whatever torch makes of its environment
    try:
        pipe.send(("result", task(*values, lambda *steps: pipe.send(("progress", steps)))))
    except (KeyboardInterrupt, BrokenPipeError):  # Ctrl-C, or nobody is left to hear the result
        return
    except Exception as error:
        pipe.send(("error", error))
