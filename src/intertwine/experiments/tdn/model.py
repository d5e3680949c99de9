"""A NequIP-like model with a weight for every path, and with decomposed products whose paths share one.

O(3) acts on `dim`. Both are trained alike, epoch for epoch, so that time and errors may be compared; the products are
exact in both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean, stdev

from intertwine.experiments import three_bpa
from intertwine.experiments.experiment import Stage
from intertwine.experiments.outcome import Column, Number, Row, Table
from intertwine.experiments.step_report import StepReport
from intertwine.experiments.three_bpa import TEMPERATURES
from intertwine.experiments.timing import in_turns, quartiles, ratio
from intertwine.experiments.verdict import Finding, Verdict, stays_below
from intertwine.potentials.data.workers import core_count, run_in_processes
from intertwine.potentials.fitting.fit import hold_out, new_potential, ready, reference_frames, train_potential
from intertwine.potentials.fitting.objective import LossWeights, make_objective
from intertwine.potentials.judging.evaluate import evaluate
from intertwine.potentials.models.products import EdgeProductName
from intertwine.potentials.structures.batching import collate
from intertwine.tensor_products.kernels.library import using
from intertwine.training.plan import TrainingPlan

OURS, PAPER = "this run", "paper"
PATHS, SHARED = "a weight a path", "CP, shared paths"
PRODUCTS: dict[str, EdgeProductName] = {PATHS: "clebsch-gordan", SHARED: "cp"}
IN_TORCH = ", in torch"
TIME, GROWTH = 0.4, 1.05
"""The claim: at most this part of the time, at errors at most so many times as large."""
WIDE = 32
"""Channels from which time is judged: in narrow models little of it goes into products."""
LEARNED = 0.25
"""Models are compared once their force error at 300 K is below this part of the forces themselves."""
PAPER_NUMBERS = {PATHS: (7.5, 11.22, 90.09), SHARED: (2.0, 11.15, 92.49)}
"""Minutes an epoch, meV/atom and meV/Angstrom: its ablation on PubChemQCR, 4 layers, 64 channels, L = 2, on a GPU."""
WEIGHTS = LossWeights(1.0, 10.0)


@dataclass(frozen=True)
class ModelSize:
    """How large the models are and how long they learn."""

    channels: int
    plan: TrainingPlan
    layers: int = 3
    hidden: str = "0e+1o+2e"
    frames: int | None = None
    """Of the training set, evenly thinned; None takes all."""
    test_frames: int | None = None
    """Of each test set."""
    rounds: int = 9
    """Of the clock."""

    def hyperparameters(self, name: str) -> dict:
        """Of one of the two models."""
        return {
            "cutoff": 5.0,
            "channels": self.channels,
            "layers": self.layers,
            "hidden": self.hidden,
            "edge_degree": 2,
            "tensor_product": PRODUCTS[name],
        }


PLAN = partial(TrainingPlan, learning_rate=0.01, amsgrad=True, schedule="cosine", clip_norm=10.0, ema_decay=0.95)
SMOKE = ModelSize(4, PLAN(epochs=2, batch_size=5), layers=2, hidden="0e+1o", frames=20, test_frames=5, rounds=3)
SMALL = ModelSize(32, PLAN(epochs=12, batch_size=3, warmup_steps=50), frames=200, test_frames=50)
FULL = ModelSize(64, PLAN(epochs=100, batch_size=5, warmup_steps=100), layers=4, rounds=25)


@dataclass(frozen=True)
class TrainedModel:
    """What one training gave."""

    name: str
    seed: int
    parameters: int
    epoch_seconds: float
    errors: Mapping[str, Mapping[str, float]]
    """`SetResult.metrics` by set, coldest first."""


def clock(size: ModelSize, data: Path | None, report: Stage) -> dict[str, list[float]]:
    """Seconds of the loss of one batch and its gradient, in turns; in the compiled kernels, and in torch operations."""
    sets, objective = three_bpa.load(data, frames=size.plan.batch_size, test_frames=1), make_objective(WEIGHTS)
    frames, references = reference_frames(sets.isolated + sets.train)
    report("model clock", 0, 1)

    def step(name: str, *, kernels: bool) -> Callable[[], object]:
        potential, graphs = new_potential("nequip", size.hyperparameters(name), frames, references, seed=0)
        batch = collate(graphs)

        def take() -> None:
            potential.zero_grad(set_to_none=True)
            objective(potential, batch)["loss"].backward()

        def on_twins() -> None:
            with using(None):
                take()

        return take if kernels else on_twins

    tasks = {name: step(name, kernels=True) for name in PRODUCTS}
    tasks |= {name + IN_TORCH: step(name, kernels=False) for name in PRODUCTS}
    return in_turns(tasks, rounds=size.rounds)


def train_one(size: ModelSize, data: Path | None, name: str, seed: int, report: Stage) -> TrainedModel:
    """Train one model and test it."""
    sets = three_bpa.load(data, frames=size.frames, test_frames=size.test_frames)
    frames, references = reference_frames(sets.isolated + sets.train)
    train, valid = hold_out(frames, 0.1, seed=seed)
    potential, train = new_potential("nequip", size.hyperparameters(name), train, references, seed=seed)
    watch = StepReport(f"model {PRODUCTS[name]}/{seed}", report)
    plan = replace(size.plan, seed=seed)
    train_potential(potential, train, ready(valid, potential), plan, weights=WEIGHTS, progress=watch)
    results = evaluate(potential, sets.tests, mean_energy=potential.shift)
    return TrainedModel(
        name,
        seed,
        sum(parameter.numel() for parameter in potential.parameters()),
        fmean(watch.epoch_seconds),
        {each.name: each.metrics for each in results},
    )


def measure(
    size: ModelSize, *, data: Path | None, seeds: Sequence[int], progress: Stage
) -> tuple[list[Table], list[Finding]]:
    """Clock a step of both models, then train them one on each core."""
    (seconds,) = run_in_processes(clock, [(size, data)], workers=1, progress=progress)
    jobs = [(size, data, name, seed) for seed in seeds for name in PRODUCTS]
    runs: list[TrainedModel] = run_in_processes(
        train_one, jobs, workers=min(core_count(), len(jobs)), progress=progress
    )
    return [step_table(seconds), error_table(runs)], judge(seconds, runs, channels=size.channels)


def step_table(seconds: Mapping[str, Sequence[float]]) -> Table:
    """Milliseconds of a training step, and its part of the time that a weight a path takes."""
    rows = []
    for name, values in seconds.items():
        over = PATHS + IN_TORCH if name.endswith(IN_TORCH) else PATHS
        found, part = quartiles([1e3 * value for value in values]), ratio(seconds, name, over=over)
        rows.append(Row(name, OURS, (Number(found.median, found.spread), Number(part.median, part.spread))))
    paper = (Row(SHARED, PAPER, (None, Number(PAPER_NUMBERS[SHARED][0] / PAPER_NUMBERS[PATHS][0]))),)
    note = (
        "Loss and gradient of a batch, median, ± half of the middle half; part of the time of a weight a path, both in "
        "compiled kernels or both in torch operations. The paper's is of an epoch on a GPU, with e3nn for a weight a "
        "path."
    )
    return Table(
        "Training with shared paths", (Column("step", "ms", 1), Column("part", "", 2)), tuple(rows), paper, note
    )


def error_table(runs: Sequence[TrainedModel]) -> Table:
    """Errors on the test sets after the same number of epochs."""
    columns = (
        Column("parameters", "", 0),
        Column("an epoch", "s", 1),
        *(Column(f"energy {kelvin} K", "meV/atom", 2) for kelvin in TEMPERATURES),
        *(Column(f"force {kelvin} K", "meV/Å") for kelvin in TEMPERATURES),
    )
    rows = []
    for name in PRODUCTS:
        mine = [run for run in runs if run.name == name]
        sets = list(mine[0].errors)
        cells = [
            _over([run.errors[each][metric] for run in mine])
            for metric in ("energy_rmse", "force_rmse")
            for each in sets
        ]
        cost = (Number(float(mine[0].parameters)), _over([run.epoch_seconds for run in mine]))
        rows.append(Row(name, OURS, (*cost, *cells)))
    note = (
        "Root mean square errors; ± is the standard deviation over seeds. Trainings ran side by side with a thread "
        "each. The paper's data are not repeated; there energies were off by "
        f"{PAPER_NUMBERS[PATHS][1]} and {PAPER_NUMBERS[SHARED][1]} meV/atom, forces by {PAPER_NUMBERS[PATHS][2]} and "
        f"{PAPER_NUMBERS[SHARED][2]} meV/Å."
    )
    return Table("Errors with shared paths", columns, tuple(rows), (), note)


def judge(seconds: Mapping[str, Sequence[float]], runs: Sequence[TrainedModel], *, channels: int) -> list[Finding]:
    """What the numbers say about time and errors."""
    findings = []
    for ending, words in (("", "in compiled kernels"), (IN_TORCH, "in torch operations")):
        part = ratio(seconds, SHARED + ending, over=PATHS + ending)
        findings.append(
            Finding(
                f"decomposed products with shared paths take {TIME} of the time of a weight a path, {words}",
                stays_below(TIME, [part.low, part.high]) if channels >= WIDE else Verdict.not_decided,
                f"{part.low:.2f} to {part.high:.2f} of it, the middle half of the rounds."
                + ("" if channels >= WIDE else f" Not judged below {WIDE} channels."),
            )
        )
    coldest = next(iter(runs[0].errors))
    pairs = [(one, other) for one in runs for other in runs if (one.name, other.name) == (PATHS, SHARED)]
    grown = [
        other.errors[coldest][metric] / one.errors[coldest][metric]
        for one, other in pairs
        for metric in ("energy_rmse", "force_rmse")
        if one.seed == other.seed
    ]
    raw = max(run.errors[coldest]["force_rmse"] / run.errors[coldest]["force_rmse_predict_zero"] for run in runs)
    untrained = f" Not judged: forces are off by {raw:.0%} of their size; {LEARNED:.0%} counts as trained."
    findings.append(
        Finding(
            "they do so at errors within 5 %",
            Verdict.not_decided if raw > LEARNED else stays_below(GROWTH, grown),
            f"errors at 300 K are {min(grown):.2f} to {max(grown):.2f} times as large, energies and forces, after as "
            f"many epochs; judged by {GROWTH}.{untrained if raw > LEARNED else ''}",
        )
    )
    return findings


def _over(values: Sequence[float]) -> Number:
    return Number(fmean(values), stdev(values) if len(values) > 1 else None)
