"""Tables and findings of the APEN experiment, and the paper's numbers. No group acts here."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from intertwine.experiments.apen.bound import Bounded, Exactness
from intertwine.experiments.apen.methods import ALONE, FOUND, GLOBAL, METHODS, ROTATED, TRUE, Method
from intertwine.experiments.outcome import Column, Number, Row, Table
from intertwine.experiments.verdict import Finding, Verdict, stays_below, together

DOUBLE, SINGLE, CONTROL = 1e-12, 1e-5, 1e-2
"""Exact at most so much, and the control at least so much."""
MARGIN = 10.0
"""Points of mIoU by which parts must beat a frame of the whole cloud."""
SOURCE = "Atzmon et al. 2024, from a summary"


@dataclass(frozen=True)
class Trained:
    """One network, trained and tested."""

    task: str
    kind: str
    method: Method
    seed: int
    weights: int
    scores: dict[str, float]
    """Per cent, by kind of pose: mIoU for parts, accuracy for subjects."""
    exact: Exactness | None
    bounded: Bounded | None


def number(values: Sequence[float]) -> Number:
    """Mean and standard deviation over seeds."""
    return Number(fmean(values), stdev(values) if len(values) > 1 else None)


def task_table(runs: Sequence[Trained]) -> Table:
    """One task: methods below each other, kinds of pose side by side."""
    unit = "mIoU, %" if runs[0].kind == "parts" else "accuracy, %"
    kinds = ("narrow", "wide", "apart", "validation, narrow", "validation, wide")
    names = ("narrow poses", "wide poses", "parts taken apart", *kinds[3:])
    columns = tuple(Column(name, unit) for name in names)
    rows = []
    for method in METHODS:
        own = [run for run in runs if run.method == method]
        rows.append(Row(method.name, "this run", tuple(number([run.scores[kind] for run in own]) for kind in kinds)))
    return Table(
        runs[0].task[0].upper() + runs[0].task[1:],
        columns,
        tuple(rows),
        PAPER[runs[0].kind],
        "± is the standard deviation over seeds. Narrow poses are as in training. Choices were made on validation. The "
        "paper's columns are other data: "
        + (
            "human scans, random split and unseen sequences."
            if runs[0].kind == "parts"
            else "disjoint poses of people."
        ),
    )


PAPER = {
    "parts": (
        Row("PointNet", SOURCE, (Number(84.4), Number(80.1), None, None, None)),
        Row("APEN, predicted partition", SOURCE, (Number(94.2), Number(93.5), None, None, None)),
    ),
    "subjects": (
        Row("PointNet", SOURCE, (None, Number(18.5), None, None, None)),
        Row("APEN, predicted partition", SOURCE, (None, Number(71.4), None, None, None)),
    ),
}


def exact_table(runs: Sequence[Trained]) -> Table:
    """Errors on the true partition."""
    rows = []
    for task in dict.fromkeys(run.task for run in runs):
        found = [run.exact for run in runs if run.task == task and run.exact is not None]
        worst = (max(e.double for e in found), max(e.single for e in found), min(e.without_frames for e in found))
        rows.append(Row(task, "this run", (Number(1e15 * worst[0]), Number(1e7 * worst[1]), Number(worst[2]))))
    return Table(
        "Error under a motion of each part, true partition",
        (Column("float64", "1e-15"), Column("float32", "1e-7"), Column("without frames", "", 3)),
        tuple(rows),
        note="Largest change of a logit over their rms, worst seed; without frames, a control, the smallest.",
    )


def bound_table(runs: Sequence[Trained]) -> Table:
    """Measured errors and bounds of the predicted partition."""
    rows = []
    for run in runs:
        if run.bounded is not None:
            b = run.bounded
            ratios = [error / limit for error, limit in zip(b.measured, b.bound) if limit > 1e-6]
            logits = (fmean(b.measured), fmean(b.bound), max(ratios, default=0.0))
            points = (100 * b.pure[0], 100 * b.pure[-1], 100 * fmean(b.covered))
            row = (*logits, *points, len(b.bound), b.violations)
            rows.append(Row(f"{run.task}, {_talk(run.method)}, seed {run.seed}", "this run", tuple(map(Number, row))))
    columns = (
        Column("measured", "logits", 2),
        Column("bound", "logits", 2),
        Column("largest ratio", "", 2),
        Column("points in pure first cells", "%"),
        Column("in pure last parts", "%"),
        Column("points covered", "%"),
        Column("clouds and motions", "", 0),
        Column("bound fails", "", 0),
    )
    note = (
        "Talking or alone: parts that touch tell each other what they are, or do not. "
        "A point is covered where the partitions before and after the motion make the network exact; see not_covered."
    )
    return Table("Measured error and bound, predicted partition, wide poses", columns, tuple(rows), note=note)


def bound_picture(run: Trained) -> str:
    """File of its measured errors over their bounds.

    Example:
        >>> from intertwine.experiments.apen.methods import FOUND
        >>> bound_picture(Trained("rooms, pieces", "parts", FOUND, 0, 1, {}, None, None))
        'bound-rooms-pieces-talking-seed0.png'
    """
    return f"bound-{run.task.replace(', ', '-')}-{_talk(run.method)}-seed{run.seed}.png"


def judge(runs: Sequence[Trained], *, decided: bool) -> list[Finding]:
    """What the numbers say about each part of the claim."""
    tasks = dict.fromkeys(run.task for run in runs if run.kind == "parts")
    gains = [_gain([run for run in runs if run.task == task], decided) for task in tasks]
    return [_exact(runs), *gains, _subjects(runs, decided), _bound(runs)]


def _exact(runs: Sequence[Trained]) -> Finding:
    """A network that gives all clouds the same answer would be exact too: where the control is, nothing is shown."""
    found = [(run.task, run.exact) for run in runs if run.exact is not None]
    double, single = max(e.double for _, e in found), max(e.single for _, e in found)
    blind = dict.fromkeys(task for task, e in found if e.without_frames < CONTROL)
    exact = Verdict.reproduced if double <= DOUBLE and single <= SINGLE else Verdict.not_reproduced
    return Finding(
        f"on the true partition the network is exact, {DOUBLE:g} in float64 and {SINGLE:g} in float32",
        Verdict.not_decided if blind and exact == Verdict.reproduced else exact,
        f"worst {double:.1e} and {single:.1e}; without frames at least {min(e.without_frames for _, e in found):.1e}"
        + (f": {', '.join(blind)} learnt nothing that could change." if blind else "."),
    )


def _gain(runs: Sequence[Trained], decided: bool) -> Finding:
    """Of one task."""
    gains = _gains(runs, "wide", FOUND, [GLOBAL])
    narrow, true = _gains(runs, "narrow", FOUND, [GLOBAL]), _gains(runs, "wide", TRUE, [GLOBAL])
    alone, both = _gains(runs, "wide", ALONE, [GLOBAL]), _gains(runs, "wide", FOUND, [GLOBAL, ROTATED])
    return Finding(
        f"{runs[0].task}, wide poses: the predicted partition gains at least {MARGIN:g} mIoU over a frame of the cloud",
        stays_below(-MARGIN, [-gain for gain in gains]) if decided else Verdict.not_decided,
        f"it gains {_range(gains)}, over the better of both networks that see one part {_range(both)}, and in narrow "
        f"poses {_range(narrow)} over the frame; parts that do not talk gain {_range(alone)}, true {_range(true)}.",
    )


def _subjects(runs: Sequence[Trained], decided: bool) -> Finding:
    verdicts, words = [], []
    for task in dict.fromkeys(run.task for run in runs if run.kind == "subjects"):
        gains = _gains([run for run in runs if run.task == task], "wide", FOUND, [ROTATED, GLOBAL])
        verdicts.append(stays_below(0.0, [-gain for gain in gains]))
        words.append(f"{task}: {_range(gains)} points over the best of the others")
    return Finding(
        "it names subjects in wide poses better than every network that sees the cloud as one part",
        together(verdicts) if decided else Verdict.not_decided,
        "; ".join(words) + "." if words else "no such task in this data.",
    )


def _bound(runs: Sequence[Trained]) -> Finding:
    found = [run.bounded for run in runs if run.bounded is not None]
    fails, clouds = sum(b.violations for b in found), sum(len(b.bound) for b in found)
    return Finding(
        "the bound holds on every test cloud",
        Verdict.not_reproduced if fails else Verdict.reproduced,
        f"it fails for {fails} of {clouds} clouds and motions.",
    )


def _gains(runs: Sequence[Trained], kind: str, method: Method, over: Sequence[Method]) -> list[float]:
    """Points of a method over the best of others in one kind of poses, seed by seed; runs of one task."""
    by = {(run.method.name, run.seed): run.scores[kind] for run in runs}
    seeds = sorted({seed for _, seed in by})
    return [by[method.name, seed] - max(by[other.name, seed] for other in over) for seed in seeds]


def _talk(method: Method) -> str:
    return "talking" if method.exchange else "alone"


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}"
