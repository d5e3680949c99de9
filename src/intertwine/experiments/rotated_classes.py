"""Which class a turned cloud is of: PointNet bare, augmented, in its own coordinates, and averaged over E(3) frames.

E(3) acts on the points. Read from top to bottom: sizes, methods, training, numbers.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from intertwine.experiments.by_seed import mean_spread, span
from intertwine.experiments.experiment import Stage
from intertwine.experiments.outcome import Column, Row, Table
from intertwine.experiments.shape_sets import Clouds, load_shapes
from intertwine.experiments.verdict import Finding, stays_below, together
from intertwine.geometry.point_network import PointNet
from intertwine.geometry.rotations import Turns, turned
from intertwine.groups.actions import Points
from intertwine.groups.euclidean import E
from intertwine.groups.frames.pca import PCAFrame
from intertwine.nn.frame_average import FrameAverage
from intertwine.nn.invariant_embedding import InvariantEmbedding
from intertwine.nn.tinvnn import TinvNN
from intertwine.training.loop import fit
from intertwine.training.plan import TrainingPlan
from intertwine.training.progress import Quiet


@dataclass(frozen=True)
class ClassesSize:
    """How many clouds of how many points, and how long to learn; the same for every method."""

    train: int
    test: int
    points: int
    plan: TrainingPlan
    widths: tuple[int, ...] = (64, 64, 128)


TESTS: tuple[Turns, ...] = ("I", "z", "SO(3)")

# ---- methods


@dataclass(frozen=True)
class Method:
    """A model, and how its training clouds are turned."""

    name: str
    turns: Turns
    model: type[nn.Module] | partial


def averaged(net: nn.Module, *, mode: Literal["full", "stochastic", "canonical"]) -> FrameAverage:
    """Invariant to motions by frames of principal axes."""
    frame = PCAFrame("E", degenerate="perturb")  # of one size for every batch
    return FrameAverage(net, frame, [Points(E(3))], None, mode)


BARE, TURNED = "PointNet", "PointNet, SO(3) augmented"
EMBEDDED, AVERAGED = "TinvNN", "frame average"
METHODS = (
    Method(BARE, "I", nn.Sequential),
    Method("PointNet, z augmented", "z", nn.Sequential),
    Method(TURNED, "SO(3)", nn.Sequential),
    Method(EMBEDDED, "I", TinvNN),
    Method("TinvNN, all signs", "I", partial(TinvNN, embedding=InvariantEmbedding(sign="average"))),
    Method("frame average, canonical", "I", partial(averaged, mode="canonical")),
    Method("frame average, stochastic", "I", partial(averaged, mode="stochastic")),
    Method(AVERAGED, "I", partial(averaged, mode="full")),
)

# ---- training


@dataclass(frozen=True)
class Classified:
    """What one method reached with one seed."""

    accuracy: Mapping[Turns, float]
    """Share of the test clouds, by how they are turned."""
    error: float
    """Median over test clouds of |f(g x) - f(x)| / |f(x)| for a random motion g, in float32."""
    exact: float
    """The largest of these in float64."""


def train_all(
    size: ClassesSize, data: Path | None, seed: int, progress: Stage, *, methods: Sequence[Method] = METHODS
) -> dict[str, Classified]:
    """Every method with one seed; weights, order of clouds and number of steps are the same for all."""
    train, test = load_shapes(data, size.train, size.test, size.points)
    results = {}
    for done, method in enumerate(methods):
        progress(f"classes/{seed}", done, len(methods))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = method.model(PointNet(3, len(train.classes), widths=size.widths))
        objective = partial(cross_entropy, turns=method.turns)
        items = list(range(len(train.labels)))
        with warnings.catch_warnings():  # of inputs whose frame is not decided: `exact` below shows what they do
            warnings.filterwarnings("ignore", message="FrameAverage: the frame is not exact")
            fit(net, objective, items, partial(gather, train), replace(size.plan, seed=seed), progress=Quiet())
            results[method.name] = judge_one(net, test)
    progress(f"classes/{seed}", len(methods), len(methods))
    return results


def gather(clouds: Clouds, rows: list[int]) -> tuple[Tensor, Tensor]:
    """Points and labels of some clouds."""
    return clouds.points[rows], clouds.labels[rows]


def cross_entropy(net: nn.Module, batch: tuple[Tensor, Tensor], turns: Turns) -> dict[str, Tensor]:
    """The objective, on turned clouds."""
    points, labels = batch
    return {"loss": nn.functional.cross_entropy(net(turned(points, turns)), labels)}


@torch.no_grad()
def judge_one(net: nn.Module, test: Clouds) -> Classified:
    """Accuracy on the test clouds, turned in each way, and how far the network is from invariant."""
    draw = torch.Generator().manual_seed(2)
    accuracy = {}
    for turns in TESTS:
        found = in_batches(net, turned(test.points, turns, generator=draw))
        accuracy[turns] = float((found.argmax(-1) == test.labels).float().mean())
    g = E(3).sample(len(test.labels), generator=draw, dtype=torch.float64)
    few = test.points[:200]
    errors = []
    for dtype in (torch.float32, torch.float64):
        net.to(dtype)
        x = few.to(dtype)
        moved = Points(E(3)).act(g[: len(few)].to(dtype), x)
        here, there = in_batches(net, x), in_batches(net, moved)
        errors.append((there - here).norm(dim=-1) / here.norm(dim=-1))
    net.to(torch.float32)
    return Classified(accuracy, float(errors[0].median()), float(errors[1].max()))


def in_batches(net: nn.Module, x: Tensor) -> Tensor:
    """The network on many clouds."""
    return torch.cat([net(part) for part in x.split(100)])


# ---- numbers

BELOW_AVERAGE, ABOVE_TURNED, INVARIANT = 0.02, 0.10, 1e-6
"""The claim: at most so far below the frame average, at least so far above the augmented network, and so invariant."""
Runs = Sequence[Mapping[str, Classified]]
"""Of every seed."""


def table(runs: Runs, size: ClassesSize) -> Table:
    """Accuracy of every method under every kind of turn."""
    columns = (
        *(Column(f"test {turns}", "%", 1) for turns in TESTS),
        Column("change under motions", "1e-6, float32", 2),
        Column("largest in float64", "1e-6", 6),
    )
    rows = []
    for name in runs[0]:
        found = [run[name] for run in runs]
        accuracies = [mean_spread([100 * each.accuracy[turns] for each in found]) for turns in TESTS]
        errors = mean_spread([1e6 * each.error for each in found]), mean_spread([1e6 * each.exact for each in found])
        rows.append(Row(name, "this run", (*accuracies, *errors)))
    note = (
        f"{size.train} clouds of {size.points} points to learn from in the position they are made in, unless "
        f"augmented; {size.test} to be tested on as they are (I), turned about the vertical axis (z), and in all ways. "
        "Change: |f(gx) - f(x)| / |f(x)| of the class scores under motions, median over test clouds; in float64 the "
        "largest. ± is the standard deviation over seeds."
    )
    return Table("Rotated classes", columns, tuple(rows), note=note)


def invariance(runs: Runs, name: str) -> Finding:
    """Whether motions leave a method alone."""
    single, double = [run[name].error for run in runs], [run[name].exact for run in runs]
    return Finding(
        f"{name} is invariant to motions within {INVARIANT:g}",
        together([stays_below(INVARIANT, single), stays_below(INVARIANT, double)]),
        f"median change in float32 {span(single, '.1e')}; largest in float64 {span(double, '.1e')}.",
    )


def as_accurate(runs: Runs) -> Finding:
    """Whether one choice of signs is as good as all frames."""
    behind = [run[AVERAGED].accuracy["SO(3)"] - run[EMBEDDED].accuracy["SO(3)"] for run in runs]
    return Finding(
        f"on turned clouds {EMBEDDED} is within {100 * BELOW_AVERAGE:g} points of the {AVERAGED}",
        stays_below(BELOW_AVERAGE, behind),
        f"points behind: {span([100 * each for each in behind], '.1f')}.",
    )


def above_augmented(runs: Runs, name: str) -> Finding:
    """Whether a method is worth more than augmentation."""
    ahead = [run[name].accuracy["SO(3)"] - run[TURNED].accuracy["SO(3)"] for run in runs]
    return Finding(
        f"on turned clouds {name} is at least {100 * ABOVE_TURNED:g} points above {TURNED}",
        stays_below(-ABOVE_TURNED, [-each for each in ahead]),
        f"points ahead: {span([100 * each for each in ahead], '.1f')}.",
    )
