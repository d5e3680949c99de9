"""Compile and export matrix, vector and edge products; run as a script by test_traced_products.py."""

import torch

from intertwine.tensor_products.edge_frame.so2 import SO2
from intertwine.tensor_products.edge_frame.so2_linear import SO2Linear
from intertwine.tensor_products.matrix import Matrix
from intertwine.tensor_products.sphere.gaunt_convolution import GauntConvolution
from intertwine.tensor_products.sphere.vector_gaunt import VectorGaunt
from intertwine.testing import check_compiles

PRODUCTS = [
    Matrix("0e+1o+1e", "0e+1o", "0o+1e+2o", weights="external"),
    Matrix("0e+1o", "0e+1o", space="sum"),
    VectorGaunt("0e+1o", "0e+1o", "0e+1e", weights="external"),
]
EDGE_PRODUCTS = [
    SO2("0e+1o+1e", "0e+1o", "0o+1e+2o", weights="external"),
    SO2Linear("0e+1o+1e", "1e+2o", channels=2),
    GauntConvolution("0e+1o+1e", "0e+1o", "0o+1e+1o", odd="bracket", weights="external"),
]


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def main() -> None:
    for product in PRODUCTS + EDGE_PRODUCTS:
        second = random(4, 3) if product in EDGE_PRODUCTS else random(4, product.irreps_in2.dim, 1)
        weight = [random(4, product.weight_count, 2)] if product.weights == "external" else []
        check_compiles(product.double(), random(4, product.irreps_in1.dim, 2), second, *weight)


if __name__ == "__main__":
    main()
