from functools import cache

import pytest
import torch
from interpreted import PLACES, elsewhere, needs_triton, twin_errors

from intertwine.tensor_products.sphere.gaunt import Gaunt

pytestmark = needs_triton
CASES = {
    "all degrees": dict(irreps=("0e+1o+2e", "0e+1o+2e", None)),
    "repeated and missing ones": dict(irreps=("1o+3o+3o", "0e+2e", "1o+1o+3o")),
    "pseudo-tensors": dict(irreps=("1e+2o", "0o+1e", None), channels=1),
    "y of one channel": dict(irreps=("0e+1o", "0e+1o+2e", "0e+1o"), one=True),
    "no samples": dict(irreps=("0e+1o", "0e+1o", None), batch=0),
}


def case(device, dtype, irreps, batch=5, channels=3, one=False):
    product = Gaunt(*irreps).to(device, dtype)
    assert product.separable
    draw = torch.Generator().manual_seed(0)
    shapes = (batch, channels, product.irreps_in1.dim), (batch, 1 if one else channels, product.irreps_in2.dim)
    features = [torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes]
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
