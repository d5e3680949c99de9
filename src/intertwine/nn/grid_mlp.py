"""A small network at every point of a sphere; O(3) acts on `dim` and moves the points, the network mixes `channel`."""

from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.nn.grid_layer import (
    GridLayer,
    Inversion,
    PointValues,
    Pointwise,
    grades,
    safe_grid,
    second_moment,
)
from intertwine.nn.linear import Linear
from intertwine.o3.grid import SphereGrid
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.base import check_choice
from intertwine.tensor_products.sphere.function import Functions

START = 0.5
"""Standard deviation of the first weights: small values make a smooth function, which the grid resolves."""


class GridMLP(GridLayer):
    r"""Mix channels by a network at each point of the sphere: every degree, order and channel meets every other.

        f = S(Linear x)                                          S: harmonics -> points, `width` channels in `heads`
        F = a( a( f_head W1 ) W2 )                               a: activation; W1, W2 shared by points and heads
        z = Linear P[ F ] + Linear x[0e]                         P: points -> harmonics

    Takes the place of gate, linear map and contraction in a node update. Not exact: see `SphereActivation`; with fresh
    weights the default grid keeps the error below 5e-5 for lmax <= 6, and `aliasing_report` measures it for trained
    ones.

    Where there are pseudo-functions g (entries whose parity is not natural), a network may not read them as they are: a
    mirror changes their sign. It reads their size and makes gates for them, [F, G] = a( a( [f, size(g)] W1 ) W2 ), and
    G g is the pseudo-function of the result. All of O(3) is kept, at some loss of accuracy.

    Also known as: S2 MLP mixer, the node update of Facet.

    Args:
        width: channels on the grid, a multiple of `heads`; channels_in where left out.
        hidden: width of the network between W1 and W2.
        activation: of each value.
        grid: left out, `safe_grid` of the largest degree; coarser ones are faster, and less equivariant.
        inversion: as in `SphereActivation`.

    Shapes: x `*batch dim_in channel_in`, result `*batch dim_out channel_out`.

    Raises:
        IrrepsError: no irreps, pseudo-functions asked for from functions, or heads that do not divide width.

    Example:
        >>> layer = GridMLP("2x0e+1o+2e", "0e+1o", 8, 16)
        >>> layer(torch.randn(5, 10, 8)).shape
        torch.Size([5, 4, 16])

    Reference: Miklaucic et al., 2025, arXiv:2509.08418 (Facet), with the parities of O(3) added.
    """

    def __init__(
        self,
        irreps_in: Irreps | str,
        irreps_out: Irreps | str,
        channels_in: int,
        channels_out: int,
        *,
        width: int | None = None,
        heads: int = 2,
        hidden: int = 16,
        activation: Pointwise = nn.functional.silu,
        grid: SphereGrid | None = None,
        inversion: Inversion = "antipodal",
    ):
        super().__init__()
        check_choice("GridMLP", "inversion", inversion, ("antipodal", "trivial"))
        self.irreps_in, self.irreps_out = Irreps(irreps_in), Irreps(irreps_out)
        if not (self.irreps_in and self.irreps_out):
            raise IrrepsError(f'GridMLP: expected irreps, came "{self.irreps_in}" and "{self.irreps_out}".')
        width = channels_in if width is None else width
        if heads < 1 or width < 1 or width % heads:
            raise IrrepsError(f"GridMLP: expected heads that divide width, came {heads} heads and width {width}.")
        self.channels_in, self.heads, self.activation, self.inversion = channels_in, heads, activation, inversion
        self.on_points, self.from_points = Irreps(sorted(set(self.irreps_in))), Irreps(sorted(set(self.irreps_out)))
        self.have, self.want = grades(self.on_points, inversion), grades(self.from_points, inversion)
        if 1 in self.want and 1 not in self.have:
            raise IrrepsError(
                f"GridMLP: irreps_out {self.irreps_out} holds a pseudo-function, which functions such as "
                f"{self.irreps_in} do not make. Drop it, or make one with a tensor product (odd='bracket') first."
            )
        self.mix_in = Linear(self.irreps_in, self.on_points, channels_in, width)
        self.mix_out = Linear(self.from_points, self.irreps_out, width, channels_out)
        scalars_in, scalars_out = self.irreps_in.filter("0e"), self.irreps_out.filter("0e")
        both = bool(scalars_in and scalars_out)
        self.mix_scalars = Linear(scalars_in, scalars_out, channels_in, channels_out) if both else None
        self.register_buffer("rows_in", _scalar_rows(self.irreps_in), persistent=False)
        self.register_buffer("rows_out", _scalar_rows(self.irreps_out), persistent=False)
        head = width // heads
        self.weight1 = nn.Parameter(START * torch.randn(len(self.have) * head, hidden))
        self.weight2 = nn.Parameter(torch.randn(hidden, len(self.want) * head))
        self.scale = 1 / sqrt(second_moment(activation, second_moment(activation, START**2)))
        self.lay(safe_grid(max(self.irreps_in.lmax, self.irreps_out.lmax)) if grid is None else grid)

    def lay(self, grid: SphereGrid) -> None:
        """Build the transforms."""
        self.grid = grid
        other = next(iter(self.have.values()))
        counts = {grade: self.have.get(grade, other) for grade in (0, 1)}
        self.read = PointValues(self.on_points, grid, inversion=self.inversion, counts=counts)
        self.write = PointValues(self.from_points, grid, inversion=self.inversion, counts=counts, gain=self.scale)

    def forward(self, x: Float[Tensor, "*batch dim_in channel_in"]) -> Float[Tensor, "*batch dim_out channel_out"]:
        """To the points, the network, and back; scalars go along."""
        z = self.mix_out(self.write.expand(self.network(self.read.sample(self.mix_in(x)))))
        if self.mix_scalars is None:
            return z
        skipped = self.mix_scalars(x.index_select(-2, self.get_buffer("rows_in")))
        return z.index_add(-2, self.get_buffer("rows_out"), skipped)

    def network(self, values: Functions) -> Functions:
        """Values of the result from those of the feature, point by point and head by head; `write` scales them."""
        given = [values[0]] if 0 in values else []
        given += [size(values[1])] if 1 in values else []
        heads = [each.unflatten(-1, (self.heads, -1)) for each in given]
        h = heads[0] if len(heads) == 1 else torch.cat(heads, dim=-1)
        for weight in (self.weight1, self.weight2):
            h = self.activation(h @ (weight / sqrt(weight.shape[0])))
        found = h.chunk(len(self.want), dim=-1)
        results = {grade: each.flatten(-2) for grade, each in zip(sorted(self.want), found, strict=True)}
        return {grade: f * values[1] if grade else f for grade, f in results.items()}


def size(g: Tensor) -> Tensor:
    """sqrt(9 + g^2) - 3: even, and as smooth as silu. A square has the parity too, and outgrows the grid.

    Example:
        >>> size(torch.tensor([-4.0, 0.0, 4.0]))
        tensor([2., 0., 2.])
    """
    return torch.sqrt(9 + g.square()) - 3


def _scalar_rows(irreps: Irreps) -> Tensor:
    rows = [where.start for where, ir in zip(irreps.slices(), irreps, strict=True) if ir in Irreps("0e")]
    return torch.tensor(rows, dtype=torch.long)
