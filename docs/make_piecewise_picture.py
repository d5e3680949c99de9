"""Draw docs/piecewise.png: mannequins in narrow and wide poses and taken apart, by part and by first cell.

python docs/make_piecewise_picture.py
"""

from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from intertwine.geometry.articulated import MANNEQUIN, mannequins, proportions, scattered
from intertwine.geometry.piecewise.refinement import pure_points
from intertwine.geometry.piecewise.voronoi import voronoi

FILE = Path(__file__).parent / "piecewise.png"


def main() -> None:
    """Draw and save."""
    draw = torch.Generator().manual_seed(3)
    body = proportions(MANNEQUIN, 1, 0.1, generator=draw)
    narrow, wide = (mannequins(body, points=1200, angle=angle, generator=draw) for angle in (0.35, 2.1))
    apart, _ = scattered(wide, angle=3.1, shift=0.25, generator=draw)
    figure = Figure(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(figure)
    for column, (name, clouds) in enumerate({"narrow": narrow, "wide": wide, "taken apart": apart}.items()):
        cells = voronoi(clouds.points, 16)
        pure = float(pure_points(cells, clouds.part).double().mean())
        for row, (colour, title) in enumerate(
            ((clouds.part, f"{name}: true parts"), (cells, f"16 cells, {pure:.0%} of the points in pure ones"))
        ):
            axes = figure.add_subplot(2, 3, 3 * row + column + 1, projection="3d")
            x, y, z = clouds.points[0].T
            axes.scatter(x, y, z, c=colour[0], s=2, cmap="tab20")
            axes.set_title(title, fontsize=9)
            axes.set_aspect("equal")
            axes.set_axis_off()
    figure.savefig(FILE, dpi=110)
    print(FILE)


if __name__ == "__main__":
    main()
