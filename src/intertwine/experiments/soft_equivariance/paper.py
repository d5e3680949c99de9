"""System 4: do penalties towards candidate symmetries find the true one, and help? O(3) and scalings act on `dim`.

Read from top to bottom: claim, budgets, run, tables, verdict. `tasks` holds the data,
`methods` the trainings, `kept` what a run that was cut off leaves.
"""

import math
import shutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev

import torch

from intertwine.experiments.experiment import Budget, Experiment, Stage
from intertwine.experiments.outcome import Column, Measured, Number, Row, Table
from intertwine.experiments.soft_equivariance import mocap
from intertwine.experiments.soft_equivariance.kept import kept
from intertwine.experiments.soft_equivariance.methods import (
    FREE,
    HARD,
    LOOSE,
    OURS,
    PER,
    RPP,
    TRUE,
    Fit,
    Grid,
    Plan,
    compare,
)
from intertwine.experiments.soft_equivariance.tasks import Task, bodies, cosines, inertia
from intertwine.experiments.verdict import Finding, Verdict, stays_below
from intertwine.learning.find_symmetries import BROKEN
from intertwine.learning.stacked_training import Course
from intertwine.potentials.data.workers import core_count, run_in_processes

CLAIM = (
    "Penalties towards candidate symmetries with automatic strengths give a lower error than residual pathway priors "
    "and than free weights, and the strengths they end with are ordered as the true symmetries."
)

# ---- budgets


@dataclass(frozen=True)
class Size:
    """How much is trained, and on what."""

    plan: Plan
    samples: int = 1000
    """For training, and as many for validation and for tests."""
    axes: tuple[int, ...] = (0, 1, 2)
    breaks: tuple[float, ...] = (0.3, 0.9)
    """Strengths with which inertia breaks O(3)."""
    cosine: float = 0.3
    """The same for cosines."""
    kept: tuple[tuple[str, ...], ...] = (("O(3)", "scaling"), ("O(3)",), ("scaling",))
    decides: bool = False
    """Whether the training is long enough for a verdict."""


SMOKE = Size(
    Plan(Course(15, batch_size=32, learning_rate=1e-2, looks=2), channels=2, layers=1, grid=Grid((1.0,), (0.0,))),
    samples=64,
    axes=(2,),
    breaks=(0.9,),
    kept=(("scaling",),),
)
SMALL = Size(
    Plan(Course(3000, batch_size=32, learning_rate=5e-3), channels=5, grid=Grid((0.1, 10.0), (0.0, 2e-4))),
    breaks=(0.3,),
)
FULL = Size(Plan(Course(10000, batch_size=32), channels=5), decides=True)
BUDGETS = {
    "smoke": Budget(0.5, "a few steps of tiny networks show that everything runs; nothing is learned", SMOKE, seeds=2),
    "small": Budget(8.0, "3000 steps on two cores, two strengths to choose from, far from converged", SMALL, seeds=3),
    "full": Budget(60.0, "10 000 steps and the grid of strengths of the notes, on two cores", FULL, seeds=3),
}

# ---- run


def families(size: Size, data: Path | None) -> dict[str, list[Callable[..., Task]]]:
    """Every task of a budget, not yet made; those of one form, which are trained side by side, under one name."""
    found: dict[str, list[Callable[..., Task]]] = {
        f"inertia {strength:g}": [partial(inertia, axis, strength) for axis in size.axes] for strength in size.breaks
    }
    return {
        **found,
        "cosines": [partial(cosines, kept, size.cosine) for kept in size.kept],
        "bodies": [partial(bodies, data)],
    }


METHODS = 7


def run_family(
    size: Size, name: str, data: Path | None, seeds: tuple[int, ...], folder: Path, report: Stage
) -> list[Fit]:
    """Every method on one family, in a process of its own; what it finds stays in the folder until all is done."""
    tasks = [
        make(seeds=len(seeds), samples=size.samples, generator=torch.Generator().manual_seed(seeds[0]))
        for make in families(size, data)[name]
    ]
    words, done = repr((size, name, data, seeds)), 0

    def keep(method: str, make: Callable[[], list[Fit]]) -> list[Fit]:
        nonlocal done
        report(f"{name}: {method}", done, METHODS)
        done += 1
        return kept(folder / f"{name}, {method.replace(':', '')}.json", words, make)

    return compare(tasks, size.plan, seed=seeds[0], keep=keep)


def fits_folder(out: Path, size: Size, data: Path | None, seeds: Sequence[int]) -> Path:
    """Another one for every plan, so that a run of another budget in between takes nothing away."""
    return out / f"fits-{zlib.crc32(repr((size, data, tuple(seeds))).encode()):08x}"


def measure(size: Size, *, data: Path | None, seeds: Sequence[int], out: Path, progress: Stage) -> Measured:
    """Every method on every task."""
    mocap.describe(data)
    folder = fits_folder(out, size, data, seeds)
    jobs = [(size, name, data, tuple(seeds), folder) for name in families(size, data)]
    results: list[list[Fit]] = run_in_processes(
        run_family, jobs, workers=min(core_count(), len(jobs)), progress=progress
    )
    fits = [fit for each in results for fit in each]
    course, grid = size.plan.course, size.plan.grid
    measured = Measured(
        tables=(error_table(fits), strength_table(fits)),
        findings=judge(fits, decides=size.decides),
        remarks=(
            f"every method chose one of {len(grid.strengths)} strengths or weight decays by validation and "
            f"took {course.steps} steps of {course.batch_size} samples; the same for all.",
            *gradient_rule(fits),
        ),
    )
    shutil.rmtree(folder)
    return measured


# ---- tables and verdict


def error_table(fits: Sequence[Fit]) -> Table:
    """Test errors, one row a task."""
    methods = [FREE, HARD, TRUE, RPP, LOOSE, PER, OURS]
    rows = []
    for task in dict.fromkeys(fit.task for fit in fits):
        found = {fit.method: spread(fit.test) for fit in fits if fit.task == task}
        rows.append(Row(task, "this run", tuple(found.get(method) for method in methods)))
    columns = tuple(Column(method, "1e-3 of mean square", 2) for method in methods)
    return Table("Mean squared error on the test set", columns, tuple(rows), note=SPREAD)


def strength_table(fits: Sequence[Fit]) -> Table:
    """What the rules made of every candidate."""
    rules, rows = (LOOSE, PER, OURS), []
    for fit in fits:
        if fit.method != OURS:
            continue
        found = [next(other for other in fits if (other.task, other.method) == (fit.task, rule)) for rule in rules]
        for i, name in enumerate(fit.candidates):
            shares = [spread([1e-3 * each[i] for each in rule.strengths]) for rule in found]
            score = spread([1e-3 * each[i] for each in fit.scores])
            said = "true" if name in fit.true else "broken"
            rows.append(Row(f"{fit.task}: {name} ({said})", "this run", (*shares, score)))
    columns = *(Column(rule, "of largest", 3) for rule in rules), Column("gradient score", "noise", 1)
    note = f"{SPREAD} A score above {BROKEN:g} counts as broken."
    return Table("Strengths of the candidates after automatic tuning", columns, tuple(rows), note=note)


def gradient_rule(fits: Sequence[Fit]) -> tuple[str, str]:
    """What our rule says before any soft training, with the candidates that do hold as its control."""
    ours = [fit for fit in fits if fit.method == OURS]
    scores = [
        (name in fit.true, score) for fit in ours for each in fit.scores for name, score in zip(fit.candidates, each)
    ]
    hits, alarms = ([score > BROKEN for true, score in scores if true == holds] for holds in (False, True))
    right = [ordered for fit in ours for ordered in fit.ordered]
    return (
        f"our gradient rule, no part of the paper's claim, reads a hard model: it called {sum(hits)} of {len(hits)} "
        f"broken candidates broken and, as a control, {sum(alarms)} of {len(alarms)} that hold.",
        f"strengths set by it were ordered as the true symmetries in {sum(right)} of {len(right)} trainings.",
    )


def judge(fits: Sequence[Fit], *, decides: bool) -> tuple[Finding, ...]:
    """The paper's claim in three parts."""
    ordered = [fit.ordered for fit in fits if fit.method == PER and fit.ordered]
    wrong = [1.0 - mean(map(float, each)) for each in zip(*ordered)]
    by_lot = sum(len(fit.ordered) / math.comb(len(fit.candidates), len(fit.true)) for fit in fits if fit.method == PER)
    parts = [
        _compared(fits, RPP),
        _compared(fits, FREE),
        (
            "strengths of the penalty rule are ordered as the true symmetries",
            stays_below(0.0, wrong),
            f"Right in {sum(map(sum, ordered))} of {sum(map(len, ordered))} trainings; by lot, in {by_lot:.1f}.",
        ),
    ]
    return tuple(Finding(said, verdict if decides else Verdict.not_decided, why) for said, verdict, why in parts)


def _compared(fits: Sequence[Fit], other: str) -> tuple[str, Verdict, str]:
    errors = {(fit.method, fit.task): fit.test for fit in fits}
    tasks = [task for method, task in errors if method == PER]
    logs = [[math.log(a / b) for a, b in zip(errors[PER, task], errors[other, task])] for task in tasks]
    ratios = [math.exp(mean(each)) for each in zip(*logs)]
    lower = sum(sum(each) < 0 for each in logs)
    each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    why = f"Error over that of {other}, geometric mean over tasks, for each seed: {each}; "
    return (
        f"PER has a lower error than {other}",
        stays_below(1.0, ratios),
        f"{why}lower on {lower} of {len(tasks)} tasks.",
    )


SPREAD = "Mean and standard deviation over seeds."


def spread(values: Sequence[float]) -> Number:
    """Mean and standard deviation, in thousandths."""
    return Number(1e3 * mean(values), 1e3 * stdev(values) if len(values) > 1 else None)


EXPERIMENT = Experiment(
    name="soft-equivariance",
    system=4,
    title="Soft equivariance under mixed symmetries",
    claim=CLAIM,
    reference="Kim, Lee, Yang, Lee, ICML 2023, arXiv:2306.00356",
    budgets=BUDGETS,
    measure=measure,
    describe_data=mocap.describe,
)
