"""The numbers of the Facet experiment: fits, errors and costs, and what they say. No group acts here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from intertwine.experiments.outcome import Column, Number, Row, Table
from intertwine.experiments.three_bpa import TEMPERATURES
from intertwine.experiments.timing import Quartiles
from intertwine.experiments.verdict import Finding, Verdict, stays_below, together
from intertwine.potentials.models.models import ModelName

OURS, PAPER = "this run", "Miklaucic et al. 2025"
LEAST_R2, LEAST_SAVING, UNCHANGED = 0.99, 0.2, 1.02
"""Of the claim; and by how much errors may grow and still count as unchanged."""
LEARNED = 0.25
"""Models are compared once their force error at 300 K is below this part of the forces themselves."""
Errors = Mapping[str, Mapping[str, float]]
"""`SetResult.metrics` by set, coldest first."""

# ---- what was measured


@dataclass(frozen=True)
class Trained:
    """What one training gave."""

    kind: ModelName
    seed: int
    parameters: int
    epochs: int
    seconds: float
    """Of training alone."""
    errors: Errors
    smaller: tuple["Smaller", ...]
    """Its compressions, with the waves of the network and with as many as it takes."""


@dataclass(frozen=True)
class Smaller:
    """A compression and its errors."""

    waves: int
    r2: float
    """Of the layer that lost most."""
    saving: float
    """Share of the parameters."""
    errors: Errors


# ---- tables


def accuracy_table(runs: Sequence[Trained], steps: Mapping[str, Quartiles]) -> Table:
    """Errors of models that were trained for the same time."""
    columns = (
        Column("parameters", "", 0),
        Column("a step", "ms", 1),
        Column("training", "s", 0),
        *(Column(f"energy {kelvin} K", "meV/atom", 2) for kelvin in TEMPERATURES),
        *(Column(f"force {kelvin} K", "meV/Å") for kelvin in TEMPERATURES),
    )
    rows = []
    for kind in steps:
        mine = [run for run in runs if run.kind == kind]
        clocked = Number(1000 * steps[kind].median, 1000 * steps[kind].spread)
        cost = (Number(float(mine[0].parameters)), clocked, _over([run.seconds for run in mine]))
        rows.append(Row(kind, OURS, (*cost, *_errors([run.errors for run in mine]))))
    note = (
        "Root mean square errors; ± is the standard deviation over seeds. A step: loss and gradient of a batch, in "
        "turns in one process, median, ± half of the middle half; the epochs of each model are chosen by it to take "
        "the same time. Trainings ran side by side with a thread each. The paper's MPTrj is not repeated."
    )
    return Table("Accuracy for the same compute", columns, tuple(rows), (), note)


def compression_table(runs: Sequence[Trained]) -> Table:
    """Fit, size and errors of compressed potentials, beside the potentials they come from."""
    mine = [run for run in runs if run.smaller]
    columns = (
        Column("R2, least", "%", 4),
        Column("parameters", "% less"),
        *(Column(f"energy {kelvin} K", "meV/atom", 2) for kelvin in TEMPERATURES),
        *(Column(f"force {kelvin} K", "meV/Å") for kelvin in TEMPERATURES),
    )
    rows = [Row("trained", OURS, (None, None, *_errors([run.errors for run in mine])))]
    for index, name in enumerate(("as many waves as before", "as many as it takes")):
        found = [run.smaller[index] for run in mine]
        fit = _over([100 * each.r2 for each in found]), _over([100 * each.saving for each in found])
        waves = " or ".join(str(count) for count in sorted({each.waves for each in found}))
        rows.append(Row(f"{name} ({waves})", OURS, (*fit, *_errors([each.errors for each in found]))))
    empty = (None,) * (2 * len(TEMPERATURES))
    paper = (Row("SevenNet-0, as many as before", PAPER, (Number(99.07), Number(25.9), *empty)),)
    note = (
        "Radial networks of the MACE-like model fitted by least squares at the distances of its training set; R2 of "
        "the worst layer. The paper's model is another, with larger networks and other data."
    )
    return Table("Compression of the radial networks", columns, tuple(rows), paper, note)


def judge(runs: Sequence[Trained]) -> list[Finding]:
    """What the numbers say about compression and accuracy."""
    mine = [run for run in runs if run.smaller]
    same, enough = ([run.smaller[index] for run in mine] for index in (0, 1))
    raw = max(_share(run) for run in runs)
    untrained = f" Not judged: forces at 300 K are off by {raw:.0%} of their size; {LEARNED:.0%} counts as trained."
    untrained = untrained if raw > LEARNED else ""
    growth = [_growth(one.errors, run.errors) for run, one in zip(mine, enough, strict=True)]
    few = [_growth(one.errors, run.errors) for run, one in zip(mine, same, strict=True)]
    ratios = [
        each
        for seed in {run.seed for run in runs}
        for each in _ratios(
            *(next(run for run in runs if (run.kind, run.seed) == (kind, seed)) for kind in ("mace", "facet"))
        )
    ]
    savings = [each.saving for each in enough]
    return [
        Finding(
            "radial networks are linear maps of waves to R2 above 99 %",
            Verdict.not_decided if untrained else stays_below(1 - LEAST_R2, [1 - each.r2 for each in enough]),
            f"R2 {_span([100 * each.r2 for each in enough], '%')}. With as many waves as before, as in the paper, "
            f"{_span([100 * each.r2 for each in same], '%')}, and force errors {_span(few, 'times')} as large."
            f"{untrained}",
        ),
        Finding(
            "compression takes over 20 % of the parameters away at unchanged errors",
            together(
                [
                    stays_below(-LEAST_SAVING, [-each for each in savings]),
                    Verdict.not_decided if untrained else stays_below(UNCHANGED, growth),
                ]
            ),
            f"{_span([100 * each for each in savings], '%')} fewer, {_span([each.waves for each in enough], 'waves')}, "
            f"force errors {_span(growth, 'times')} as large; judged by {UNCHANGED}.{untrained}",
        ),
        Finding(
            "Facet is as accurate for its compute as a MACE-like model",
            Verdict.not_decided if untrained else stays_below(1.0, ratios),
            f"force errors {_span(ratios, 'times')} those of mace, after equal time.{untrained}",
        ),
    ]


def _share(run: Trained) -> float:
    coldest = next(iter(run.errors.values()))
    return coldest["force_rmse"] / coldest["force_rmse_predict_zero"]


def _growth(after: Errors, before: Errors) -> float:
    """How many times larger the force error is, on the set where it grew most."""
    return max(after[name]["force_rmse"] / before[name]["force_rmse"] for name in before)


def _ratios(mace: Trained, facet: Trained) -> list[float]:
    """Force errors of facet over those of mace, set by set."""
    return [facet.errors[name]["force_rmse"] / mace.errors[name]["force_rmse"] for name in mace.errors]


def _errors(found: Sequence[Errors]) -> list[Number]:
    """Energies of all sets, then forces, over seeds."""
    names = list(found[0])
    return [_over([each[name][m] for each in found]) for m in ("energy_rmse", "force_rmse") for name in names]


def _over(values: Sequence[float]) -> Number:
    return Number(fmean(values), stdev(values) if len(values) > 1 else None)


def _span(values: Sequence[int | float], unit: str) -> str:
    low, high = f"{min(values):.5g}", f"{max(values):.5g}"
    return f"{low if low == high else f'{low} to {high}'} {unit}"
