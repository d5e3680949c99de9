"""Layers: maps of one feature, on the axis where their group leaves them free."""

from intertwine.nn.gate import Gate
from intertwine.nn.linear import Linear
from intertwine.nn.mlp import MLP
from intertwine.nn.norm import RMSNorm, invariant_norm
from intertwine.nn.radial import BesselBasis, GaussianBasis, PolynomialCutoff, RadialMLP

__all__ = [
    "MLP",
    "BesselBasis",
    "Gate",
    "GaussianBasis",
    "Linear",
    "PolynomialCutoff",
    "RMSNorm",
    "RadialMLP",
    "invariant_norm",
]
