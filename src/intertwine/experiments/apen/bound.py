"""How exact a trained network is when parts move: on the true partition, and beside its bound on the one it finds."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from intertwine.experiments.apen.methods import Reader
from intertwine.geometry.articulated import Clouds, scattered
from intertwine.geometry.piecewise.bound import not_covered
from intertwine.geometry.piecewise.refinement import pure_points
from intertwine.groups.error import relative_error
from intertwine.groups.frames.part_frames import Upright


@dataclass(frozen=True)
class Exactness:
    """Largest change of a logit under a motion of each part, over their root mean square; true partition."""

    double: float
    single: float
    without_frames: float
    """The same weights with upright axes in place of frames: the negative control."""


@dataclass(frozen=True)
class Bounded:
    """One entry for each test cloud and size of motion."""

    measured: tuple[float, ...]
    """mean_i |f(g x)_i - f(x)_i| of the logits of the points."""
    bound: tuple[float, ...]
    """2 max_i |f_i| mean_i b_i; see `not_covered`."""
    covered: tuple[float, ...]
    """Share of the points for which the network must be exact."""
    pure: tuple[float, ...]
    """Share of the points whose part, in each layer, lies inside one true part; clouds as they are."""

    @property
    def violations(self) -> int:
        """Clouds for which the bound fails, beyond rounding."""
        return sum(m > b + 1e-9 for m, b in zip(self.measured, self.bound))


@torch.no_grad()
def exactness(reader: Reader, clouds: Clouds, *, seed: int) -> Exactness:
    """Move every part anywhere; nothing may change."""
    draw = torch.Generator().manual_seed(seed)
    moved, _ = scattered(_cast(clouds, torch.float64), angle=torch.pi, shift=0.5, generator=draw)
    still = _cast(clouds, torch.float64)
    double = deepcopy(reader).double()
    single = deepcopy(reader).float()
    upright = deepcopy(double)
    upright.network.frames = Upright()
    return Exactness(
        relative_error(double(moved), double(still)),
        relative_error(single(_cast(moved, torch.float32)), single(_cast(still, torch.float32))),
        relative_error(upright(moved), upright(still)),
    )


@torch.no_grad()
def bounded(reader: Reader, clouds: Clouds, sizes: Sequence[float], *, seed: int) -> Bounded:
    """Move the parts of every cloud by motions of several sizes: turns of `size` radians, shifts of `size` / 10."""
    draw = torch.Generator().manual_seed(seed)
    double, still = deepcopy(reader).double(), _cast(clouds, torch.float64)
    measured: list[float] = []
    bound: list[float] = []
    covered: list[float] = []
    before = double.read(still)
    here = double.logits(before)
    for size in sizes:
        moved, _ = scattered(still, angle=size, shift=size / 10, generator=draw)
        after = double.read(moved)
        there = double.logits(after)
        off = not_covered(before, after, still.part)
        largest = torch.maximum(here.norm(dim=-1).amax(-1), there.norm(dim=-1).amax(-1))
        measured += (here - there).norm(dim=-1).mean(-1).tolist()
        bound += (2 * largest * off.mean(-1)).tolist()
        covered += (off < 1e-6).double().mean(-1).tolist()
    pure = tuple(float(pure_points(part, still.part).double().mean()) for part in before.parts)
    return Bounded(tuple(measured), tuple(bound), tuple(covered), pure)


def draw(found: Bounded, file: Path) -> Path:
    """Measured errors over the bound, a dot for each cloud and motion; on the line the bound would be tight."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    highest = max(max(found.bound), max(found.measured), 1e-9)
    axes.fill_between([0, highest], [0, highest], [highest, highest], color="0.92", lw=0)
    axes.plot([0, highest], [0, highest], color="0.4", lw=1)
    dots = axes.scatter(found.bound, found.measured, c=found.covered, s=12, vmin=0, vmax=1, cmap="viridis")
    figure.colorbar(dots, label="points that must be exact")
    axes.set(xlabel="bound, 2 M (lambda + delta + changed)", ylabel="measured error of the logits",
             title="No cloud may lie in the grey", xlim=(0, highest), ylim=(0, highest))  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)
    return file


def _cast(clouds: Clouds, dtype: torch.dtype) -> Clouds:
    return replace(clouds, points=clouds.points.to(dtype))
