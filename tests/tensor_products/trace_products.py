"""Compile and export products of every kind; print the operators of kernels that their graphs hold. A script."""

import json

import torch
from torch import nn

from intertwine.tensor_products.cg_contraction import ClebschGordanContraction
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.convolution import Convolution
from intertwine.tensor_products.cp.cp import CP
from intertwine.tensor_products.cp.gauss_newton import Factors
from intertwine.tensor_products.edge_frame.so2 import SO2
from intertwine.tensor_products.edge_frame.so2_linear import SO2Linear
from intertwine.tensor_products.matrix import Matrix
from intertwine.tensor_products.sphere.gaunt import Gaunt
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
COUPLED = ClebschGordan("0e+1o+2e", "0e+1o", weights="external")


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def with_kernels() -> dict[str, tuple[nn.Module, tuple[torch.Tensor, ...]]]:
    """A module for each operator, and its inputs, of which the first has a derivative."""
    edges = torch.tensor([0, 1, 2, 0, 4]), torch.tensor([1, 0, 1, 2, 3])
    weight, element = random(5, COUPLED.weight_count, 8), torch.tensor([0, 1, 1, 0, 0])
    return {
        "contract": (
            ClebschGordanContraction("0e+1o", "0e+1o", channels=4, correlation=3, elements=2),
            (random(5, 4, 4), element),
        ),
        "convolve": (Convolution(COUPLED), (random(5, 9, 8), random(5, 4, 1), weight, *edges)),
        "couple": (COUPLED, (random(5, 9, 8), random(5, 4, 1), weight)),
        "decompose": (
            CP("0e+1o", "0e+1o", "0e+1o", rank=Factors(random(5, 4), random(5, 4), random(5, 4))),
            (random(5, 4, 8), random(5, 4, 8)),
        ),
        "gaunt": (Gaunt("0e+1o", "0e+1o"), (random(5, 4, 8), random(5, 4, 8))),
    }


def operators(module: nn.Module, x: torch.Tensor, *others: torch.Tensor) -> list[str]:
    """Those of our kernels in the exported graph, when graphs give the result and compiled ones its derivative."""
    check_compiles(module, x, *others)
    x.requires_grad_()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    slopes = [torch.autograd.grad(each(x, *others).square().sum(), x)[0] for each in (module, compiled)]
    torch.testing.assert_close(*slopes, rtol=1e-10, atol=1e-10)
    nodes = torch.export.export(module, (x.detach(), *others)).graph.nodes
    return [str(node.target) for node in nodes if str(node.target).startswith("intertwine.")]


def main() -> None:
    for product in PRODUCTS + EDGE_PRODUCTS:
        second = random(4, 3) if product in EDGE_PRODUCTS else random(4, product.irreps_in2.dim, 1)
        weight = [random(4, product.weight_count, 2)] if product.weights == "external" else []
        check_compiles(product.double(), random(4, product.irreps_in1.dim, 2), second, *weight)
    cases = with_kernels().items()
    print(json.dumps({name: operators(module.double(), *inputs) for name, (module, inputs) in cases}))


if __name__ == "__main__":
    main()
