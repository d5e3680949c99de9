"""How far layers on a grid are from commuting with O(3), which acts on `dim`: their error, from grid to grid."""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from intertwine.groups.classical import O
from intertwine.groups.error import relative_error
from intertwine.nn.grid_layer import GridLayer, safe_grid
from intertwine.o3.grid import SphereGrid, gauss_legendre
from intertwine.o3.representation import IrrepsRepresentation


@dataclass(frozen=True)
class GridError:
    """The error of one layer on one grid."""

    place: str
    """Of the layer in the model."""
    name: str
    """Of the grid."""
    points: int
    degree: int
    rms: float
    """Root mean square of f(g x) - g f(x) over that of f(x), the worst of the group elements."""
    largest: float
    """Largest component of the difference over the root mean square of f(x), the worst of the group elements."""


@dataclass(frozen=True)
class AliasingReport:
    """Errors from grid to grid, printed as a table.

    Example:
        >>> from intertwine.nn import SphereActivation
        >>> report = aliasing_report(SphereActivation("0e+1o", function=torch.square))
        >>> max(row.rms for row in report.rows) < 1e-12      # squares are polynomials: exact on every grid
        True
    """

    rows: tuple[GridError, ...]

    def __str__(self) -> str:
        head = ["layer", "grid", "points", "degree", "rms error", "largest"]
        lines = [head] + [
            [row.place or "-", row.name, str(row.points), str(row.degree), f"{row.rms:.1e}", f"{row.largest:.1e}"]
            for row in self.rows
        ]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def aliasing_report(
    module: nn.Module, *, samples: int = 4, batch: int = 8, generator: torch.Generator | None = None
) -> AliasingReport:
    r"""Measure the equivariance error of every grid layer inside a module, on its grid and on coarser and finer ones.

        error = f(g x) - g f(x),      x from N(0, 1),  g from O(3),  float64

    The error is that of aliasing: what the nonlinearity puts above the degree of the grid comes out at low degrees. It
    grows with the size of the values, so a trained layer may have more of it than a fresh one. The module itself is
    left as it is.

    Raises:
        ValueError: the module holds no grid layer.

    Example:
        >>> from intertwine.nn import GridMLP
        >>> layer = GridMLP("0e+1o+2e", "0e+1o+2e", 4, 4)
        >>> print(aliasing_report(layer))                     # doctest: +SKIP
    """
    layers = {place: each for place, each in module.named_modules() if isinstance(each, GridLayer)}
    if not layers:
        raise ValueError(
            f"aliasing_report: expected a module with a SphereActivation or GridMLP inside, came a "
            f"{type(module).__name__} without. Products such as Gaunt are exact and have nothing to report."
        )
    draw = torch.Generator().manual_seed(0) if generator is None else generator
    rows = []
    for place, layer in layers.items():
        layer = deepcopy(layer).cpu().double()
        x = torch.randn(batch, layer.irreps_in.dim, layer.channels_in or 8, generator=draw, dtype=torch.float64)
        g = O(3).sample(samples, generator=draw, dtype=torch.float64)
        for name, grid in _ladder(layer).items():
            rows.append(GridError(place, name, len(grid), grid.degree, *_errors(layer.on_grid(grid).double(), x, g)))
    return AliasingReport(tuple(rows))


def _ladder(layer: GridLayer) -> dict[str, SphereGrid]:
    """From coarse to fine, the layer's own grid last."""
    lmax = max(layer.irreps_in.lmax, layer.irreps_out.lmax)
    return {
        "products of two": gauss_legendre(4 * lmax + 1),
        "one and a half times": gauss_legendre(6 * lmax + 2),
        "twice": gauss_legendre(8 * lmax + 3),
        "default": safe_grid(lmax),
        "three times": gauss_legendre(12 * lmax + 5),
        "this layer's": layer.grid,
    }


def _errors(layer: GridLayer, x: Tensor, g: Tensor) -> tuple[float, float]:
    before, after = IrrepsRepresentation(layer.irreps_in), IrrepsRepresentation(layer.irreps_out)
    with torch.no_grad():
        z = layer(x)
        pairs = [(layer(before.act(each, x)), after.act(each, z)) for each in g]
    rms = max(float((one - two).square().mean().sqrt() / z.square().mean().sqrt()) for one, two in pairs)
    return rms, max(relative_error(one, two) for one, two in pairs)
