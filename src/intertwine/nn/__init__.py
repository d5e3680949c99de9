"""Layers: maps of one feature, on the axis where their group leaves them free."""

from intertwine.nn.from_e3nn import from_e3nn, weights_from_e3nn
from intertwine.nn.fully_connected import FullyConnected
from intertwine.nn.gate import Gate
from intertwine.nn.linear import Linear
from intertwine.nn.mlp import MLP
from intertwine.nn.norm import RMSNorm, invariant_norm
from intertwine.nn.radial import BesselBasis, GaussianBasis, PolynomialCutoff, RadialMLP

__all__ = [
    "MLP",
    "BesselBasis",
    "FullyConnected",
    "Gate",
    "GaussianBasis",
    "Linear",
    "PolynomialCutoff",
    "RMSNorm",
    "RadialMLP",
    "from_e3nn",
    "invariant_norm",
    "weights_from_e3nn",
]
