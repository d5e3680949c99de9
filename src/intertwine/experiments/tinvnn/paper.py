"""System 11: are initial features that no motion changes enough to make a network invariant? E(d) acts on points.

Read from top to bottom: claim, budgets, run. `rotated_classes` trains on clouds, `tours` on travelling salesmen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from intertwine.experiments import rotated_classes
from intertwine.experiments.by_seed import by_seed
from intertwine.experiments.experiment import Budget, Experiment, Stage
from intertwine.experiments.outcome import Measured
from intertwine.experiments.rotated_classes import ClassesSize, Classified
from intertwine.experiments.shape_sets import describe_shapes
from intertwine.experiments.tinvnn import tours as tinvnn_tours
from intertwine.experiments.tinvnn.tours import ToursSize
from intertwine.training.plan import TrainingPlan

CLAIM = (
    "Initial features from classical scaling make any point network exactly invariant to motions, as accurate on "
    "turned clouds as a full frame average and far above augmentation, and a network for travelling salesmen blind to "
    "how an instance is turned, scaled and shifted."
)

# ---- budgets


@dataclass(frozen=True)
class Size:
    """Both tasks."""

    classes: ClassesSize
    tours: ToursSize


def plan(epochs: int, batch_size: int) -> TrainingPlan:
    """Adam with a cosine, no averaging of weights."""
    return TrainingPlan(epochs=epochs, batch_size=batch_size, learning_rate=2e-3, schedule="cosine", ema_decay=0.0)


BUDGETS = {
    "smoke": Budget(
        0.5,
        "a few clouds and small instances show that everything runs; its accuracy means nothing",
        Size(
            ClassesSize(48, 24, 32, plan(2, 16), widths=(16, 32)),
            ToursSize(64, 32, 6, plan(2, 16), width=16, layers=1),
        ),
    ),
    "small": Budget(
        8.0,
        "1600 clouds of 128 points, 2000 instances of 10 cities, on two cores",
        Size(ClassesSize(1600, 600, 128, plan(20, 32)), ToursSize(2000, 300, 10, plan(20, 32))),
        seeds=2,
    ),
    "full": Budget(
        180.0,
        "4800 clouds of 256 points, 10 000 instances of 12 cities, more seeds",
        Size(
            ClassesSize(4800, 1200, 256, plan(40, 32), widths=(64, 128, 256)),
            ToursSize(10_000, 1000, 12, plan(40, 64), width=128, layers=3),
        ),
        seeds=5,
    ),
}

# ---- run

METHODS = [
    method
    for method in rotated_classes.METHODS
    if method.name not in ("PointNet, z augmented", "frame average, stochastic")
]
"""Those that the claim is about; the other two belong to `reproduce frame-averaging`."""


def run_seed(
    size: Size, data: Path | None, seed: int, progress: Stage
) -> tuple[dict[str, Classified], dict[str, dict[str, float]]]:
    """Both tasks with one seed."""
    clouds = rotated_classes.train_all(size.classes, data, seed, progress, methods=METHODS)
    return clouds, tinvnn_tours.train_all(size.tours, seed, progress)


def measure(size: Size, *, data: Path | None, seeds: Sequence[int], out: Path, progress: Stage) -> Measured:
    """Train every method on both tasks with every seed."""
    runs = by_seed(run_seed, size, data, seeds, progress)
    clouds, tours = [run[0] for run in runs], [run[1] for run in runs]
    return Measured(
        tables=(rotated_classes.table(clouds, size.classes), tinvnn_tours.table(tours, size.tours)),
        findings=(
            rotated_classes.invariance(clouds, rotated_classes.EMBEDDED),
            rotated_classes.as_accurate(clouds),
            rotated_classes.above_augmented(clouds, rotated_classes.EMBEDDED),
            *tinvnn_tours.findings(tours),
        ),
        remarks=(
            "the paper's tables could not be read here: none of its numbers is printed.",
            "the rule for signs is this library's choice; all others are compared with it by `sign=`.",
            "every method takes the same steps; averages over frames and signs cost as many times more as they have "
            "elements.",
        ),
    )


EXPERIMENT = Experiment(
    name="tinvnn",
    system=11,
    title="Transformation-invariant initial features",
    claim=CLAIM,
    reference="Zhang, Zhang, Sun, 2021, arXiv:2112.12345",
    budgets=BUDGETS,
    measure=measure,
    describe_data=describe_shapes,  # instances of the travelling salesman are random by design
)
