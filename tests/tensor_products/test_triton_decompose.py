from functools import cache

import pytest
import torch
from interpreted import PLACES, elsewhere, needs_triton, twin_errors

from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.cp.cp import CP
from intertwine.tensor_products.cp.gauss_newton import Factors

pytestmark = needs_triton
CASES = {
    "factors of three sizes": dict(irreps=("0e+1o+2e", "1o", "1o+2e"), rank=5),
    "more terms than one step": dict(irreps=("0e+1o", "0e+1o", "0e+1o"), rank=40),
    "more rows than the smallest block, more lanes than one": dict(
        irreps=("1o+8e", "0e+1o", "8e"), rank=3, channels=70
    ),
    "more rows than a program keeps": dict(irreps=("0e", "8x8e", "8x8e"), rank=3, channels=1),
    "y of one channel": dict(irreps=("0e+1o", "1o", "0e+1o"), rank=5, one=True),
    "one channel": dict(irreps=("0e+1o", "1o", "0e+1o"), rank=5, channels=1, batch=70),
    "no samples": dict(irreps=("0e+1o", "0e+1o", "0e+1o"), rank=5, batch=0),
}


def case(device, dtype, irreps, rank, batch=5, channels=3, one=False):
    """A product with random factors, and features that do not lie side by side in memory."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    widths = [sum(ir.dim for ir in set(Irreps(each))) for each in irreps]
    product = CP(*irreps, rank=Factors(*(draw(rank, width) for width in widths))).to(device, dtype)
    shapes = (batch, channels, product.irreps_in1.dim), (batch, 1 if one else channels, product.irreps_in2.dim)
    features = [draw(*shape) for shape in shapes]
    return product, [each.mT.to(device, dtype).requires_grad_() for each in features]


def errors(device):
    return twin_errors(case, CASES, device)


@cache
def errors_at(place):
    return elsewhere(__file__, "errors", place)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", CASES)
def test_kernel_and_twin_agree_to_second_derivatives(name, place):
    assert errors_at(place)[f"{name} torch.float64"] < 1e-12
    assert errors_at(place)[f"{name} torch.float32"] < 5e-6
