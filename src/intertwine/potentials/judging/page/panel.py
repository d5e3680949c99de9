"""One chart as inline SVG: text stays text, colours are variables of the page's light or dark scheme. No group acts."""

import re
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

INK, MUTED, GRID = "#100001", "#100002", "#100003"
SERIES = tuple(f"#20000{index}" for index in range(6))
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid"} | {
    colour: f"--series-{index}" for index, colour in enumerate(SERIES)
}
"""Colours that nobody would choose, each replaced by a variable of page.css when the chart is written."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "intertwine",
    "font.size": 9.5,
    "axes.labelsize": 9.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@dataclass(frozen=True)
class Panel:
    """A chart ready to stand in a page."""

    name: str
    """Unique in the page; also the prefix of every id inside the SVG."""
    title: str
    svg: str


def draw(name: str, title: str, plot, *, size: tuple[float, float] = (3.7, 2.6)) -> Panel:
    """Call `plot(axes)` on empty axes of the house style and keep the result as SVG.

    Args:
        size: inches. Below 4 wide, so that a telephone shows the letters at their size.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        plot(figure.subplots())
        text = StringIO()
        figure.savefig(text, format="svg", dpi=200)
    return Panel(name, title, inline(text.getvalue(), name, title))


def inline(svg: str, name: str, title: str) -> str:
    """Strip what a page does not need, and make ids unique and colours and fonts the page's own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--sans)", svg)
    svg = re.sub(r"#[12]0000\d", lambda colour: f"var({VARIABLES[colour[0]]})", svg)
    svg = re.sub(r'(<svg\b[^>]*?) (?:width="[^"]*")', r"\1", svg, count=1)
    svg = re.sub(r'(<svg\b[^>]*?) (?:height="[^"]*")', r"\1", svg, count=1)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(title, quote=True)}"', 1)


def log_axis(axes: Axes, *, along: Literal["x", "y"] = "y") -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5."""
    axes.set(**{f"{along}scale": "log"})
    axis, (low, high) = (axes.yaxis, axes.get_ylim()) if along == "y" else (axes.xaxis, axes.get_xlim())
    wide = high / low > 300
    axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
