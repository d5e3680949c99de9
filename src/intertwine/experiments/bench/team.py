"""All sides of a row at one number of threads: started once, each case built by all and checked. No group acts here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from intertwine.experiments.bench.agreement import Disagreement, compare, load
from intertwine.experiments.bench.cases import Case
from intertwine.experiments.bench.inputs import draw_inputs
from intertwine.experiments.bench.matching import DifferentSpan, change_of_basis
from intertwine.experiments.bench.measure import Clock
from intertwine.experiments.bench.peers import Place
from intertwine.experiments.bench.pipe import Worker, WorkerError, WorkerGone
from intertwine.experiments.bench.row import NAME, Row, Side
from intertwine.o3.irreps import Irreps

START_LIMIT = 120.0
SAMPLES = 300


@dataclass
class Built:
    """A case as the sides built it."""

    agreement: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """Largest difference from ours, by side, pass and array."""
    notes: dict[str, str] = field(default_factory=dict)
    """Why a side is not timed, by side, or by side and pass with a slash between."""
    first_call: dict[str, float] = field(default_factory=dict)
    """Seconds to build ours and call it for the first time, by pass."""
    passes: dict[str, list[str]] = field(default_factory=dict)
    """What can be timed, by side."""


class Team:
    """The workers of a row; use it as a context.

    Args:
        places: where each side runs, or why it does not.
        folder: for the arrays that the workers exchange.
        build_limit: seconds after which a side that still builds is given up.
    """

    def __init__(self, row: Row, places: Mapping[str, Place | str], threads: int, folder: Path, build_limit: float):
        self.row, self.folder, self.build_limit = row, folder, build_limit
        self.out = {name: place for name, place in places.items() if isinstance(place, str)}
        """Sides that take no part any more, and why."""
        self.versions: dict[str, dict[str, str]] = {}
        self.workers = {
            name: Worker(place.script, threads=threads, python=place.python)
            for name, place in places.items()
            if isinstance(place, Place)
        }
        for name in list(self.workers):
            try:
                self.versions[name] = self.workers[name].receive(limit=START_LIMIT)["versions"]
            except WorkerError as error:
                self._give_up(name, f"did not start: {error}")

    def build(self, case: Case) -> Built:
        """Have every side build the case, and compare what they compute."""
        built = Built(notes=dict(self.out))
        sides = {side.name: side for side in self.row.sides if side.name in self.workers}
        for side in list(sides.values()):
            if not side.covers(case):
                built.notes[side.name] = f"not run: {side.left_out}"
                del sides[side.name]
        inputs, matrices = self._inputs(case, sides, built)
        commands = {name: self._command(case, sides[name], arrays) for name, arrays in inputs.items()}
        answers = self._ask(case, commands, built)
        if NAME in answers:
            first = answers[NAME]
            built.first_call = {name: first["build"] + seconds for name, seconds in first["first"].items()}
        for name, answer in answers.items():
            built.passes[name] = [each for each in answer["passes"] if each in self.row.passes]
            built.notes |= {f"{name}/{each}": f"failed: {reason}" for each, reason in answer["failed"].items()}
        self._compare(built, matrices)
        return built

    def clocks(self, built: Built, which: str) -> dict[str, Clock]:
        """What times one pass on every side that has it and agrees."""
        return {
            name: partial(self._clock, name, which)
            for name, passes in built.passes.items()
            if which in passes and name in self.workers and f"{name}/{which}" not in built.notes
        }

    def _clock(self, name: str, which: str, calls: int, warm: bool) -> dict[str, float]:
        return self.workers[name].ask({"do": "time", "pass": which, "calls": calls, "warm": warm})

    def _command(self, case: Case, side: Side, inputs: Mapping[str, np.ndarray], row: str = "") -> dict[str, Any]:
        folder = self.folder / side.name
        for old in folder.rglob("*.npy"):
            old.unlink()
        (folder / "inputs").mkdir(parents=True, exist_ok=True)
        for name, values in inputs.items():
            np.save(folder / "inputs" / f"{name}.npy", values, allow_pickle=False)
        return {
            "do": "build",
            "row": row or self.row.key,
            "case": {**case.data, "variant": side.variant},
            "inputs": str(folder / "inputs"),
            "outputs": str(folder / "outputs"),
            "run": ["basis"] if row else list(self.row.passes),
        }

    def _ask(self, case: Case, commands: Mapping[str, dict[str, Any]], built: Built) -> dict[str, dict[str, Any]]:
        """Answers of the sides that have one: ours first and alone, so that its first call is timed in peace."""
        answers: dict[str, dict[str, Any]] = {}
        ours = {name: command for name, command in commands.items() if name == NAME}
        for group in (ours, {name: command for name, command in commands.items() if name != NAME}):
            for name, command in group.items():
                self.workers[name].send(command)
            for name in group:
                try:
                    answers[name] = self.workers[name].receive(limit=self.build_limit)
                except WorkerGone as error:
                    self._give_up(name, f"not timed: building {case.label} {error}")
                    built.notes[name] = self.out[name]
                except WorkerError as error:
                    built.notes[name] = f"failed: {error}"
        return answers

    def _inputs(
        self, case: Case, sides: Mapping[str, Side], built: Built
    ) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, np.ndarray]]:
        """Inputs by side; for contractions also the matrices that turn our weights into theirs."""
        shared = draw_inputs(self.row.key, case)
        if not self.row.matched:
            return dict.fromkeys(sides, shared), {}
        dim = Irreps(case.data["irreps_in"]).dim
        samples = np.random.default_rng(1).standard_normal((SAMPLES, dim))
        commands = {
            name: self._command(case, side, {"samples": samples}, row=f"{self.row.key} basis")
            for name, side in sides.items()
        }
        answers = self._ask(case, commands, built)
        for name, answer in answers.items():
            for reason in answer["failed"].values():
                built.notes[name] = f"failed: {reason}"
        bases = {
            name: load(self.folder / name / "outputs" / "basis")["basis"]
            for name, answer in answers.items()
            if not answer["failed"]
        }
        if NAME not in bases:
            return {}, {}
        count = len(bases[NAME])
        size = (case.data["elements"], count, case.data["channels"])
        weight = np.random.default_rng(2).standard_normal(size) / count**0.5
        inputs, matrices, wider = {}, {}, self.row.matched == "wider"
        for name, basis in bases.items():
            try:
                matrices[name] = np.eye(count) if name == NAME else change_of_basis(basis, bases[NAME], wider=wider)
            except DifferentSpan as reason:
                built.notes[name] = f"refused: {reason}"
                continue
            theirs = np.einsum("qp,epc->eqc", matrices[name], weight).astype(np.float32)
            inputs[name] = {**shared, "weight": theirs}
        return inputs, matrices

    def _compare(self, built: Built, matrices: Mapping[str, np.ndarray]) -> None:
        """Drop every pass of a side whose arrays are not ours."""
        for name in list(built.passes):
            if name == NAME:
                continue
            for which in list(built.passes[name]):
                ours, theirs = (load(self.folder / each / "outputs" / which) for each in (NAME, name))
                if not ours or not theirs:  # failed, and noted
                    continue
                if name in matrices and "gradient of weight" in theirs:
                    theirs["gradient of weight"] = np.einsum(
                        "qp,eqc->epc", matrices[name], theirs["gradient of weight"].astype(np.float64)
                    )
                try:
                    built.agreement.setdefault(name, {})[which] = compare(ours, theirs)
                except Disagreement as reason:
                    built.notes[f"{name}/{which}"] = f"refused: {reason}"

    def _give_up(self, name: str, reason: str) -> None:
        self.out[name] = reason
        self.workers.pop(name).close()

    def __enter__(self) -> "Team":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers.values():
            worker.close()


def paths_of(case: Case) -> int | None:
    """Live paths of a case that is given by its paths."""
    paths: Sequence[Any] | None = case.data.get("paths")
    return None if paths is None else len(paths)
