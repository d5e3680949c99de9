"""Norms: unit size of every entry, invariance, and finite derivatives at zero."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error, relative_error
from intertwine.nn.norm import RMSNorm, invariant_norm
from intertwine.o3.irreps import Irreps
from intertwine.o3.representation import IrrepsRepresentation

IRREPS = Irreps("2x0e+1o+2e")


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_every_entry_has_unit_size_whatever_came_in():
    sizes = torch.tensor([1e-1, 1e3, 5.0, 40.0]).repeat_interleave(torch.tensor([1, 1, 3, 5])).double()
    z = RMSNorm(IRREPS, 8, eps=0.0).double()(random(4, IRREPS.dim, 8) * sizes[:, None])
    for rows in IRREPS.slices():
        assert torch.allclose(z[:, rows].square().mean((1, 2)), torch.ones(4).double())


def test_weights_belong_to_entries_and_channels():
    norm, x = RMSNorm(IRREPS, 8).double(), random(4, IRREPS.dim, 8)
    z = norm(x)
    with torch.no_grad():
        norm.weight[2, 0, 3] = 2.0
    changed = norm(x)
    assert relative_error(changed[:, 2:5, 3], 2 * z[:, 2:5, 3]) < 1e-14
    changed[:, 2:5, 3] = z[:, 2:5, 3]
    assert torch.equal(changed, z)


def test_dividing_each_component_by_its_own_size_is_not_equivariant():
    types, x, seed = IrrepsRepresentation(IRREPS), random(4, IRREPS.dim, 8), torch.Generator().manual_seed(0)
    norm = RMSNorm(IRREPS, 8).double()
    assert equivariance_error(norm, [x], [types], types, O(3), generator=seed) < 1e-13

    def by_component(x):
        return x / x.square().mean(-1, keepdim=True).sqrt()

    assert equivariance_error(by_component, [x], [types], types, O(3), generator=seed) > 0.1


def test_zero_features_stay_zero_with_finite_derivatives():
    x = torch.zeros(2, IRREPS.dim, 3, dtype=torch.float64, requires_grad=True)
    z = RMSNorm(IRREPS, 3).double()(x)
    (gradient,) = torch.autograd.grad(z.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), x)
    assert not z.any() and gradient.isfinite().all() and second.isfinite().all()


def test_length_of_every_entry_is_invariant():
    x = random(4, IRREPS.dim, 3)
    lengths = invariant_norm(x, IRREPS)
    assert lengths.shape == (4, 4, 3)
    assert relative_error(lengths[:, 2], x[:, 2:5].norm(dim=1)) < 1e-14
    f, types = (lambda x: invariant_norm(x, IRREPS)), IrrepsRepresentation(IRREPS)
    assert equivariance_error(f, [x], [types], None, O(3), generator=torch.Generator().manual_seed(0)) < 1e-13
    sums = lambda x: x[:, 2:5].sum(1)  # noqa: E731
    assert equivariance_error(sums, [x], [types], None, O(3), generator=torch.Generator().manual_seed(0)) > 0.1


def test_length_has_derivatives_away_from_zero_and_zero_ones_at_zero():
    x = random(2, IRREPS.dim, 2).requires_grad_()
    assert gradcheck(lambda x: invariant_norm(x, IRREPS), x) and gradgradcheck(lambda x: invariant_norm(x, IRREPS), x)
    zero = torch.zeros(2, IRREPS.dim, 2, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(invariant_norm(zero, IRREPS).sum(), zero, create_graph=True)
    (second,) = torch.autograd.grad(gradient.sum() + (zero * gradient).sum(), zero)
    assert not gradient.any() and second.isfinite().all()
    (plain,) = torch.autograd.grad(zero.square().sum(1).sqrt().sum(), zero)
    assert plain.isnan().any(), "the square root alone would give NaN"


@pytest.mark.parametrize("scale", [1e-18, 1e18])
def test_length_of_tiny_and_huge_vectors(scale):
    x = torch.tensor([[3.0], [0.0], [4.0]]) * scale
    assert float(invariant_norm(x, "1o")) == pytest.approx(5 * scale)
