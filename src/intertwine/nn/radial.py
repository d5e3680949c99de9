"""Functions of a distance, and so invariant: bases, cutoff envelope, and the network that makes weights of them."""

from collections.abc import Sequence
from math import comb, pi, sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.nn.mlp import MLP
from intertwine.nn.trainable_cutoff import TrainableCutoff
from intertwine.o3.constants import Constants
from intertwine.tensor_products.kernels.silu import silu
from intertwine.tensor_products.kernels.waves import takes, waves


class PolynomialCutoff(nn.Module):
    r"""Envelope that goes from 1 at r = 0 to 0 at the cutoff, smoothly.

        u(r) = 1 - (p+1)(p+2)/2 t^p + p(p+2) t^(p+1) - p(p+1)/2 t^(p+2)          t = r / cutoff, u = 0 beyond
             = (1 - t)^order  sum over k < p of  C(order - 1 + k, k) t^k           order = 3 in the first line

    Evaluated in the second form, which keeps every digit where u is small.

    order - 1 derivatives vanish at the cutoff, p - 1 at r = 0. Times a basis that is zero at the cutoff, such as
    `BesselBasis`, a root of order three becomes one of order four: energies are smooth to the third derivative.

    Shapes: r `*batch` in Angstrom, result `*batch`.

    Raises:
        ValueError: cutoff not above zero, p < 2 or order < 1.

    Example:
        >>> PolynomialCutoff(5.0)(torch.tensor([0.0, 5.0, 6.0]))
        tensor([1., 0., 0.])

    Reference: Gasteiger, Gross, Guennemann, 2020, arXiv:2003.03123, equation (8).
    """

    def __init__(self, cutoff: float, *, p: int = 6, order: int = 3):
        super().__init__()
        if cutoff <= 0 or p < 2 or order < 1:
            raise ValueError(
                f"PolynomialCutoff: expected cutoff > 0, p >= 2 and order >= 1, came {cutoff=}, {p=} and {order=}."
            )
        self.cutoff, self.order = cutoff, order
        self.coefficients = [float(comb(order - 1 + k, k)) for k in range(p)]

    def forward(self, r: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Evaluate u."""
        t = (r / self.cutoff).clamp(max=1)
        series = torch.zeros_like(t)
        for coefficient in reversed(self.coefficients):
            series = series * t + coefficient
        return (1 - t) ** self.order * series


class BesselBasis(nn.Module):
    r"""Standing waves in a ball: the first `count` radial solutions of degree 0.

        b_n(r) = sqrt(2 / cutoff) sin(n pi r / cutoff) / r,     n = 1 .. count

    finite at r = 0, zero at the cutoff. Multiply by an envelope for smooth forces.

    Shapes: r `*batch` in Angstrom, result `*batch count`.

    Raises:
        ValueError: cutoff or count not above zero.

    Example:
        >>> BesselBasis(5.0, count=8)(torch.tensor([0.0, 2.5])).shape
        torch.Size([2, 8])

    Reference: Gasteiger, Gross, Guennemann, 2020, arXiv:2003.03123, equation (7).
    """

    def __init__(self, cutoff: float, *, count: int = 8):
        super().__init__()
        if cutoff <= 0 or count < 1:
            raise ValueError(f"BesselBasis: expected cutoff > 0 and count >= 1, came cutoff={cutoff}, count={count}.")
        self.cutoff, self.count = cutoff, count
        self.tables = Constants(frequencies=torch.arange(1, count + 1, dtype=torch.float64) / cutoff)

    def forward(self, r: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch count"]:
        """Evaluate the basis; torch.sinc is smooth at zero, so no division by r appears."""
        frequencies = self.tables.like(r, "frequencies")
        return sqrt(2 / self.cutoff) * pi * frequencies * torch.sinc(r.unsqueeze(-1) * frequencies)


class GaussianBasis(nn.Module):
    r"""Bell curves at equal steps from `start` to the cutoff.

        b_n(r) = exp(-(r - mu_n)^2 / (2 s^2)),      mu_n = start + n s,   s = (cutoff - start) / (count - 1)

    Shapes: r `*batch` in Angstrom, result `*batch count`.

    Raises:
        ValueError: fewer than two curves, or a start that is not below the cutoff.

    Example:
        >>> GaussianBasis(5.0, count=16)(torch.tensor([0.0, 2.5])).shape
        torch.Size([2, 16])

    Reference: Schuett et al., 2017, arXiv:1706.08566, section 3.
    """

    def __init__(self, cutoff: float, *, count: int = 16, start: float = 0.0):
        super().__init__()
        if count < 2 or not start < cutoff:
            raise ValueError(f"GaussianBasis: expected count >= 2 and start < cutoff, came {count}, {start}, {cutoff}.")
        self.count, self.step = count, (cutoff - start) / (count - 1)
        self.tables = Constants(means=torch.linspace(start, cutoff, count, dtype=torch.float64))

    def forward(self, r: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch count"]:
        """Evaluate the basis."""
        return torch.exp(-0.5 * ((r.unsqueeze(-1) - self.tables.like(r, "means")) / self.step).square())


class RadialMLP(nn.Module):
    r"""Weights for every edge from its length, zero where the envelope is.

        weight = MLP( b(r) u(r) )            b: basis, u: envelope

    The network has no biases, so that the weights vanish with the envelope at the cutoff, and with them the messages
    and their forces.

    Shapes: r `edge` in Angstrom, result `edge rows channel`.

    Example:
        >>> weights = RadialMLP(BesselBasis(5.0), PolynomialCutoff(5.0), hidden=(64,), rows=4, channels=16)
        >>> weights(torch.rand(7) * 5).shape
        torch.Size([7, 4, 16])
    """

    def __init__(
        self,
        basis: BesselBasis | GaussianBasis,
        envelope: PolynomialCutoff | TrainableCutoff,
        *,
        hidden: Sequence[int],
        rows: int,
        channels: int,
    ):
        super().__init__()
        self.basis, self.envelope, self.rows = basis, envelope, rows
        self.network = MLP(basis.count, *hidden, rows * channels, silu=silu)
        self.compiled = _as_compiled(basis, envelope)

    def forward(self, r: Float[Tensor, "edge"]) -> Float[Tensor, "edge rows channel"]:
        """Weights for every edge."""
        return self.network(self.waves(r)).unflatten(-1, (self.rows, -1))

    def waves(self, r: Float[Tensor, "edge"]) -> Float[Tensor, "edge count"]:
        """What the network reads: b(r) u(r)."""
        if self.compiled is not None and takes(r):
            return waves(r, *self.compiled)
        return self.basis(r) * self.envelope(r).unsqueeze(-1)


def _as_compiled(
    basis: BesselBasis | GaussianBasis, envelope: PolynomialCutoff | TrainableCutoff
) -> tuple[float, int, list[float], int] | None:
    """What `kernels.waves` wants to know; None for functions that it does not have."""
    if not isinstance(basis, BesselBasis) or not isinstance(envelope, PolynomialCutoff):
        return None
    if basis.cutoff != envelope.cutoff or envelope.order < 3:
        return None
    return basis.cutoff, basis.count, envelope.coefficients, envelope.order
