"""Layers: maps of one feature, on the axis where their group leaves them free."""

from intertwine.nn.aliasing import AliasingReport, aliasing_report
from intertwine.nn.edge_softmax import edge_softmax
from intertwine.nn.frame_average import FrameAverage
from intertwine.nn.from_e3nn import from_e3nn, weights_from_e3nn
from intertwine.nn.fully_connected import FullyConnected
from intertwine.nn.gate import Gate
from intertwine.nn.grid_mlp import GridMLP
from intertwine.nn.invariant_embedding import InvariantEmbedding
from intertwine.nn.learned_frame import LearnedFrame
from intertwine.nn.linear import Linear, SharedLinear
from intertwine.nn.mlp import MLP
from intertwine.nn.norm import RMSNorm, invariant_norm
from intertwine.nn.piecewise import PiecewiseMap
from intertwine.nn.radial import BesselBasis, GaussianBasis, PolynomialCutoff, RadialMLP
from intertwine.nn.radial_table import RadialTable
from intertwine.nn.soft_coupling import TensorCoupling, tensors
from intertwine.nn.soft_linear import SoftLinear
from intertwine.nn.soft_network import SoftNetwork, TensorGate
from intertwine.nn.sphere_activation import SphereActivation
from intertwine.nn.tabulated_convolution import TabulatedConvolution
from intertwine.nn.tinvnn import TinvNN
from intertwine.nn.trainable_cutoff import TrainableCutoff

__all__ = [
    "MLP",
    "AliasingReport",
    "BesselBasis",
    "FrameAverage",
    "FullyConnected",
    "Gate",
    "GaussianBasis",
    "GridMLP",
    "InvariantEmbedding",
    "LearnedFrame",
    "Linear",
    "PiecewiseMap",
    "PolynomialCutoff",
    "RMSNorm",
    "RadialMLP",
    "RadialTable",
    "SharedLinear",
    "SoftLinear",
    "SoftNetwork",
    "SphereActivation",
    "TabulatedConvolution",
    "TensorCoupling",
    "TensorGate",
    "TinvNN",
    "TrainableCutoff",
    "aliasing_report",
    "edge_softmax",
    "from_e3nn",
    "invariant_norm",
    "tensors",
    "weights_from_e3nn",
]
