"""Draw docs/frames.png, docs/embedding.png and docs/strengths.png for docs/symmetry.md, from computed data.

python docs/make_symmetry_pictures.py
"""

import math
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from intertwine.groups import FixedAxis, O
from intertwine.groups.frames import PCAFrame
from intertwine.learning import find_symmetries
from intertwine.learning.stacked_training import Course
from intertwine.nn import InvariantEmbedding, SoftNetwork, tensors

DOCS = Path(__file__).parent
POINTS, AXIS, FLAGGED = "#4c72b0", "#222222", "#c44e52"


def main() -> None:
    """Draw and save all three."""
    for name, draw in (("frames", frames), ("embedding", embedding), ("strengths", strengths)):
        figure = draw(torch.Generator().manual_seed(5))
        figure.savefig(DOCS / f"{name}.png", dpi=100)
        print(DOCS / f"{name}.png")


# ---- clouds in the plane


def canvas(rows: int, columns: int) -> tuple[Figure, list[list[Axes]]]:
    """A figure with square panels without ticks."""
    figure = Figure(figsize=(2.6 * columns, 2.75 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False)
    for panel in panels.flat:
        panel.set(xlim=(-2.7, 2.7), ylim=(-2.7, 2.7), xticks=[], yticks=[], aspect="equal")
        panel.spines[:].set_color("#cccccc")
    return figure, [list(row) for row in panels]


def bent(points: int, second: float, generator: torch.Generator) -> Tensor:
    """A bar with a shorter one across its end, to the left or right of it."""
    x, y = torch.rand(2, points, generator=generator, dtype=torch.float64)
    bar = torch.stack([3.6 * x - 1.8, 0.5 * y - 0.25], -1)
    across = torch.stack([0.5 * x + 1.3, second * y], -1)
    cloud = torch.cat([bar, across[: points // 2]])
    return cloud - cloud.mean(0)


def turn(degrees: float) -> Tensor:
    """The matrix of a turn in the plane."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor([[c, -s], [s, c]], dtype=torch.float64)


def frames(generator: torch.Generator) -> Figure:
    """A cloud that turns and takes its axes along; a rectangle that becomes a square and loses them."""
    figure, (above, below) = canvas(2, 3)
    cloud = bent(110, 1.6, generator)
    for panel, degrees in zip(above, (0, 55, 200), strict=True):
        framed(panel, cloud @ turn(degrees).T, f"turned by {degrees}°" if degrees else "as it is")
    square = 2.4 * torch.rand(150, 2, generator=generator, dtype=torch.float64) - 1.2
    square = torch.cat([square @ turn(90 * k).T for k in range(4)]) @ turn(20).T  # equal extents, to the last digit
    for panel, stretch in zip(below, (1.6, 1.1, 1.0), strict=True):
        length = turn(20) @ torch.diag(torch.tensor([stretch, 1 / stretch], dtype=torch.float64)) @ turn(-20)
        framed(panel, square @ length.T, f"square, stretched by {stretch:g}" if stretch > 1 else "square")
    return figure


def framed(panel: Axes, cloud: Tensor, title: str) -> None:
    """A cloud with the axes of every element of its frame, and whether the frame is flagged."""
    frame = PCAFrame("SO")(cloud)
    lost = bool(frame.degenerate)
    panel.scatter(*cloud.T, s=4, color=POINTS, linewidths=0)
    for axis in frame.elements.mT.flatten(0, 1):
        length = 2.2 * (cloud @ axis).square().mean().sqrt()
        style = {"arrowstyle": "-|>", "lw": 1.8, "color": FLAGGED if lost else AXIS, "shrinkA": 0, "shrinkB": 0}
        panel.annotate("", tuple((length * axis).tolist()), (0, 0), arrowprops=style)
    words = f"{title}\ngap {float(frame.gap):.2g}, {len(frame.elements)} elements" + (", flagged" if lost else "")
    panel.set_title(words, fontsize=9, color=FLAGGED if lost else "black")


def embedding(generator: torch.Generator) -> Figure:
    """Two clouds in three poses each, and the coordinates that all poses of one share."""
    figure, rows = canvas(2, 4)
    embed, mirror = InvariantEmbedding(), torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))
    for row, second in zip(rows, (1.6, -0.9), strict=True):
        cloud = bent(22, second, generator)
        colour = {"c": cloud @ torch.tensor([0.5, 1.0], dtype=torch.float64), "cmap": "viridis", "linewidths": 0}
        poses = {"a cloud": cloud, "turned": cloud @ turn(130).T, "turned and mirrored": cloud @ (turn(70) @ mirror).T}
        for panel, (name, each) in zip(row, poses.items(), strict=False):
            panel.scatter(*each.T, s=16, **colour)
            panel.set_title(name, fontsize=9)
        first, *others = [embed(each).points[0] for each in poses.values()]
        row[3].scatter(*first.T, s=16, **colour)
        for other, size in zip(others, (45, 100), strict=True):
            row[3].scatter(*other.T, s=size, facecolors="none", edgecolors="#888888", linewidths=0.7)
        apart = max(float((each - first).abs().max()) for each in others)
        row[3].set_title(f"embeddings of all three\nat most {apart:.0e} apart", fontsize=9)
    return figure


# ---- soft symmetry


def strengths(generator: torch.Generator) -> Figure:
    """Strengths over the training of a task that only turns about z leave alone, by both rules."""
    x = torch.randn(900, 3, 2, generator=generator)
    y = x.sum(-1, keepdim=True) - torch.tensor([0.0, 0.0, 1.0])[:, None]
    vectors, groups = tensors(O(3), 1), {f"turns about {name}": FixedAxis(3, axis) for axis, name in enumerate("xyz")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        net = SoftNetwork(vectors, vectors, 2, 1, channels=2, layers=1, orders=(0, 1))
    report = find_symmetries(
        net,
        (x, y),
        groups,
        v=vectors,
        w=vectors,
        container=O(3),
        strength=10.0,
        course=Course(200),
        generator=generator,
    )
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for column, (panel, rule) in enumerate(
        zip(figure.subplots(1, 2, sharey=True), ("gradient", "penalty"), strict=True)
    ):
        for i, name in enumerate(groups):
            style = {"ls": ("-", "--", "-")[i], "lw": (3, 1.8, 2)[i], "color": (POINTS, "#dd8452", FLAGGED)[i]}
            panel.plot(
                report.steps,
                report.strengths[:, column, i].clamp(min=1e-6),
                label=name,
                drawstyle="steps-post",
                **style,
            )
        panel.set(yscale="log", xlabel="step")
        panel.set_title(f"strengths by the {rule} rule", fontsize=9)
        panel.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("strength")
    figure.axes[1].legend(frameon=False, fontsize=9)
    return figure


if __name__ == "__main__":
    main()
