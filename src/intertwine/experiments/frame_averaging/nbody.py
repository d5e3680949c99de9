"""Where charged particles will be: plain networks, the same averaged over frames, and an EGNN. E(3) acts.

Read from top to bottom: sizes, networks, training, numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from intertwine.experiments.by_seed import mean_spread, span
from intertwine.experiments.charged_particles import Particles, simulate
from intertwine.experiments.experiment import Stage
from intertwine.experiments.outcome import Column, Number, Row, Table
from intertwine.experiments.particle_networks import EGNN, PlainGNN
from intertwine.experiments.verdict import Finding, stays_below
from intertwine.geometry.rotations import random_turns
from intertwine.groups.actions import LastAxis, Points
from intertwine.groups.classical import O
from intertwine.groups.euclidean import E, linear_part
from intertwine.groups.frames.pca import PCAFrame
from intertwine.groups.representation import Restrict, Standard
from intertwine.nn.frame_average import FrameAverage
from intertwine.training.loop import fit
from intertwine.training.plan import TrainingPlan
from intertwine.training.progress import Quiet


@dataclass(frozen=True)
class NBodySize:
    """How many systems, and how long to learn; the same for every method."""

    train: int
    valid: int
    test: int
    plan: TrainingPlan
    rates: tuple[float, ...] = (1e-3, 4e-3)
    """Learning rates, of which every method takes the best on the validation systems."""
    width: int = 32
    layers: int = 3


# ---- networks


def averaged(net: nn.Module) -> FrameAverage:
    """Any network of positions, velocities and charges, moving with the system: one frame around the whole of it."""
    position, velocity = Points(E(3)), LastAxis(Restrict(Standard(O(3)), E(3), linear_part))
    return FrameAverage(net, PCAFrame("E", degenerate="perturb"), [position, velocity, None], position)


PLAIN, AVERAGED = "GNN", "GNN, frame average"
MOVING, MOVING_AVERAGED = "moving GNN", "moving GNN, frame average"
BUILT_IN = "EGNN-like"
METHODS: Mapping[str, Callable[[int, int], nn.Module]] = {
    PLAIN: PlainGNN,
    AVERAGED: lambda width, layers: averaged(PlainGNN(width, layers)),
    MOVING: partial(EGNN, free=True),
    MOVING_AVERAGED: lambda width, layers: averaged(EGNN(width, layers, free=True)),
    BUILT_IN: EGNN,
}
"""An EGNN differs from the GNN in its symmetry and in how it moves particles: along lines between them, layer by layer.
The moving GNN has these moves and no symmetry, so that each is judged by itself."""

# ---- training


@dataclass(frozen=True)
class Predicted:
    """Mean squared errors of a coordinate."""

    test: float
    turned: float
    """On the same systems, turned."""
    rate: float
    """The learning rate that was best on the validation systems."""


def objective(net: nn.Module, batch: Particles) -> dict[str, Tensor]:
    """Mean squared error of a coordinate."""
    return {"loss": (net(batch.positions, batch.velocities, batch.charges) - batch.targets).square().mean()}


def gather(systems: Particles, rows: list[int]) -> Particles:
    """Some of the systems."""
    return Particles(*(each[rows] for each in systems.parts()))


def turned(systems: Particles, generator: torch.Generator) -> Particles:
    """Every system turned by a rotation of its own."""
    g = random_turns("SO(3)", len(systems), generator=generator).mT
    return Particles(systems.charges, systems.positions @ g, systems.velocities @ g, systems.targets @ g)


def train_all(size: NBodySize, seed: int, progress: Stage) -> dict[str, Predicted]:
    """Every method with one seed."""
    draw = torch.Generator().manual_seed(5)
    train, valid, test = (simulate(count, generator=draw) for count in (size.train, size.valid, size.test))
    elsewhere = turned(test, draw)
    results = {}
    for done, (name, build) in enumerate(METHODS.items()):
        progress(f"n-body/{seed}", done, len(METHODS))
        found = []
        for rate in size.rates:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                net = build(size.width, size.layers)
            plan = replace(size.plan, seed=seed, learning_rate=rate)
            fit(net, objective, range(size.train), partial(gather, train), plan, progress=Quiet())
            with torch.no_grad():
                errors = [float(objective(net, each)["loss"]) for each in (valid, test, elsewhere)]
            found.append((errors[0], Predicted(errors[1], errors[2], rate)))
        results[name] = min(found, key=lambda each: each[0])[1]
    progress(f"n-body/{seed}", len(METHODS), len(METHODS))
    return results


def straight(size: NBodySize) -> float:
    """The error of flying straight on, x + v."""
    draw = torch.Generator().manual_seed(5)
    _, _, test = (simulate(count, generator=draw) for count in (size.train, size.valid, size.test))
    return float((test.positions + test.velocities - test.targets).square().mean())


# ---- numbers

FACTOR = 1.5
"""The claim: so many times below the plain network."""
EQUAL = 1.15
"""As good as a network that is equivariant by construction: an error at most so many times larger."""
Runs = Sequence[Mapping[str, Predicted]]


def table(runs: Runs, size: NBodySize) -> Table:
    """Errors of every method."""
    rows = [
        Row(
            name,
            "this run",
            (
                mean_spread([1000 * run[name].test for run in runs]),
                mean_spread([1000 * run[name].turned for run in runs]),
                mean_spread([1000 * run[name].rate for run in runs]),
            ),
        )
        for name in runs[0]
    ]
    rows.append(Row("straight flight", "this run", (Number(1000 * straight(size)), None, None)))
    columns = (
        Column("test", "error x 1000", 3),
        Column("test, turned", "error x 1000", 3),
        Column("learning rate", "x 1000", 1),
    )
    note = (
        f"Mean squared error of a coordinate, 5 charged particles; {size.train} systems to learn from, {size.test} to "
        f"be tested on, learning rate by {size.valid} others; ± is the standard deviation over seeds. The simulation "
        "softens the forces that the paper's clips: compare within a column. The moving GNN is the EGNN without its "
        "symmetry."
    )
    return Table("N-body", columns, tuple(rows), note=note)


def findings(runs: Runs) -> list[Finding]:
    """Whether frames help a plain network, and whether with the moves of an EGNN they are as good as one."""
    better = [run[PLAIN].test / run[AVERAGED].test for run in runs]
    moving = [run[MOVING].test / run[MOVING_AVERAGED].test for run in runs]
    beside = [run[MOVING_AVERAGED].test / run[BUILT_IN].test for run in runs]
    without = [run[AVERAGED].test / run[BUILT_IN].test for run in runs]
    return [
        Finding(
            f"on charged particles the error of the {AVERAGED} is at least {FACTOR:g} times below the {PLAIN}'s",
            stays_below(-FACTOR, [-each for each in better]),
            f"times below: {span(better, '.2f')}; of the {MOVING}: {span(moving, '.2f')}.",
        ),
        Finding(
            f"with the moves of an EGNN it is no worse than an {BUILT_IN} network, within {100 * (EQUAL - 1):.0f} %",
            stays_below(EQUAL, beside),
            f"{MOVING_AVERAGED} over {BUILT_IN}: {span(beside, '.2f')}; without these moves, {AVERAGED} over "
            f"{BUILT_IN}: {span(without, '.2f')}.",
        ),
    ]
