"""Radial functions as mace-torch has them: of a distance, or of a distance that the pair of elements rescales."""

from collections.abc import Sequence
from math import pi, sqrt
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.nn.mlp import MLP
from intertwine.nn.radial import GaussianBasis, PolynomialCutoff

BasisName = Literal["bessel", "gaussian"]


class FreeBessel(nn.Module):
    r"""Standing waves whose frequencies are parameters.

        b_n(r) = sqrt(2 / cutoff) sin(pi f_n r) / r

    With f_n = n / cutoff it is `BesselBasis`, whose waves end at the cutoff.

    Shapes: r `*batch` in Angstrom, result `*batch count`.

    Example:
        >>> FreeBessel(5.0, count=8)(torch.tensor([0.0, 2.5])).shape
        torch.Size([2, 8])
    """

    def __init__(self, cutoff: float, *, count: int):
        super().__init__()
        self.cutoff, self.count = cutoff, count
        self.frequencies = nn.Parameter(torch.arange(1, count + 1) / cutoff)

    def forward(self, r: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch count"]:
        """Evaluate the basis."""
        return sqrt(2 / self.cutoff) * pi * self.frequencies * torch.sinc(r.unsqueeze(-1) * self.frequencies)


class EdgeFeatures(nn.Module):
    r"""What radial networks read of an edge: basis times envelope.

        e_n = b_n(seen) u(r)            u: polynomial envelope; seen: r, or what a transform makes of it

    Shapes: r and seen `edge` in Angstrom, result `edge count`.

    Example:
        >>> r = torch.rand(7) * 5
        >>> EdgeFeatures("bessel", 5.0, count=8, p=5)(r, r).shape
        torch.Size([7, 8])
    """

    def __init__(self, basis: BasisName, cutoff: float, *, count: int, p: int):
        super().__init__()
        self.basis = FreeBessel(cutoff, count=count) if basis == "bessel" else GaussianBasis(cutoff, count=count)
        self.envelope = PolynomialCutoff(cutoff, p=p)

    def forward(self, r: Float[Tensor, "edge"], seen: Float[Tensor, "edge"]) -> Float[Tensor, "edge count"]:
        """Evaluate."""
        return self.basis(seen) * self.envelope(r).unsqueeze(-1)


class FeatureNetwork(nn.Module):
    """Weights for every edge from its features, by a network without biases.

    Shapes: features `edge count`, result `edge rows channel`.

    Example:
        >>> FeatureNetwork(8, hidden=(64,), rows=4, channels=16)(torch.randn(7, 8)).shape
        torch.Size([7, 4, 16])
    """

    def __init__(self, count: int, *, hidden: Sequence[int], rows: int, channels: int):
        super().__init__()
        self.rows, self.network = rows, MLP(count, *hidden, rows * channels)

    def forward(self, features: Float[Tensor, "edge count"]) -> Float[Tensor, "edge rows channel"]:
        """Evaluate."""
        return self.network(features).unflatten(-1, (self.rows, -1))


class LengthNetwork(nn.Module):
    """The same from the length of the edge alone, which a `RadialTable` can take the place of.

    Shapes: r `edge` in Angstrom, result `edge rows channel`.

    Example:
        >>> features = EdgeFeatures("bessel", 5.0, count=8, p=5)
        >>> LengthNetwork(features, FeatureNetwork(8, hidden=(), rows=4, channels=2))(torch.rand(7) * 5).shape
        torch.Size([7, 4, 2])
    """

    def __init__(self, features: EdgeFeatures, network: FeatureNetwork):
        super().__init__()
        self.features, self.of_features = features, network
        self.envelope = features.envelope

    def forward(self, r: Float[Tensor, "edge"]) -> Float[Tensor, "edge rows channel"]:
        """Evaluate."""
        return self.of_features(self.features(r, r))
