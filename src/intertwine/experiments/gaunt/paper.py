"""System 1: is a potential as accurate, faster and smaller with Gaunt contractions? O(3) acts on `dim` of its features.

Read from top to bottom: claim, budgets, model, objective, run. `numbers` holds the paper's table and ours,
`clock` the timings of training, `operations` those of the products alone beside other libraries,
`nbody` the check on charged particles.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from intertwine.experiments import three_bpa
from intertwine.experiments.experiment import Budget, Experiment, Stage
from intertwine.experiments.gaunt import clock as gaunt_clock
from intertwine.experiments.gaunt import nbody as gaunt_nbody
from intertwine.experiments.gaunt import operations as gaunt_operations
from intertwine.experiments.gaunt.nbody import NBody
from intertwine.experiments.gaunt.numbers import Trained, atom_table, cost_table, error_table, judge
from intertwine.experiments.machine import PeakMemory
from intertwine.experiments.outcome import Measured
from intertwine.experiments.step_report import StepReport
from intertwine.experiments.timing import ratio
from intertwine.potentials.data.workers import core_count, run_in_processes
from intertwine.potentials.fitting.fit import hold_out, new_potential, ready, reference_frames, train_potential
from intertwine.potentials.fitting.objective import LossWeights
from intertwine.potentials.judging.evaluate import evaluate
from intertwine.potentials.models.products import ContractionName
from intertwine.training.plan import TrainingPlan

CLAIM = (
    "A MACE-like potential whose many-body contraction is a Gaunt product is as accurate on 3BPA at 300, 600 and "
    "1200 K as with a Clebsch-Gordan contraction, and trains faster and in less memory."
)

# ---- budgets


NBODY_PLAN = TrainingPlan(epochs=30, batch_size=25, learning_rate=0.005, schedule="cosine")

MANY = NBody(2000, 1000, 16, NBODY_PLAN)
FEW = NBody(100, 50, 8, replace(NBODY_PLAN, epochs=2), layers=2)


@dataclass(frozen=True)
class Size:
    """How large the models are and how long they learn; the same for every contraction."""

    channels: int
    plan: TrainingPlan
    weights: LossWeights
    """Squared errors in eV/atom and eV/Angstrom."""
    hidden: str = "0e+1o"
    edge_degree: int = 3
    radial_hidden: tuple[int, ...] = (64,)
    frames: int | None = None
    """Of the training set, evenly thinned; None takes all."""
    test_frames: int | None = None
    """Of each test set."""
    validation: float = 0.1
    """Share of the training frames kept aside."""
    rounds: int = 15
    """Of the clock."""
    nbody: NBody = MANY
    operations: int = 6
    """Largest degree of the operations alone."""
    checkpoints: bool = False
    """Keep them in `out`, so that the same command goes on after an interruption."""


SHORT = partial(TrainingPlan, batch_size=5, learning_rate=0.01, amsgrad=True, schedule="cosine")
PAPER_PLAN = TrainingPlan(
    epochs=2000,
    batch_size=5,
    learning_rate=0.01,
    amsgrad=True,
    weight_decay=5e-7,
    schedule="plateau",
    plateau_factor=0.8,
    plateau_patience=50,
    final_learning_rate=0.0,
    ema_decay=0.99,
    clip_norm=10.0,
    patience=256,
    checkpoint_every=10,
    device="auto",
)
SMOKE = Size(
    8,
    SHORT(epochs=3, warmup_steps=5),
    LossWeights(1.0, 1.0),
    frames=40,
    test_frames=10,
    rounds=5,
    nbody=FEW,
    operations=1,
)
SMALL = Size(32, SHORT(epochs=8, batch_size=3, learning_rate=0.04, warmup_steps=50), LossWeights(1.0, 1.0))
FULL = Size(
    256, PAPER_PLAN, LossWeights(1.0, 1000.0), "0e+1o+2e", radial_hidden=(64, 64, 64), rounds=50, checkpoints=True
)
BUDGETS = {
    "smoke": Budget(1.0, "a few frames and steps show that everything runs; its accuracy means nothing", SMOKE),
    "small": Budget(20.0, "32 channels and 8 epochs on two cores, far from converged", SMALL, seeds=2),
    "full": Budget(4000.0, "the recipe of the authors' code on one GPU", FULL, seeds=3, needs_gpu=True),
}

# ---- model, objective, run

CONTRACTIONS: tuple[ContractionName, ...] = ("clebsch-gordan", "gaunt+bracket", "gaunt")
"""The slowest first, so that trainings side by side end together."""


def model(size: Size, contraction: ContractionName) -> dict[str, Any]:
    """Hyperparameters; only the contraction differs. Messages are Clebsch-Gordan products, as in the authors' code."""
    return {
        "cutoff": 5.0,
        "channels": size.channels,
        "hidden": size.hidden,
        "edge_degree": size.edge_degree,
        "correlation": 3,
        "layers": 2,
        "radial_hidden": list(size.radial_hidden),
        "tensor_product": "clebsch-gordan",
        "contraction": contraction,
    }


def train_one(
    size: Size, data: Path | None, contraction: ContractionName, seed: int, out: Path, report: Stage
) -> Trained:
    """Train one model and test it, in a process of its own, so that its memory is not mixed with another's."""
    import lightning_fabric  # noqa: F401  importing it is not training: before memory is measured

    sets = three_bpa.load(data, frames=size.frames, test_frames=size.test_frames)
    frames, references = reference_frames(sets.isolated + sets.train)
    train, valid = hold_out(frames, size.validation, seed=seed)
    watch, memory = StepReport(f"{contraction}/{seed}", report), PeakMemory(device(size))
    potential, train = new_potential("mace", model(size, contraction), train, references, seed=seed)
    history = train_potential(
        potential,
        train,
        ready(valid, potential),
        replace(size.plan, seed=seed),
        weights=size.weights,
        folder=out / f"{contraction}-seed{seed}" if size.checkpoints else None,
        resume=True,
        progress=watch,
    )
    peak = memory.above_start
    results = evaluate(potential, sets.tests, mean_energy=potential.shift)
    return Trained(
        contraction,
        seed,
        parameters=sum(parameter.numel() for parameter in potential.parameters()),
        steps=int(history.rows[-1]["step"]),
        epoch_seconds=median(watch.epoch_seconds) if watch.epoch_seconds else None,
        peak=peak if watch.epoch_seconds else None,
        errors={result.name: result.metrics for result in results},
        atoms=sum(graph.node_count for graph in sets.tests) / len(sets.tests),
    )


def measure(size: Size, *, data: Path | None, seeds: Sequence[int], out: Path, progress: Stage) -> Measured:
    """Train every contraction with every seed, then clock them; on a GPU one at a time, else one on each core."""
    jobs = [(size, data, contraction, seed, out) for contraction in CONTRACTIONS for seed in seeds]
    side_by_side = 1 if device(size) == "cuda" else min(core_count(), len(jobs))
    runs: list[Trained] = run_in_processes(train_one, jobs, workers=side_by_side, progress=progress)
    models = {contraction: model(size, contraction) for contraction in CONTRACTIONS}
    clocked = (models, data, size.weights, size.plan.batch_size, size.rounds, device(size))
    (clock,) = run_in_processes(gaunt_clock.run, [clocked], workers=1, progress=progress)
    nbody, check = gaunt_nbody.measure(size.nbody, seeds, min(core_count(), 4), progress)
    operations = gaunt_operations.measure(size.operations, max(3, size.rounds // 3), progress)
    steps = ratio(clock.steps, "gaunt", over="clebsch-gordan")
    return Measured(
        tables=(
            error_table(runs),
            atom_table(runs),
            cost_table(runs, clock.steps, side_by_side),
            clock.table(),
            *map(gaunt_operations.table, operations),
            nbody,
        ),
        findings=(*judge(runs, steps, channels=size.channels), *gaunt_operations.findings(operations), check),
        remarks=(
            f"every model has {size.channels} channels and took {max(run.steps for run in runs)} steps of "
            f"{size.plan.batch_size} molecules; all make their messages with the Clebsch-Gordan product.",
            "model and Clebsch-Gordan contraction are this library's own, not MACE's: a speed-up over that contraction "
            "is not the paper's.",
        ),
    )


def device(size: Size) -> str:
    """Where a budget computes."""
    return "cuda" if size.plan.device in ("auto", "cuda") and torch.cuda.is_available() else "cpu"


EXPERIMENT = Experiment(
    name="gaunt",
    system=1,
    title="Gaunt tensor products in a many-body potential",
    claim=CLAIM,
    reference="Luo, Chen, Krishnapriyan, ICLR 2024, arXiv:2401.10216",
    budgets=BUDGETS,
    measure=measure,
    describe_data=three_bpa.describe,
)
