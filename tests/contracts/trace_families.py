"""Compile and export one member of every kind; run as a script by test_layer_family.py."""

import torch
from families import LAYERS, PRODUCTS

from intertwine.nn.edge_harmonics import EdgeHarmonics
from intertwine.nn.mlp import MLP
from intertwine.nn.radial import BesselBasis, PolynomialCutoff, RadialMLP
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.convolution import Convolution
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.testing import check_compiles

TRACED_PRODUCTS = ["clebsch-gordan, repeated irreps", "gaunt, weights inside", "gaunt + bracket, mixed parities"]
TRACED_LAYERS = ["linear", "gate", "rms norm", "clebsch-gordan contraction", "gaunt contraction + double bracket"]


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def main() -> None:
    for name in TRACED_PRODUCTS:
        product = PRODUCTS[name]().double()
        inputs = [random(4, product.irreps_in1.dim, 2), random(4, product.irreps_in2.dim, 1)]
        if product.weights == "external":
            inputs.append(random(4, product.weight_count, 2))
        check_compiles(product, *inputs)
    for name in TRACED_LAYERS:
        make, irreps_in, _, options = LAYERS[name]
        others = options.get("others", lambda batch: ())
        check_compiles(make().double(), random(4, Irreps(irreps_in).dim, options["channels"]), *others((4,)))
    radial = RadialMLP(BesselBasis(4.0), PolynomialCutoff(4.0), hidden=(8,), rows=3, channels=2).double()
    check_compiles(radial, random(6).abs())
    check_compiles(EdgeHarmonics(3).double(), random(6, 3))
    check_compiles(MLP(3, 4, 1).double(), random(5, 3))
    edges = torch.tensor([0, 1, 2, 0]), torch.tensor([1, 0, 1, 2])
    convolution = Convolution(Gaunt("0e+1o", "0e+1o", odd="bracket", weights="external", legs=(2,))).double()
    check_compiles(convolution, random(3, 4, 2), random(4, 4, 1), random(4, 2, 2), *edges)


if __name__ == "__main__":
    main()
