"""Workers that live on from task to task: processes of this machine, or actors of ray. No group acts here."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.connection import wait
from typing import Any, Protocol

import torch

from intertwine.potentials.data.workers import single_threads

Task = Callable[[Any], Any]
"""What a worker does with a unit of work."""


@dataclass(frozen=True)
class Reply:
    """What became of a unit of work: a result, the error it raised, or the death of its worker in words."""

    unit: Any
    result: Any = None
    error: Exception | None = None
    death: str | None = None


class Crew(Protocol):
    """Some workers."""

    def free(self) -> int:
        """How many have nothing to do."""
        ...

    def give(self, unit: Any) -> None:
        """Hand a unit to one that is free."""
        ...

    def next(self) -> Reply:
        """Wait for the next reply; in the place of a worker that died there is a new one."""
        ...

    def dismiss(self) -> None:
        """End all workers."""
        ...


class ProcessCrew:
    """Processes of one thread each, none of which shares memory with this one.

    Where the system can, they are forked from a server that has imported what the task needs and done nothing else, so
    that a new worker is there at once.

    Args:
        prepare: a function of a module that makes the task, called once in every worker.
    """

    def __init__(self, prepare: Callable[..., Task], arguments: tuple[Any, ...], workers: int):
        method = "forkserver" if "forkserver" in get_all_start_methods() else "spawn"
        self._context: Any = get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload([__name__, prepare.__module__])
        self._start = prepare, arguments
        self._idle = [self._hire() for _ in range(workers)]
        self._busy: dict[Any, tuple[Any, Any]] = {}

    def free(self) -> int:
        """How many have nothing to do."""
        return len(self._idle)

    def give(self, unit: Any) -> None:
        """Hand a unit to one that is free."""
        pipe, process = self._idle.pop()
        self._busy[pipe] = process, unit
        with suppress(BrokenPipeError, ConnectionError):  # it died while it waited; next() sees that
            pipe.send(unit)

    def next(self) -> Reply:
        """Wait for the next reply."""
        pipe: Any = wait(list(self._busy))[0]
        process, unit = self._busy.pop(pipe)
        try:
            result, error = pipe.recv()
        except (EOFError, ConnectionError):
            process.join()
            pipe.close()
            self._idle.append(self._hire())
            code = process.exitcode
            return Reply(unit, death=f"signal {-code}" if code is not None and code < 0 else f"exit code {code}")
        self._idle.append((pipe, process))
        return Reply(unit, result, error)

    def dismiss(self) -> None:
        """End all workers."""
        for pipe, process in [*self._idle, *((pipe, process) for pipe, (process, _) in self._busy.items())]:
            process.terminate()
            process.join()
            pipe.close()
        self._idle, self._busy = [], {}

    def _hire(self) -> tuple[Any, Any]:
        here, there = self._context.Pipe()
        process = self._context.Process(target=work, args=(*self._start, there), daemon=True)
        with single_threads():
            process.start()
        there.close()
        return here, process


def work(prepare: Callable[..., Task], arguments: tuple[Any, ...], pipe: Any) -> None:
    """The life of a process, started with `single_threads`."""
    torch.set_num_threads(1)
    task: Task | None = None
    try:
        while True:
            unit = pipe.recv()
            try:
                task = task or prepare(*arguments)
                pipe.send((task(unit), None))
            except Exception as error:
                pipe.send((None, error))
    except (EOFError, KeyboardInterrupt, BrokenPipeError, ConnectionError):
        return


class RayCrew:
    """Actors of the ray cluster that RAY_ADDRESS or `ray start` names, or of a ray that is started here where none is.

    Args:
        prepare, arguments: as for `ProcessCrew`; files that they name have to be there on every machine.

    Raises:
        RayUnavailable: ray is not installed.
    """

    def __init__(self, prepare: Callable[..., Task], arguments: tuple[Any, ...], workers: int):
        try:
            import ray
        except ImportError as error:
            raise RayUnavailable(f'--engine ray needs ray ({error}); try: pip install "intertwine[fleet]"') from error
        self._ray, self._start = ray, (prepare, arguments)
        self._ours = not ray.is_initialized()
        if self._ours:
            places = {"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}}
            choices: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "runtime_env": places}
            try:
                ray.init(num_cpus=workers, **choices)
            except ValueError:  # a cluster has its own processors, and refuses to be told
                ray.init(**choices)
        self._actor: Any = ray.remote(num_cpus=1, max_restarts=0)(Actor)
        self._idle = [self._actor.remote(*self._start) for _ in range(workers)]
        self._busy: dict[Any, tuple[Any, Any]] = {}

    def free(self) -> int:
        """How many have nothing to do."""
        return len(self._idle)

    def give(self, unit: Any) -> None:
        """Hand a unit to one that is free."""
        actor = self._idle.pop()
        self._busy[actor.do.remote(unit)] = actor, unit

    def next(self) -> Reply:
        """Wait for the next reply."""
        (reference, *_), _ = self._ray.wait(list(self._busy), num_returns=1)
        actor, unit = self._busy.pop(reference)
        try:
            result, error = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as error:
            if "creation task" in str(error):
                raise RuntimeError(f"no worker of ray can be made: {error}") from error
            self._idle.append(self._actor.remote(*self._start))
            return Reply(unit, death="an actor of ray")
        self._idle.append(actor)
        return Reply(unit, result, error)

    def dismiss(self) -> None:
        """End all workers, and the ray that was started here."""
        for actor in [*self._idle, *(actor for actor, _ in self._busy.values())]:
            self._ray.kill(actor)
        if self._ours:
            self._ray.shutdown()


class Actor:
    """A worker of a ray cluster."""

    def __init__(self, prepare: Callable[..., Task], arguments: tuple[Any, ...]):
        torch.set_num_threads(1)
        self.start, self.task = (prepare, arguments), None

    def do(self, unit: Any) -> tuple[Any, Exception | None]:
        """Result or error of a unit."""
        try:
            prepare, arguments = self.start
            self.task = self.task or prepare(*arguments)
            return self.task(unit), None
        except Exception as error:
            return None, error


class RayUnavailable(ValueError):
    """ray is not installed."""
