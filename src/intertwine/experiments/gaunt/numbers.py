"""The numbers of the Gaunt experiment: the paper's table, ours in its units, and what they say. No group acts here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from intertwine.experiments.outcome import Column, Number, Row, Table
from intertwine.experiments.three_bpa import TEMPERATURES
from intertwine.experiments.timing import Quartiles, ratio
from intertwine.experiments.verdict import Finding, Verdict, stays_below, together
from intertwine.potentials.models.products import ContractionName

TITLES: dict[ContractionName, str] = {
    "clebsch-gordan": "Clebsch-Gordan",
    "gaunt": "Gaunt",
    "gaunt+bracket": "Gaunt + bracket",
}
OURS = "this run"

# ---- the paper

PAPER = "Luo et al. 2024"
PAPER_ERRORS = {
    "MACE": ((3.0, 0.2), (9.7, 0.5), (29.8, 1.0), (8.8, 0.3), (21.8, 0.6), (62.0, 0.7)),
    "MACE-Gaunt": ((2.9, 0.1), (10.6, 0.5), (30.4, 1.2), (9.2, 0.1), (22.2, 0.2), (63.1, 1.2)),
}
"""Mean and standard deviation of 3 runs: energy at 300, 600, 1200 K, then force.

Energies are meV a molecule. The paper says meV; were it meV an atom, the largest of its table (sGDML, 774.5 at 1200 K)
would be off by 21 eV a molecule, and others would do no better than predicting the mean.
"""
PAPER_SPEED = {"MACE": 33.2, "MACE-Gaunt": 43.7}
"""Times e3nn's."""
PAPER_MEMORY = {"MACE": 32.8, "MACE-Gaunt": 5.8}
"""Percent of e3nn's."""

# ---- the rule

LEARNED = 0.25
"""Models are compared once their force error at 300 K is below this part of the forces themselves."""
TOLERANCE = 1.10
"""As accurate: an error at most so many times larger. The paper's ratios reach 1.05 in forces and 1.09 in energies."""
LEAST_CHANNELS = 32
"""Below this width time and memory go into bookkeeping and not into products. The paper has 256."""


@dataclass(frozen=True)
class Trained:
    """What one training gave."""

    contraction: ContractionName
    seed: int
    parameters: int
    steps: int
    epoch_seconds: float | None
    """Median; None when a resumed run had nothing left to do."""
    peak: int | None
    """Bytes that model and training took at most."""
    errors: Mapping[str, Mapping[str, float]]
    """`SetResult.metrics` by set, coldest first."""
    atoms: float
    """Of a molecule."""


def judge(runs: Sequence[Trained], time: Quartiles, *, channels: int) -> list[Finding]:
    """What the numbers say about each part of the claim; `time` of a step is Gaunt's over Clebsch-Gordan's."""
    coldest = [next(iter(run.errors.values())) for run in runs]
    untrained = max(errors["force_rmse"] / errors["force_rmse_predict_zero"] for errors in coldest)
    narrow = f" Not judged below {LEAST_CHANNELS} channels." if channels < LEAST_CHANNELS else ""
    raw = (
        f" Not judged: forces at 300 K are off by {untrained:.0%} of their size; {LEARNED:.0%} counts as trained."
        if untrained > LEARNED
        else ""
    )
    findings = []
    for what, metric in (("force", "force_rmse"), ("energy", "energy_rmse")):
        by_set = {name: compare(runs, "gaunt", [run.errors[name][metric] for run in runs]) for name in runs[0].errors}
        spans = ", ".join(f"{min(ratios):.2f} to {max(ratios):.2f} at {name}" for name, ratios in by_set.items())
        findings.append(
            Finding(
                f"its {what} errors are no larger, within {TOLERANCE - 1:.0%}",
                Verdict.not_decided if raw else together([stays_below(TOLERANCE, each) for each in by_set.values()]),
                f"Gaunt over Clebsch-Gordan: {spans}, seeds: {len(next(iter(by_set.values())))}.{raw}",
            )
        )
    findings.append(
        Finding(
            "its training steps are faster",
            Verdict.not_decided if narrow else stays_below(1.0, [time.low, time.high]),
            f"Gaunt over Clebsch-Gordan: {time.low:.2f} to {time.high:.2f}, the middle half of the rounds.{narrow}",
        )
    )
    shares = compare(runs, "gaunt", [run.peak for run in runs])
    span = f"{min(shares):.2f} to {max(shares):.2f}, seeds: {len(shares)}" if shares else "not measured"
    findings.append(
        Finding(
            "its training takes less memory",
            Verdict.not_decided if narrow else stays_below(1.0, shares),
            f"Gaunt over Clebsch-Gordan: {span}.{narrow}",
        )
    )
    return findings


def compare(runs: Sequence[Trained], contraction: ContractionName, values: Sequence[int | float | None]) -> list[float]:
    """The value of a contraction over that of Clebsch-Gordan, for each seed that has both; `values` follow `runs`."""
    found = {(run.contraction, run.seed): value for run, value in zip(runs, values, strict=True) if value is not None}
    return [
        value / found["clebsch-gordan", seed]
        for (name, seed), value in found.items()
        if name == contraction and ("clebsch-gordan", seed) in found
    ]


# ---- tables


def error_table(runs: Sequence[Trained]) -> Table:
    """Errors beside the paper's, in its units."""
    columns = [Column(f"energy {kelvin} K", "meV/molecule") for kelvin in TEMPERATURES]
    columns += [Column(f"force {kelvin} K", "meV/Å") for kelvin in TEMPERATURES]
    rows = [
        Row(title, OURS, (*over_sets(runs, name, "energy_rmse", molecule=True), *over_sets(runs, name, "force_rmse")))
        for name, title in TITLES.items()
    ]
    first = runs[:1]
    baseline = (
        *over_sets(first, first[0].contraction, "energy_rmse_predict_mean", molecule=True),
        *over_sets(first, first[0].contraction, "force_rmse_predict_zero"),
    )
    rows.append(Row("mean energy, no force", OURS, baseline))
    paper = [
        Row(name, PAPER, tuple(Number(value, spread) for value, spread in numbers))
        for name, numbers in PAPER_ERRORS.items()
    ]
    note = (
        "Root mean square; ± is the standard deviation over seeds, in the paper over 3 runs on DFT data. Its energies "
        "are those of whole molecules."
    )
    return Table("Errors", tuple(columns), tuple(rows), tuple(paper), note)


def atom_table(runs: Sequence[Trained]) -> Table:
    """Energy errors in the unit of the rest of this library."""
    columns = tuple(Column(f"energy {kelvin} K", "meV/atom", 2) for kelvin in TEMPERATURES)
    rows = tuple(Row(title, OURS, tuple(over_sets(runs, name, "energy_rmse"))) for name, title in TITLES.items())
    return Table("The same energies, an atom", columns, rows)


def cost_table(runs: Sequence[Trained], steps: Mapping[str, Sequence[float]], side_by_side: int) -> Table:
    """Seconds, memory and parameters; `steps` are seconds of training steps clocked in turns."""
    columns = (
        Column("an epoch", "s", 2),
        Column("peak memory", "MB", 0),
        Column("parameters", "", 0),
        Column("speed over Cl.-G.", "times", 2),
        Column("memory over Cl.-G.", "%"),
    )
    rows = []
    for name, title in TITLES.items():
        mine = [run for run in runs if run.contraction == name]
        speed = ratio(steps, "clebsch-gordan", over=name)
        cells = (
            over_seeds([run.epoch_seconds for run in mine]),
            over_seeds([None if run.peak is None else run.peak / 1e6 for run in mine]),
            Number(float(mine[0].parameters)),
            Number(speed.median, speed.spread),
            over_seeds([100 * share for share in compare(runs, name, [run.peak for run in runs])]),
        )
        rows.append(Row(title, OURS, cells))
    paper = []
    for name, speed in PAPER_SPEED.items():
        cells = Number(speed / PAPER_SPEED["MACE"]), Number(100 * PAPER_MEMORY[name] / PAPER_MEMORY["MACE"])
        paper.append(Row(name, PAPER, (None, None, None, *cells)))
    note = (
        f"Epochs without validation, {side_by_side} training at a time with a thread each. Speed: steps (loss and "
        "gradient) in turns in one process, median, ± half of the middle half. The paper's two columns are quotients "
        f"of what it reports on a GPU: {' and '.join(map(str, PAPER_SPEED.values()))} times the speed of e3nn, "
        f"{' and '.join(map(str, PAPER_MEMORY.values()))} % of its memory."
    )
    return Table("Cost of training", columns, tuple(rows), tuple(paper), note)


def over_sets(runs: Sequence[Trained], name: ContractionName, metric: str, *, molecule: bool = False) -> list[Number]:
    """A metric of one contraction on every set, over seeds; a molecule's energy error is `atoms` times an atom's."""
    mine = [run for run in runs if run.contraction == name]
    return [
        number
        for each in mine[0].errors
        if (number := over_seeds([run.errors[each][metric] * (run.atoms if molecule else 1) for run in mine]))
    ]


def over_seeds(values: Sequence[int | float | None]) -> Number | None:
    """Mean and standard deviation of what there is."""
    known = [float(value) for value in values if value is not None]
    if not known:
        return None
    return Number(fmean(known), stdev(known) if len(known) > 1 else None)
