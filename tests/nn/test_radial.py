"""Radial functions: smooth at the cutoff, orthogonal, finite at zero, and weights that vanish with the envelope."""

from functools import partial

import numpy as np
import pytest
import torch

from intertwine.groups.error import relative_error
from intertwine.nn.radial import BesselBasis, GaussianBasis, PolynomialCutoff, RadialMLP

CUTOFF = 4.5


def derivatives(f, r: float, count: int) -> list[torch.Tensor]:
    """Value and derivatives of a function at a distance."""
    x = torch.tensor([r], dtype=torch.float64, requires_grad=True)
    found = [f(x)]
    for _ in range(count):
        found.append(torch.autograd.grad(found[-1].sum(), x, create_graph=True)[0])
    return found


@pytest.mark.parametrize("p", [2, 3, 6, 8])
def test_envelope_is_the_polynomial_of_the_paper(p):
    r = torch.linspace(0, CUTOFF, 101, dtype=torch.float64)
    t = r / CUTOFF
    paper = 1 - (p + 1) * (p + 2) / 2 * t**p + p * (p + 2) * t ** (p + 1) - p * (p + 1) / 2 * t ** (p + 2)
    assert (PolynomialCutoff(CUTOFF, p=p)(r) - paper).abs().max() < 1e-13


@pytest.mark.parametrize(("p", "order"), [(2, 3), (6, 3), (6, 4)])
def test_value_and_derivatives_vanish_at_the_cutoff_and_p_less_one_at_zero(p, order):
    envelope = PolynomialCutoff(CUTOFF, p=p, order=order)
    just_inside = derivatives(envelope, CUTOFF * (1 - 1e-12), order)
    assert max(float(each.detach().abs()) for each in just_inside[:order]) < 1e-9
    assert float(just_inside[order].detach().abs()) > 0.1
    at_zero = derivatives(envelope, 0.0, p)
    assert float(at_zero[0].detach()) == 1 and max(abs(float(each.detach())) for each in at_zero[1:p]) < 1e-12
    assert abs(float(at_zero[p].detach())) > 0.1
    for r in (CUTOFF, CUTOFF + 1, 1e30):
        assert not any(float(each.detach()) for each in derivatives(envelope, r, 2))


def test_envelope_keeps_its_digits_and_sign_near_the_cutoff_in_float32():
    envelope = PolynomialCutoff(CUTOFF)
    r = CUTOFF * (1 - torch.logspace(-5, -1, 50))
    u, exact = envelope(r), envelope(r.double())
    assert (u > 0).all() and relative_error(u.double() / exact, torch.ones_like(exact)) < 0.02
    t, p = r / CUTOFF, 6
    naive = 1 + t**p * (-(p + 1) * (p + 2) / 2 + t * (p * (p + 2) - t * (p * (p + 1) / 2)))
    assert ((naive.double() - exact).abs() / exact).max() > 1


def test_bessel_functions_are_orthonormal_in_the_ball():
    """int_0^cutoff b_m b_n r^2 dr = delta, by Gauss-Legendre quadrature."""
    points, weights = np.polynomial.legendre.leggauss(60)
    r = torch.tensor(CUTOFF / 2 * (points + 1))
    b = BesselBasis(CUTOFF, count=8)(r)
    overlap = torch.einsum("r,rm,rn->mn", torch.tensor(CUTOFF / 2 * weights) * r**2, b, b)
    assert (overlap - torch.eye(8)).abs().max() < 1e-13


def test_bessel_functions_are_finite_at_zero_and_zero_at_the_cutoff():
    basis = BesselBasis(CUTOFF, count=8)
    zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    n = torch.arange(1, 9, dtype=torch.float64)
    value = basis(zero)
    assert relative_error(value[0], (2 / CUTOFF) ** 0.5 * n * torch.pi / CUTOFF) < 1e-14
    assert not torch.autograd.grad(value.sum(), zero)[0].any()
    assert basis(torch.tensor([CUTOFF], dtype=torch.float64)).abs().max() < 1e-14
    r = torch.tensor([1.3], dtype=torch.float64)
    assert relative_error(basis(r)[0], (2 / CUTOFF) ** 0.5 * torch.sin(n * torch.pi * 1.3 / CUTOFF) / 1.3) < 1e-14


def test_gaussians_sit_at_equal_steps_and_are_one_at_their_centres():
    basis = GaussianBasis(CUTOFF, count=10, start=0.9)
    centres = torch.linspace(0.9, CUTOFF, 10, dtype=torch.float64)
    values = basis(centres)
    assert relative_error(values.diagonal(), torch.ones(10).double()) < 1e-14
    assert relative_error(values.diagonal(1), torch.full((9,), np.exp(-0.5), dtype=torch.float64)) < 1e-12


@pytest.mark.parametrize("basis", [BesselBasis(CUTOFF), GaussianBasis(CUTOFF)])
def test_edge_weights_vanish_smoothly_at_the_cutoff(basis):
    radial = RadialMLP(basis, PolynomialCutoff(CUTOFF), hidden=(16, 16), rows=3, channels=5).double()
    r = torch.tensor([1.0, CUTOFF, CUTOFF + 1], dtype=torch.float64, requires_grad=True)
    weights = radial(r)
    assert weights.shape == (3, 3, 5)
    assert weights[0].abs().min() > 0 and not weights[1:].any()
    assert not torch.autograd.grad(weights[1:].sum(), r)[0].any()
    value, first, second = derivatives(lambda r: radial(r)[:, 1, 2], CUTOFF - 1e-5, 2)
    assert (
        float(value.detach().abs()) < 1e-14
        and float(first.detach().abs()) < 1e-9
        and float(second.detach().abs()) < 1e-3
    )


def test_impossible_sizes_are_refused():
    envelopes = (dict(cutoff=0.0), dict(cutoff=5.0, p=1), dict(cutoff=5.0, order=0))
    for make in (*(partial(PolynomialCutoff, **each) for each in envelopes), partial(BesselBasis, -1.0)):
        with pytest.raises(ValueError, match=r"expected cutoff > 0.* and .* came cutoff="):
            make()
    with pytest.raises(ValueError, match=r"start < cutoff, came 16, 6.0, 5.0"):
        GaussianBasis(5.0, start=6.0)
