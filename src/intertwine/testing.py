"""Contract checks: all that a product, a layer (O(3) acts along `dim`) or a potential (E(3)) must keep, in one call."""

from intertwine.contracts.case import EXACT_FLOAT32, EXACT_FLOAT64
from intertwine.contracts.compiling import check_compiles
from intertwine.contracts.layers import check_layer
from intertwine.contracts.products import check_tensor_product
from intertwine.potentials.models.contract import check_potential

__all__ = [
    "EXACT_FLOAT32",
    "EXACT_FLOAT64",
    "check_compiles",
    "check_layer",
    "check_potential",
    "check_tensor_product",
]
