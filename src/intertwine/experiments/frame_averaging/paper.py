"""System 9: is any backbone made exactly equivariant by a frame, and better for it? E(3) acts on points, S_n on nodes.

Read from top to bottom: claim, budgets, run. The tasks are in `graphs`, `nbody`,
`normals` and `rotated_classes`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intertwine.experiments import rotated_classes
from intertwine.experiments.by_seed import by_seed
from intertwine.experiments.experiment import Budget, Experiment, Stage
from intertwine.experiments.frame_averaging import graphs as frame_averaging_graphs
from intertwine.experiments.frame_averaging import nbody as frame_averaging_nbody
from intertwine.experiments.frame_averaging import normals as frame_averaging_normals
from intertwine.experiments.frame_averaging.graphs import GraphsSize
from intertwine.experiments.frame_averaging.nbody import NBodySize
from intertwine.experiments.frame_averaging.normals import NormalsSize
from intertwine.experiments.graph_sets import describe_graphs
from intertwine.experiments.outcome import Measured
from intertwine.experiments.rotated_classes import AVERAGED, ClassesSize
from intertwine.experiments.shape_sets import describe_shapes
from intertwine.training.plan import TrainingPlan

CLAIM = (
    "Averaging over a frame makes plain networks exactly invariant or equivariant: graphs that message passing "
    "confuses are told apart, charged particles are predicted with two thirds of the error or less, and errors on "
    "turned clouds and surfaces are those on unturned ones."
)

# ---- budgets


@dataclass(frozen=True)
class Size:
    """All tasks."""

    graphs: GraphsSize
    nbody: NBodySize
    normals: NormalsSize
    classes: ClassesSize


def plan(epochs: int, batch_size: int, learning_rate: float = 2e-3) -> TrainingPlan:
    """Adam with a cosine, no averaging of weights."""
    return TrainingPlan(
        epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, schedule="cosine", ema_decay=0.0
    )


BUDGETS = {
    "smoke": Budget(
        0.5,
        "a few graphs, systems and clouds show that everything runs; its accuracy means nothing",
        Size(
            GraphsSize(plan(2, 16), pairs=12, all_graphs=60, nodes=5, draws=2),
            NBodySize(40, 20, 20, plan(2, 20), rates=(4e-3,), width=8, layers=2),
            NormalsSize(24, 12, 32, plan(1, 12), widths=(8, 16)),
            ClassesSize(48, 24, 32, plan(1, 16), widths=(16, 32)),
        ),
    ),
    "small": Budget(
        14.0,
        "all graphs, 3000 systems, 300 surfaces of 256 points and 800 clouds of 128 on one core",
        Size(
            GraphsSize(plan(60, 50)),
            NBodySize(3000, 1000, 1000, plan(18, 50), rates=(2e-3, 4e-3)),
            NormalsSize(300, 60, 256, plan(6, 10)),
            ClassesSize(800, 400, 128, plan(16, 32)),
        ),
        seeds=2,
    ),
    "full": Budget(
        400.0,
        "the same with wider networks, more systems and clouds, and more seeds",
        Size(
            GraphsSize(plan(200, 50), draws=20),
            NBodySize(3000, 2000, 2000, plan(200, 100), width=60, layers=4),
            NormalsSize(2000, 300, 512, plan(40, 10), widths=(64, 64, 128)),
            ClassesSize(4800, 1200, 256, plan(40, 32), widths=(64, 128, 256)),
        ),
        seeds=5,
    ),
}

# ---- run


def run_seed(size: Size, data: Path | None, seed: int, progress: Stage) -> tuple[Any, Any, Any, Any]:
    """All tasks with one seed."""
    return (
        frame_averaging_graphs.run_seed(size.graphs, data, seed, progress),
        frame_averaging_nbody.train_all(size.nbody, seed, progress),
        frame_averaging_normals.train_all(size.normals, data, seed, progress),
        rotated_classes.train_all(size.classes, data, seed, progress, methods=CLASSIFIERS),
    )


CLASSIFIERS = tuple(method for method in rotated_classes.METHODS if "TinvNN" not in method.name)
"""TinvNN has an experiment of its own."""


def measure(size: Size, *, data: Path | None, seeds: Sequence[int], out: Path, progress: Stage) -> Measured:
    """Every method on every task with every seed."""
    runs = by_seed(run_seed, size, data, seeds, progress)
    graphs, nbody, normals, classes = ([run[task] for run in runs] for task in range(4))
    return Measured(
        tables=(
            frame_averaging_graphs.table(graphs),
            frame_averaging_nbody.table(nbody, size.nbody),
            frame_averaging_normals.table(normals, size.normals),
            rotated_classes.table(classes, size.classes),
        ),
        findings=(
            *frame_averaging_graphs.findings(graphs),
            *frame_averaging_nbody.findings(nbody),
            *frame_averaging_normals.findings(normals),
            rotated_classes.invariance(classes, AVERAGED),
            rotated_classes.above_augmented(classes, AVERAGED),
        ),
        remarks=(
            "the paper's tables could not be read here: none of its numbers is printed.",
            "every method of a task takes the same steps on the same data; a full average costs as many passes as its "
            "frame has elements: 8 for E(3).",
            "clouds with equal eigenvalues get their frame from a perturbed covariance, so that frames have one size.",
        ),
    )


def describe_data(data: Path | None) -> str:
    """Graphs and shapes; charged particles are simulated in any case."""
    return f"{describe_shapes(data)} Graphs: {describe_graphs(data)}. Charged particles are simulated."


EXPERIMENT = Experiment(
    name="frame-averaging",
    system=9,
    title="Frame averaging",
    claim=CLAIM,
    reference="Puny, Atzmon, Ben-Hamu, Misra, Grover, Smith, Lipman, ICLR 2022, arXiv:2110.03336",
    budgets=BUDGETS,
    measure=measure,
    describe_data=describe_data,
)
