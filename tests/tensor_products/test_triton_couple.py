from functools import cache

import pytest
import torch
from compiled import distance
from interpreted import PLACES, elsewhere, needs_triton, twin_errors

from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.kernels.coupling_terms import coupling_terms

pytestmark = needs_triton
CASES = {
    "weights of every sample": dict(product=("0e+1o", "0e+1o+1e"), weights=(5, 3)),
    "shared weights": dict(product=("0e+2e", "1o"), weights=(1, 1), channels=2),
    "no weights, y of one channel": dict(product=("0e+1o", "1o"), one=True, channels=1),
    "no samples": dict(product=("0e+1o", "0e+1o"), batch=0, weights=(0, 3)),
}


def case(device, dtype, product, weights=None, batch=5, channels=3, one=False):
    module = ClebschGordan(*product, weights="external" if weights else "none").to(device, dtype)
    shapes = [(batch, module.irreps_in1.dim, channels), (batch, module.irreps_in2.dim, 1 if one else channels)]
    if weights:
        shapes.append((weights[0], module.weight_count, weights[1]))
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return module, [each.to(device, dtype).requires_grad_() for each in drawn]


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


def test_terms_read_back_are_the_couplings():
    product = ClebschGordan("0e+1o+2e", "1o+2e+3o")
    shape = (product.irreps_in1.dim, product.irreps_in2.dim, product.dim_out)
    expected = torch.zeros(shape, dtype=torch.float64)
    slices = [each.slices() for each in (product.irreps_in1, product.irreps_in2, product.irreps_out)]
    for term in product.couplings:
        expected[slices[0][term.in1], slices[1][term.in2], slices[2][term.out]] += term.coefficients
    for numbers in (product.tables.exact["compiled"], product.tables.exact["compiled"].float()):
        terms = coupling_terms(product.structure, numbers)
        found = torch.zeros(shape, dtype=numbers.dtype)
        found[terms.x, terms.y, terms.z] = torch.from_numpy(terms.coefficients)
        assert distance(found, expected.to(numbers.dtype)) < 10 * torch.finfo(numbers.dtype).eps
        assert len(terms.x) == int((expected.abs() > 1e-12).sum())
