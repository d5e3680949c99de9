import pytest
import torch

from intertwine.o3.irreps import Irreps
from intertwine.o3.rotation import random_rotation
from intertwine.o3.wigner import wigner_d
from intertwine.tensor_products.symmetric_contraction import METHODS, SymmetricContraction


def contraction(method):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = dict(channels=4, correlation=3, elements=2)
        return SymmetricContraction("0e+1o+2e", "0e+1o", method=method, **sizes).double()


def case():
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(5, 9, 4, generator=draw, dtype=torch.float64)
    return x, torch.tensor([0, 1, 1, 0, 0]), random_rotation(generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("method", METHODS)
def test_rotating_the_feature_rotates_the_result(method):
    module, (x, element, rotation) = contraction(method), case()
    d_in, d_out = (torch.block_diag(*(wigner_d(ir, rotation) for ir in Irreps(each))) for each in ("0e+1o+2e", "0e+1o"))
    turned, error = module(d_in @ x, element), lambda z: float((turned - z).detach().abs().max())
    assert error(d_out @ module(x, element)) < 1e-12
    assert error(module(x, element)) > 1e-2  # not rotated


def test_methods_differ():
    x, element, _ = case()
    cg, gaunt, bracket = (contraction(method)(x, element) for method in METHODS)
    assert not torch.allclose(cg, gaunt) and not torch.allclose(gaunt, bracket)
