"""The Gaunt product with an edge, in the frame of the edge: one problem in one angle per order; O(3) acts on `dim`."""

from collections.abc import Sequence
from math import pi, sqrt
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.polynomial.legendre import legder, leggauss, legval
from torch import Tensor, nn

from intertwine.o3.constants import Constants
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.o3.spherical_harmonics import spherical_harmonics
from intertwine.tensor_products.base import Weights
from intertwine.tensor_products.edge_frame.edge_product import EdgeProduct, check_harmonics
from intertwine.tensor_products.leg_weights import LegWeights
from intertwine.tensor_products.sphere.gaunt import Gaunt


class GauntConvolution(EdgeProduct):
    r"""`Gaunt` with the harmonics of an edge: the same map and weights, with the filter aligned to the edge.

        GauntConvolution(...)(x, edge, weight) = Gaunt(...)(x, Y(edge), weight)

    Where the edge is the polar axis the filter depends on u = cos(angle to the edge) alone, and each order m of x is
    multiplied by itself, on Gauss-Legendre nodes u_k:

        f_m(u) = sum_l x_lm P_lm(u),   g(u) = sum_l w2_l sqrt(2 l + 1) Y_l0(u)
        z_lm  ~  int P_lm ( g f_m  +  g' m f_-m ) du           the second term with odd="bracket"

    The bracket needs no division by a sine: it is the derivative of f about the edge times that of g along u.

    Exact up to rounding for any edge, with finite derivatives at +-y. Not a bilinear map: see `EdgeProduct`. O(L^3) per
    channel, turns included, with a weight per entry and leg; `SO2` has one per path. On a CPU with compiled kernels
    `Gaunt` with the harmonics is faster at every degree measured (`intertwine bench G2`).

    Args:
        irreps_in1, irreps_out: types of x and of the result, pseudo-tensors included; irreps_out left out means one
            copy of every irrep that is reached.
        irreps_in2: the harmonics, |Y^l|^2 = 2l + 1 ("component").
        odd, legs, normalization: as in `Gaunt`.

    Shapes: as in `EdgeProduct`; `weight_count` is the number of entries on the weighted legs.

    Raises:
        IrrepsError: an entry of irreps_out is not reached, irreps_in2 are no harmonics, or legs names no leg.

    Example:
        >>> x, edge = torch.randn(5, 4, 8), torch.randn(5, 3)
        >>> y = spherical_harmonics("0e+1o", edge, normalize=True, normalization="component")[..., None]
        >>> product = GauntConvolution("0e+1o", "0e+1o", odd="bracket")
        >>> torch.allclose(product(x, edge), Gaunt("0e+1o", "0e+1o", odd="bracket")(x, y), atol=1e-5)
        True

    Reference: Luo, Chen, Krishnapriyan, 2024, arXiv:2401.10216, section 3.3 (equivariant convolution).
    """

    def __init__(
        self,
        irreps_in1: Irreps | str,
        irreps_in2: Irreps | str,
        irreps_out: Irreps | str | None = None,
        *,
        odd: Literal["none", "bracket"] = "none",
        weights: Weights = "none",
        legs: Sequence[int] = (1, 2, 3),
        channels: int | None = None,
        normalization: Literal["component", "none"] = "component",
    ):
        check_harmonics("GauntConvolution", Irreps(irreps_in2))
        try:
            product = Gaunt(irreps_in1, irreps_in2, irreps_out, odd=odd, legs=legs, normalization=normalization)
        except IrrepsError as error:
            raise IrrepsError(str(error).replace("Gaunt:", "GauntConvolution:")) from None
        irreps = (product.irreps_in1, product.irreps_in2, product.irreps_out)
        order = min(irreps[0].lmax, irreps[2].lmax)
        orders_in, orders_out = ([min(l, order) for l in irreps[leg].degrees] for leg in (0, 2))
        leg_weights = LegWeights(irreps, legs)
        super().__init__(
            irreps,
            orders_in=orders_in,
            orders_out=orders_out,
            weight_count=leg_weights.count,
            weights=weights,
            channels=channels,
        )
        self.legs, self.bracket = leg_weights, product.bracket
        nodes, areas = leggauss(sum(each.lmax for each in irreps) // 2 + 1)
        self.tables = Constants(
            filter=torch.tensor(zonal(irreps[1], nodes)),
            slope=torch.tensor(zonal(irreps[1], nodes, derivative=1)),
            orders=torch.arange(-order, order + 1)[:, None, None],
        )
        self.leg1, self.leg3 = (Meridian(irreps[leg], order, nodes, areas) for leg in (0, 2))
        norms = product.entry_norms()[self.leg3.entry_of_row.cpu()]
        self.norms = Constants(product=norms[:, :1], bracket=norms[:, 1:])

    def in_frame(
        self,
        x: Float[Tensor, "*batch order1 channel"],
        pole: Float[Tensor, "*batch entry2 1"],
        weight: Float[Tensor, "*#batch paths #channel"] | None,
    ) -> Float[Tensor, "*batch order3 channel"]:
        """Multiply each order by the filter, and turn it a quarter for the bracket."""
        w1, w2, w3 = self.legs.split(weight)
        entries = pole if w2 is None else pole * w2
        g = (self.tables.like(x, "filter") @ entries).unsqueeze(-3)
        values = self.leg1.sample(self.leg1.scale(x, w1))
        z = self.leg3.expand({grade: f * g for grade, f in values.items()}) * self.norms.like(x, "product")
        if self.bracket:
            slope = (self.tables.like(x, "slope") @ entries).unsqueeze(-3) * self.tables.like(x, "orders")
            turned = {1 - grade: f.flip(-3) * slope for grade, f in values.items()}
            z = z + self.leg3.expand(turned) * self.norms.like(x, "bracket")
        return self.leg3.scale(z, w3)


class Meridian(nn.Module):
    r"""Orders of a feature to functions of the angle to the edge, and back; parities (-1)^l and the other apart.

        f_m(u_k) = sum over entries of  x_lm P_lm(u_k),       z_lm = int P_lm h_m,       P_lm: Y_lm without its azimuth

    One matrix does all orders at once: most of it is zero, and it is still faster than a small one for each order.

    Args:
        irreps: type of the feature; equal entries add up.
        order: the largest order that is kept.
        nodes, areas: a Gauss-Legendre rule for u = cos(angle).

    Shapes: rows `*batch order1 channel` as in `FrameTerms`, values `*batch order node channel` by grade as in
    `SphereFunction`.
    """

    entry_of_row: Tensor

    def __init__(self, irreps: Irreps, order: int, nodes: np.ndarray, areas: np.ndarray):
        super().__init__()
        kept = [(e, ir.l, m) for e, ir in enumerate(irreps) for m in range(-min(ir.l, order), min(ir.l, order) + 1)]
        self.register_buffer("entry_of_row", torch.tensor([e for e, _, _ in kept]), persistent=False)
        grade_of_entry = [int(not ir.natural) for ir in irreps]
        self.grades, self.orders = sorted(set(grade_of_entry)), 2 * order + 1
        harmonics, tables = meridian(irreps.lmax, nodes), {}
        area = torch.tensor(areas) * pi
        for grade in self.grades:
            table = torch.zeros(self.orders, len(nodes), len(kept), dtype=torch.float64)
            for row, (e, l, m) in enumerate(kept):
                if grade_of_entry[e] == grade:
                    table[order + m, :, row] = harmonics[l, abs(m)]
            weighted = table * area[:, None]
            weighted[order] *= 2  # the circle around the axis: 2 pi for m = 0, pi for sines and cosines
            tables |= {f"sample{grade}": table.flatten(0, 1), f"expand{grade}": weighted.flatten(0, 1).mT.contiguous()}
        self.tables = Constants(**tables)

    def scale(self, x: Tensor, weight: Tensor | None) -> Tensor:
        """Every row times the weight of its entry."""
        return x if weight is None else x * weight.index_select(-2, self.entry_of_row)

    def sample(self, x: Tensor) -> dict[int, Tensor]:
        """Values of both grades at the nodes."""
        return {g: (self.tables.like(x, f"sample{g}") @ x).unflatten(-2, (self.orders, -1)) for g in self.grades}

    def expand(self, values: dict[int, Tensor]) -> Tensor:
        """The rows of a function, from the grades that it has; zero where it has none of ours."""
        found = [
            self.tables.like(each, f"expand{g}") @ each.flatten(-3, -2)
            for g, each in values.items()
            if g in self.grades
        ]
        if not found:
            like = next(iter(values.values()))
            return like.new_zeros(*like.shape[:-3], len(self.entry_of_row), like.shape[-1])
        return torch.stack(found).sum(0) if len(found) > 1 else found[0]


def meridian(lmax: int, nodes: np.ndarray) -> Float[Tensor, "degree order node"]:
    """P_lm(u) for m >= 0: harmonics on the half circle of azimuth zero; zero where m > l."""
    points = np.stack([np.zeros_like(nodes), nodes, np.sqrt((1 - nodes) * (1 + nodes))], -1)
    harmonics = spherical_harmonics(range(lmax + 1), torch.tensor(points), normalize=False)
    table = torch.zeros(lmax + 1, lmax + 1, len(nodes), dtype=torch.float64)
    for l in range(lmax + 1):
        table[l, : l + 1] = harmonics[:, l * l + l : (l + 1) ** 2].mT
    return table


def zonal(irreps: Irreps, nodes: np.ndarray, derivative: int = 0) -> np.ndarray:
    """sqrt(2 l + 1) Y_l0(u) or its derivative, `[node, entry]`: harmonics of the polar axis as functions of u."""
    columns = []
    for l in irreps.degrees:
        series = np.eye(l + 1)[l]
        columns.append((2 * l + 1) / sqrt(4 * pi) * legval(nodes, legder(series, derivative) if derivative else series))
    return np.stack(columns, -1)
