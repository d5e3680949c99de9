"""Tasks in processes: results in order, one thread each, errors and deaths told."""

import os
from pathlib import Path

import pytest
import torch

from intertwine.potentials.data.workers import core_count, run_in_processes
from intertwine.potentials.structures.graph import GraphError


def squared(number: int, report) -> tuple[int, int, str | None]:
    report("square", number, 3)
    return number**2, torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")


def first_environment(report) -> str:
    """What the process was started with, whatever it has set since."""
    words = Path("/proc/self/environ").read_bytes().split(b"\0")
    return next(word for word in words if word.startswith(b"OPENBLAS_NUM_THREADS=")).decode().partition("=")[2]


def failing(words: str, report) -> None:
    raise GraphError(words)


def dying(report) -> None:
    os._exit(9)


def test_results_come_in_order_from_single_threads_and_this_process_stays_as_it_was():
    threads, variable, seen = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS"), []
    results = run_in_processes(squared, [(3,), (1,), (2,)], workers=2, progress=lambda *call: seen.append(call))
    assert results == [(9, 1, "1"), (1, 1, "1"), (4, 1, "1")]
    assert sorted(seen) == [("square", 1, 3), ("square", 2, 3), ("square", 3, 3)]
    assert (torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")) == (threads, variable)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the first environment is read from /proc")
def test_linear_algebra_of_a_worker_has_one_thread_from_its_start(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert run_in_processes(first_environment, [()]) == ["1"]
    assert os.environ["OPENBLAS_NUM_THREADS"] == "2"


def test_error_of_a_task_arrives_as_it_was_raised():
    with pytest.raises(GraphError, match="frame 3 is bad"):
        run_in_processes(failing, [("frame 3 is bad",)], workers=1)


def test_process_that_dies_is_an_error_and_not_an_endless_wait():
    with pytest.raises(GraphError, match="a worker process died"):
        run_in_processes(dying, [()], workers=1)


def test_no_tasks_no_results():
    assert run_in_processes(squared, []) == []
    assert core_count() >= 1
