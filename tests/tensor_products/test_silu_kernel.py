"""silu with a compiled second derivative: torch's numbers to every order, far out as near zero."""

import pytest
import torch
from compiled import HERE, needs_kernels
from torch.autograd import gradcheck, gradgradcheck

from intertwine.tensor_products.kernels.library import using
from intertwine.tensor_products.kernels.silu import silu

X = torch.cat([torch.linspace(-20, 20, 301), torch.tensor([-1e4, -800.0, -90.0, 0.0, 90.0, 800.0, 1e4])]).double()


def derivatives(function, x: torch.Tensor, orders: int = 3) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    found = [function(x)]
    for _ in range(orders):
        (slope,) = torch.autograd.grad((found[-1] * torch.linspace(1, 2, len(x))).sin().sum(), x, create_graph=True)
        found.append(slope)
    return [each.detach() for each in found]


@needs_kernels
@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize(("dtype", "small"), [(torch.float64, 1e-13), (torch.float32, 2e-5)])
def test_silu_is_that_of_torch_to_third_derivatives(isa, dtype, small):
    with using(isa):
        found = derivatives(silu, X.to(dtype))
    for one, other in zip(found, derivatives(torch.nn.functional.silu, X.to(dtype)), strict=True):
        assert (one - other).abs().max() / other.abs().max() < small


@needs_kernels
def test_derivatives_match_finite_differences():
    x = torch.linspace(-4, 4, 9, dtype=torch.float64, requires_grad=True)
    assert gradcheck(silu, x) and gradgradcheck(silu, x)


@needs_kernels
def test_nan_stays_nan_and_odd_shapes_are_read_rightly():
    x = torch.full((3, 5), torch.nan)
    assert all(each.isnan().all() for each in derivatives(silu, x.T[0], orders=2))
    y = torch.randn(7, 3, dtype=torch.float64).T.requires_grad_()
    (slope,) = torch.autograd.grad(silu(y).sum(), y, create_graph=True)
    (second,) = torch.autograd.grad(slope.square().sum(), y)
    s = torch.sigmoid(y.detach())
    first = s * (1 + y.detach() * (1 - s))
    assert torch.allclose(second, 2 * first * s * (1 - s) * (2 + y.detach() * (1 - 2 * s)), atol=1e-14)


def test_without_kernels_torch_does_it():
    with using(None):
        assert torch.equal(silu(X), torch.nn.functional.silu(X))
