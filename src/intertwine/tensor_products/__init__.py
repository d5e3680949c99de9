"""Equivariant bilinear and many-body maps, one interface: which product to use is an argument, not a rewrite."""

from intertwine.tensor_products.analysis.cost import Cost, cost, scaling
from intertwine.tensor_products.analysis.expressivity import (
    Expressivity,
    Interactability,
    expressivity,
    interactability,
)
from intertwine.tensor_products.analysis.tuner import Tuned, tune
from intertwine.tensor_products.base import TensorProduct
from intertwine.tensor_products.cg_contraction import ClebschGordanContraction
from intertwine.tensor_products.clebsch_gordan import ClebschGordan, Path
from intertwine.tensor_products.convolution import Convolution
from intertwine.tensor_products.cp.cp import CP
from intertwine.tensor_products.edge_frame.edge_product import EdgeProduct
from intertwine.tensor_products.edge_frame.so2 import SO2
from intertwine.tensor_products.edge_frame.so2_linear import SO2Linear
from intertwine.tensor_products.matrix import Matrix
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.tensor_products.sphere.gaunt_contraction import GauntContraction
from intertwine.tensor_products.sphere.gaunt_convolution import GauntConvolution
from intertwine.tensor_products.sphere.vector_gaunt import VectorGaunt
from intertwine.tensor_products.swap import Swap, swap_tensor_products
from intertwine.tensor_products.symmetric_contraction import SymmetricContraction

__all__ = [
    "CP",
    "SO2",
    "ClebschGordan",
    "ClebschGordanContraction",
    "Convolution",
    "Cost",
    "EdgeProduct",
    "Expressivity",
    "Gaunt",
    "GauntContraction",
    "GauntConvolution",
    "Interactability",
    "Matrix",
    "Path",
    "SO2Linear",
    "Swap",
    "SymmetricContraction",
    "TensorProduct",
    "Tuned",
    "VectorGaunt",
    "cost",
    "expressivity",
    "interactability",
    "scaling",
    "swap_tensor_products",
    "tune",
]
