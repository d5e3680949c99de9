"""How exact products of high degree are: equivariance in float64, float32 against float64, degrees up to 12."""

import pytest
import torch

from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error, relative_error
from intertwine.o3.grid import lebedev
from intertwine.o3.irreps import Irreps
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.tensor_products.clebsch_gordan import ClebschGordan, allowed_paths
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.testing import EXACT_FLOAT32, EXACT_FLOAT64


def natural_and_not(lmax: int) -> tuple[Irreps, Irreps]:
    natural = Irreps.spherical_harmonics(lmax)
    return natural, natural + Irreps(f"{l}{'e' if l % 2 else 'o'}" for l in range(1, lmax + 1))


def clebsch_gordan(lmax: int) -> ClebschGordan:
    """Paths of the highest degrees with each other and with low ones."""
    natural, both = natural_and_not(lmax)
    chosen = [p for p in allowed_paths(natural, natural, both) if p.in1 in (1, lmax // 2, lmax) and p.in2 > lmax - 2]
    reached = sorted({path.out for path in chosen})
    paths = [(path.in1, path.in2, reached.index(path.out)) for path in chosen]
    return ClebschGordan(natural, natural, Irreps(both[out] for out in reached), paths=paths)


def gaunt(lmax: int, **options) -> Gaunt:
    natural, both = natural_and_not(lmax)
    return Gaunt(natural, natural, both if "odd" in options else natural, **options)


PRODUCTS = {
    "clebsch-gordan": clebsch_gordan,
    "grid": gaunt,
    "grid + bracket": lambda lmax: gaunt(lmax, odd="bracket"),
    "fourier": lambda lmax: gaunt(lmax, method="fourier"),
    "fourier + bracket": lambda lmax: gaunt(lmax, method="fourier", odd="bracket"),
}


def inputs(product) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    types = (product.irreps_in1, product.irreps_in2)
    return [torch.randn(16, each.dim, 4, generator=generator) for each in types]


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("lmax", [5, 8, 12])
def test_equivariance_in_float64_and_rounding_in_float32(name, lmax):
    product = PRODUCTS[name](lmax)
    single = inputs(product)
    double = [each.double() for each in single]
    in1, in2, out = (
        IrrepsRepresentation(each) for each in (product.irreps_in1, product.irreps_in2, product.irreps_out)
    )
    z = product.double()(*double)
    error = equivariance_error(product, double, [in1, in2], out, O(3), generator=torch.Generator().manual_seed(1))
    rounding = relative_error(product.float()(*single).double(), z)
    print(f"{name} lmax {lmax}: equivariance {error:.1e} in float64, float32 off by {rounding:.1e}")
    assert error <= EXACT_FLOAT64
    assert rounding <= EXACT_FLOAT32


def test_grids_with_negative_weights_round_worse():
    """Why the smallest rule is not always chosen."""
    product, negative = gaunt(8), gaunt(8, grid=lebedev(24))
    single = inputs(product)
    double = [each.double() for each in single]
    errors = [relative_error(p.float()(*single).double(), p.double()(*double)) for p in (product, negative)]
    assert errors[1] > 1.5 * errors[0]
