from functools import cache

import pytest
import torch
from interpreted import PLACES, elsewhere, needs_triton, twin_errors

from intertwine.tensor_products.cg_contraction import ClebschGordanContraction
from intertwine.tensor_products.sphere.gaunt_contraction import GauntContraction

pytestmark = needs_triton
CASES = {
    "three elements": dict(irreps=("0e+1o", "0e+1o"), correlation=3, elements=3),
    "products of products": dict(irreps=("1o", "0e"), correlation=6, channels=1),
    "an element without nodes": dict(irreps=("0e+1o", "1o"), correlation=2, elements=4, nodes=2),
    "first order": dict(irreps=("0e+1o", "0e+1o"), correlation=1),
    "Gaunt": dict(irreps=("0e+1o", "0e+1o"), correlation=3, kind=GauntContraction),
    "no nodes": dict(irreps=("0e+1o", "0e"), correlation=2, nodes=0),
}


def case(device, dtype, irreps, correlation, elements=2, nodes=5, channels=3, kind=ClebschGordanContraction):
    draw = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = kind(*irreps, channels=channels, correlation=correlation, elements=elements).to(device, dtype)
    x = torch.randn(nodes, channels, module.irreps_in.dim, generator=draw, dtype=torch.float64).mT
    element = torch.randint(elements, (nodes,), generator=draw).to(device)
    inputs = [x.to(device, dtype).requires_grad_(), module.weights]
    return (lambda x, _: module(x, element)), inputs


def errors(device):
    return twin_errors(case, CASES, device)


@cache
def errors_at(place):
    return elsewhere(__file__, "errors", place)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", CASES)
def test_kernel_and_twin_agree_to_second_derivatives(name, place):
    assert errors_at(place)[f"{name} torch.float64"] < 1e-12
    assert errors_at(place)[f"{name} torch.float32"] < 1e-5
