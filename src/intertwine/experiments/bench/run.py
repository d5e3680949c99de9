"""One row from start to end: workers, agreement, timing in turns, memory, slopes. No group acts here."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from intertwine.experiments.bench.cases import Case
from intertwine.experiments.bench.inputs import draw_inputs
from intertwine.experiments.bench.measure import Budget, Spread, in_turns, ratios, slope
from intertwine.experiments.bench.peers import Place, find_side, repository
from intertwine.experiments.bench.pipe import Worker, WorkerError
from intertwine.experiments.bench.result import Entry, Limits, Memory, RowResult
from intertwine.experiments.bench.row import NAME, OURS, BenchError, Row, Side
from intertwine.experiments.bench.team import Built, Team, paths_of
from intertwine.experiments.bench.work import work
from intertwine.experiments.machine import this_machine

Report = Callable[[str], None]
GEMM, COPY = 2048, 2**26
"""Side of the square matrices, and floats in the copied array (more than any cache holds)."""


@dataclass(frozen=True)
class Options:
    """How to run; `quick` takes few sizes and few repeats and proves only that every row runs."""

    threads: tuple[int, ...] = (1, 2)
    budget: Budget = field(default_factory=Budget)
    build_limit: float = 90.0
    quick: bool = False
    root: Path | None = field(default_factory=repository)
    command: str = "intertwine bench"


def measure_limits(threads: int, *, repeats: int = 5) -> Limits:
    """The rate of a large GEMM and of a large copy: the best of some repeats."""
    with Worker(OURS, threads=threads) as worker:
        worker.receive(limit=120.0)
        case = {"size": GEMM, "length": COPY}
        worker.ask({"do": "build", "row": "limits", "case": case, "inputs": "/nowhere", "outputs": "", "run": []})
        best = {
            name: min(
                worker.ask({"do": "time", "pass": name, "calls": 1, "warm": True})["wall"] for _ in range(repeats)
            )
            for name in ("gemm", "copy")
        }
    return Limits(flops=2 * GEMM**3 / best["gemm"], bytes=2 * 4 * COPY / best["copy"])


def run_row(row: Row, options: Options, limits: dict[int, Limits], report: Report = lambda words: None) -> RowResult:
    """Measure one row.

    Raises:
        BenchError: a case without a live path, which would time nothing.
    """
    begun, start = time.perf_counter(), os.getloadavg()[0]
    cases = row.cases(row.quick if options.quick else row.degrees)
    for case in cases:
        if paths_of(case) == 0:
            raise BenchError(f"row {row.key}: {case.label} has no live path, so there is nothing to time")
    places = {side.name: find_side(side, options.root) for side in row.sides}
    entries: list[Entry] = []
    versions: dict[str, dict[str, str]] = {}
    first_call: dict[str, float] = {}
    for threads in options.threads:
        with (
            TemporaryDirectory() as folder,
            Team(row, places, threads, Path(folder), options.build_limit) as team,
        ):
            for case in cases:
                report(f"{row.key} {case.label}, {threads} threads: building")
                built = team.build(case)
                first_call.setdefault(case.label, built.first_call.get("forward", float("nan")))
                for which in case.passes or row.passes:
                    report(f"{row.key} {case.label}, {threads} threads: {which}")
                    entries.append(_entry(row, case, which, threads, team, built, options.budget, limits[threads]))
            versions |= team.versions
    return RowResult(
        row=row.key,
        title=row.title,
        counted=row.counted,
        command=options.command,
        machine=asdict(this_machine()) | {"python": platform.python_version()},
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=time.perf_counter() - begun,
        load={"start": start, "end": os.getloadavg()[0]},
        versions=versions,
        limits=limits,
        entries=entries,
        memory=_memory(row, cases, places, report) if row.weighed or row.memory is not None else [],
        slopes=_slopes(row, entries),
        first_call={name: seconds for name, seconds in first_call.items() if seconds == seconds},
        quick=options.quick,
    )


def _entry(row, case, which: str, threads: int, team: Team, built: Built, budget: Budget, limit: Limits) -> Entry:
    clock = "cpu" if threads == 1 else "wall"
    clocks = team.clocks(built, which)
    notes = {side.name: _why(side.name, which, built) for side in row.sides if side.name not in clocks}
    seconds, calls = in_turns(clocks, clock, budget) if clocks else ({}, {})
    amount = work(row.key, case, which)
    ours = Spread.of(seconds[NAME]).median if NAME in seconds else None
    bound = amount.bound(limit.flops, limit.bytes) if amount else None
    return Entry(
        case=case.label,
        setting=case.setting,
        degree=case.degree,
        which=which,
        threads=threads,
        clock=clock,
        paths=paths_of(case),
        repeats=max((len(values) for values in seconds.values()), default=0),
        seconds={name: Spread.of(values) for name, values in seconds.items()},
        calls=calls,
        ratios=ratios(seconds, NAME) if ours else {},
        notes=notes,
        agreement={name: found[which] for name, found in built.agreement.items() if which in found},
        flops=amount.flops if amount else None,
        bytes=amount.bytes if amount else None,
        fraction=bound / ours if bound and ours else None,
    )


def _why(name: str, which: str, built: Built) -> str:
    for key in (f"{name}/{which}", name):
        if key in built.notes:
            return built.notes[key]
    return "not available" if name in built.passes else "not timed"


def _memory(row: Row, cases, places: dict[str, Place | str], report: Report) -> list[Memory]:
    """Every side's, case by case, in processes that did nothing before."""
    found = []
    for case in (case for case in cases if case.degree in row.memory_degrees):
        bytes_, notes = {}, {}
        for side in row.sides:
            place = places[side.name]
            if isinstance(place, str):
                notes[side.name] = place
            elif not side.covers(case):
                notes[side.name] = f"not run: {side.left_out}"
            else:
                report(f"{row.key} {case.label}: memory of {side.name}")
                try:
                    bytes_[side.name] = _bytes(row, case, side, place)
                except WorkerError as error:
                    notes[side.name] = str(error)
        found.append(Memory(case.label, case.degree, bytes_, notes))
    return found


def _bytes(row: Row, case: Case, side: Side, place: Place) -> int:
    with TemporaryDirectory() as folder, Worker(place.script, threads=1, python=place.python) as worker:
        for name, values in draw_inputs(row.key, case).items():
            np.save(Path(folder) / f"{name}.npy", values, allow_pickle=False)
        data = {**case.data, "variant": side.variant}
        worker.receive()
        worker.ask({"do": "build", "row": row.key, "case": data, "inputs": folder, "outputs": "", "run": []})
        return worker.ask({"do": "memory", "pass": row.memory_pass})["bytes"]


def _slopes(row: Row, entries: Sequence[Entry]) -> dict[str, dict[str, float]]:
    """Exponents of L for every line of cases that has at least three sizes."""
    found: dict[str, dict[str, float]] = {}
    for setting, which, threads in dict.fromkeys((each.setting, each.which, each.threads) for each in entries):
        line = [
            each
            for each in entries
            if (each.setting, each.which, each.threads) == (setting, which, threads) and each.degree >= row.slope_from
        ]
        for name in {name for each in line for name in each.seconds}:
            points = [(each.degree, each.seconds[name].median) for each in line if name in each.seconds]
            exponent = slope(*zip(*points)) if len(points) > 2 and row.asymptotic else None
            if exponent is not None:
                key = f"{setting} {which}, {threads} thread{'s' if threads > 1 else ''}".strip()
                found.setdefault(key, {})[name] = exponent
    return found
