"""Normals of surfaces from points: point networks bare, augmented, and averaged over frames of E(3).

Read from top to bottom: sizes, surfaces, methods, training, numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.experiments.by_seed import mean_spread, span
from intertwine.experiments.data_folder import locate
from intertwine.experiments.experiment import Stage
from intertwine.experiments.outcome import Column, Row, Table
from intertwine.experiments.shape_sets import FURNITURE, unit
from intertwine.experiments.verdict import Finding, stays_below, together
from intertwine.geometry.array_file import read_arrays
from intertwine.geometry.mesh_files import read_mesh
from intertwine.geometry.meshes import MeshError, sample_surface
from intertwine.geometry.point_network import DGCNN, PointNet
from intertwine.geometry.rotations import Turns, random_turns
from intertwine.geometry.solids import solid_clouds
from intertwine.groups.actions import BothAxes, Points
from intertwine.groups.classical import O
from intertwine.groups.euclidean import E, linear_part
from intertwine.groups.frames.pca import PCAFrame
from intertwine.groups.representation import Restrict, Standard
from intertwine.nn.frame_average import FrameAverage
from intertwine.training.loop import fit
from intertwine.training.plan import TrainingPlan
from intertwine.training.progress import Quiet

MESHES = ("spot", "stanford-bunny", "fandisk", "teapot", "suzanne")
"""Files of the folder meshes, as a second test."""


@dataclass(frozen=True)
class NormalsSize:
    """How many surfaces of how many points, and how long to learn; the same for every method."""

    train: int
    test: int
    points: int
    plan: TrainingPlan
    widths: tuple[int, ...] = (32, 32, 64)


# ---- surfaces

Surfaces = tuple[Float[Tensor, "surface point 3"], Float[Tensor, "surface point 3"]]
"""Points at unit size, and their normals up to sign."""


def load_surfaces(data: Path | None, size: NormalsSize) -> tuple[Surfaces, dict[str, Surfaces]]:
    """Surfaces to learn from, and to be tested on: of models that are not learned from.

    Raises:
        MeshError: files that hold something else.
        ArrayFileError: files that cannot be read.
    """
    draw = torch.Generator().manual_seed(8)
    if data is None:
        (x, n, _), (y, m, _) = (solid_clouds(count, size.points, generator=draw) for count in (size.train, size.test))
        return (unit(x), n), {"solids": (unit(y), m)}
    path = locate(data, FURNITURE)
    found = read_arrays(path)
    try:
        points, normals = (torch.tensor(found[name]).float() for name in ("points", "normals"))
    except (KeyError, ValueError) as error:
        raise MeshError(f"{path}: expected points and normals; {error}.") from None
    models = torch.arange(len(points))
    parts = [models[models % 3 != 0], models[models % 3 == 0]]
    train, test = (
        _drawn(points, normals, part, count, size.points, draw)
        for part, count in zip(parts, (size.train, size.test), strict=True)
    )
    places = [locate(data, f"meshes/{name}.npz") for name in MESHES]
    meshes = [read_mesh(place) for place in places if place.is_file()]
    if not meshes:
        return train, {"furniture": test}
    drawn = [sample_surface(meshes[k % len(meshes)], size.points, generator=draw) for k in range(size.test)]
    others = unit(torch.stack([each[0] for each in drawn])), torch.stack([each[1] for each in drawn])
    return train, {"furniture": test, "meshes": others}


def _drawn(points: Tensor, normals: Tensor, models: Tensor, count: int, size: int, draw: torch.Generator) -> Surfaces:
    rows = models[torch.arange(count) % len(models)]
    chosen = torch.rand(count, points.shape[1], generator=draw).argsort(1)[:, :size]
    picked = [
        torch.stack([each[row, some] for row, some in zip(rows, chosen, strict=True)]) for each in (points, normals)
    ]
    return unit(picked[0]), picked[1]


# ---- methods


@dataclass(frozen=True)
class Method:
    """A network, whether it is averaged, and how its training surfaces are turned."""

    network: str
    averaged: bool
    turns: Turns

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.network}{', frame average' * self.averaged}, trained {self.turns}"

    def build(self, size: NormalsSize) -> nn.Module:
        """A network from positions about the centre to lines; averaged, one frame in training and all at the test."""
        if self.network == "PointNet":
            net: nn.Module = PointNet(3, 3, widths=(*size.widths[:-1], 2 * size.widths[-1]), each_point=True)
        else:
            net = DGCNN(3, 3, widths=size.widths, each_point=True)
        lines = Lines(net)
        if not self.averaged:
            return lines
        tensor = BothAxes(Restrict(Standard(O(3)), E(3), linear_part))
        return FrameAverage(lines, PCAFrame("E", degenerate="perturb"), [Points(E(3))], tensor, "stochastic")


class Lines(nn.Module):
    """The line along each vector of a network, as the tensor v v^T / |v|^2.

    Normals are known up to sign, and so are those a network finds in each frame: averaged as vectors they would cancel.
    """

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Float[Tensor, "surface point 3"]) -> Float[Tensor, "surface point 3 3"]:
        """Forget the signs."""
        v = nn.functional.normalize(self.net(x), dim=-1, eps=1e-6)
        return v.unsqueeze(-1) * v.unsqueeze(-2)


SETTINGS: tuple[tuple[bool, Turns], ...] = ((False, "I"), (False, "SO(3)"), (True, "I"))
METHODS = tuple(Method(network, *setting) for network in ("PointNet", "DGCNN") for setting in SETTINGS)

# ---- training


def turned_both(x: Tensor, n: Tensor, turns: Turns, generator: torch.Generator | None = None) -> Surfaces:
    """Points and normals of every surface turned together."""
    g = random_turns(turns, len(x), generator=generator, dtype=x.dtype).mT
    return x @ g, n @ g


def misalignment(lines: Float[Tensor, "surface point 3 3"], n: Float[Tensor, "surface point 3"]) -> Float[Tensor, ""]:
    """1 - n . lines n, mean over points: 1 - cos^2 for one line, and the mean of it for an average of lines."""
    return (1 - torch.einsum("spi,spij,spj->sp", n, lines, n)).mean()


def axis(lines: Float[Tensor, "surface point 3 3"]) -> Float[Tensor, "surface point 3 3"]:
    """The line nearest to an average of lines: along its largest principal axis."""
    v = torch.linalg.eigh(lines).eigenvectors[..., -1]
    return v.unsqueeze(-1) * v.unsqueeze(-2)


def objective(net: nn.Module, batch: Surfaces, turns: Turns) -> dict[str, Tensor]:
    """The misalignment on turned surfaces."""
    x, n = turned_both(*batch, turns)
    return {"loss": misalignment(net(x), n)}


def gather(surfaces: Surfaces, rows: list[int]) -> Surfaces:
    """Some of the surfaces."""
    return surfaces[0][rows], surfaces[1][rows]


def train_all(size: NormalsSize, data: Path | None, seed: int, progress: Stage) -> dict[str, dict[str, float]]:
    """The misalignment of every method with one seed, by test set and turn."""
    train, tests = load_surfaces(data, size)
    results = {}
    for done, method in enumerate(METHODS):
        progress(f"normals/{seed}", done, len(METHODS))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = method.build(size)
        plan = replace(size.plan, seed=seed)
        items = list(range(size.train))
        fit(net, partial(objective, turns=method.turns), items, partial(gather, train), plan, progress=Quiet())
        results[method.name] = {}
        for kind, (x, n) in tests.items():
            for turns in ("I", "SO(3)"):
                moved = turned_both(x, n, turns, torch.Generator().manual_seed(9))
                with torch.no_grad():
                    found = torch.cat([axis(net(part)) for part in moved[0].split(20)])
                results[method.name][f"{kind}, {turns}"] = float(misalignment(found, moved[1]))
    progress(f"normals/{seed}", len(METHODS), len(METHODS))
    return results


# ---- numbers

FLAT = 0.002
"""A change under rotation that counts as none."""
Runs = Sequence[Mapping[str, Mapping[str, float]]]


def table(runs: Runs, size: NormalsSize) -> Table:
    """Misalignments of every method."""
    tests = list(runs[0][METHODS[0].name])
    rows = [
        Row(name, "this run", tuple(mean_spread([run[name][test] for run in runs]) for test in tests))
        for name in runs[0]
    ]
    note = (
        f"1 - cosine^2 between found and true normals, up to sign, mean over {size.points} points of a surface; "
        f"{size.train} surfaces to learn from, {size.test} of others to be tested on, as they are (I) and turned; "
        "averages see one frame at a time in training, and what is averaged is lines, not vectors, since their signs "
        "differ between frames and would cancel. ± is the standard deviation over seeds."
    )
    return Table("Normals", tuple(Column(f"test {test}", "1 - cos^2", 3) for test in tests), tuple(rows), note=note)


def findings(runs: Runs) -> list[Finding]:
    """Whether frames make the error flat under rotation, and lower than augmentation does."""
    first = next(iter(runs[0][METHODS[0].name])).split(",")[0]
    names = {(method.network, method.averaged, method.turns): method.name for method in METHODS}
    changes: list[list[float]] = []
    against: list[list[float]] = []
    for network in ("PointNet", "DGCNN"):
        averaged, turned = names[network, True, "I"], names[network, False, "SO(3)"]
        changes.append([abs(run[averaged][f"{first}, SO(3)"] - run[averaged][f"{first}, I"]) for run in runs])
        against.append([run[averaged][f"{first}, SO(3)"] / run[turned][f"{first}, SO(3)"] for run in runs])
    worst = [max(each) for each in zip(*changes, strict=True)]
    return [
        Finding(
            f"turning changes the error of averaged normals by less than {FLAT:g}",
            stays_below(FLAT, worst),
            f"largest change: {span(worst, '.1e')}.",
        ),
        Finding(
            "on turned surfaces averaged normals are better than those of an augmented network",
            together([stays_below(1.0, each) for each in against]),
            f"error over that with augmentation: PointNet {span(against[0], '.2f')}; DGCNN {span(against[1], '.2f')}.",
        ),
    ]
