"""The compiled waves of a radial network agree with basis times envelope, and so do two derivatives."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from intertwine.nn.radial import BesselBasis, GaussianBasis, PolynomialCutoff, RadialMLP
from intertwine.nn.trainable_cutoff import TrainableCutoff
from intertwine.tensor_products.kernels import library

CUTOFF = 4.5
HERE = library.ISAS[library.ISAS.index(library.best_isa()) :] if library.best_isa() else ()
needs_kernels = pytest.mark.skipif(not HERE, reason="no compiled kernels here")
DISTANCES = torch.cat([torch.linspace(0.4, CUTOFF + 1, 41), torch.tensor([CUTOFF - 1e-6, CUTOFF])]).double()


def network(count=8, cutoff=CUTOFF, **envelope) -> RadialMLP:
    basis = BesselBasis(CUTOFF, count=count)
    return RadialMLP(basis, PolynomialCutoff(cutoff, **envelope), hidden=(), rows=1, channels=2).double()


def derivatives(radial: RadialMLP, r: torch.Tensor) -> list[torch.Tensor]:
    r = r.clone().requires_grad_()
    value = radial.waves(r)
    (first,) = torch.autograd.grad(value.sin().sum(), r, create_graph=True)
    return [value, first, *torch.autograd.grad(first.cos().sum(), r)]


@needs_kernels
@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("envelope", [{}, {"p": 3}, {"p": 6, "order": 4}])
@pytest.mark.parametrize("count", [1, 8, 13])
def test_waves_and_twin_agree_to_second_derivatives(isa, envelope, count):
    radial = network(count, **envelope)
    with library.using(None):
        expected = derivatives(radial, DISTANCES)
    with library.using(isa):
        found = derivatives(radial, DISTANCES)
    for order, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert (one - other).abs().max() / other.abs().max() < (1e-14, 1e-13, 1e-12)[order]


@needs_kernels
def test_derivatives_match_finite_differences():
    r = torch.tensor([0.5, 1.7, 3.0, 4.4], dtype=torch.float64, requires_grad=True)
    assert gradcheck(network().waves, r) and gradgradcheck(network().waves, r)


@needs_kernels
def test_waves_are_finite_at_zero_and_nothing_beyond_the_cutoff():
    found = derivatives(network(), torch.tensor([0.0, CUTOFF, CUTOFF + 1, 1e30], dtype=torch.float64))
    assert all(each.isfinite().all() and not each[1:].any() for each in found)
    n = torch.arange(1, 9, dtype=torch.float64)
    assert torch.allclose(found[0][0], (2 / CUTOFF) ** 0.5 * n * torch.pi / CUTOFF, rtol=1e-7)


@needs_kernels
def test_float32_is_as_near_to_float64_as_its_digits():
    r = DISTANCES.float()
    pairs = zip(derivatives(network(), r), derivatives(network(), r.double()), strict=True)
    assert max(float((a - b).detach().abs().max() / b.detach().abs().max()) for a, b in pairs) < 5e-6


@needs_kernels
def test_a_third_derivative_is_refused():
    r = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    found = network().waves(r).sum()
    for _ in range(2):
        (found,) = torch.autograd.grad(found.sum(), r, create_graph=True)
    with pytest.raises(NotImplementedError, match="waves: compiled kernels have two derivatives"):
        torch.autograd.grad(found.sum(), r)


def test_other_bases_and_envelopes_are_left_to_torch():
    basis = BesselBasis(CUTOFF)
    others = [
        (basis, each) for each in (TrainableCutoff(CUTOFF), PolynomialCutoff(3.0), PolynomialCutoff(4.5, order=2))
    ]
    for each in [*others, (GaussianBasis(CUTOFF), PolynomialCutoff(CUTOFF))]:
        assert RadialMLP(*each, hidden=(), rows=1, channels=1).compiled is None
