"""Fourier transforms of the sphere: values, round trips, and convolution equal to the Gaunt product."""

import pytest
import torch

from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error
from intertwine.o3.fourier import convolve, fourier_to_harmonics, from_fourier, harmonics_to_fourier, to_fourier
from intertwine.o3.gaunt import gaunt
from intertwine.o3.irreps import Irreps
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.o3.spherical_harmonics import spherical_harmonics

DEGREES = [(0, 0, 0), (1, 1, 2), (2, 3, 3), (6, 5, 8), (3, 4, 2), (2, 1, 5), (12, 12, 12)]


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def gaunt_product(x: torch.Tensor, y: torch.Tensor, l1: int, l2: int, l3: int) -> torch.Tensor:
    z = x.new_zeros(*x.shape[:-2], (l3 + 1) ** 2, x.shape[-1])
    for a in range(l1 + 1):
        for b in range(l2 + 1):
            for c in range(abs(a - b), min(a + b, l3) + 1, 2):
                left, right = x[..., a * a : (a + 1) ** 2, :], y[..., b * b : (b + 1) ** 2, :]
                z[..., c * c : (c + 1) ** 2, :] += torch.einsum(
                    "ijk,...ic,...jc->...kc", gaunt(a, b, c).to(x), left, right
                )
    return z


def fourier_product(x: torch.Tensor, y: torch.Tensor, l1: int, l2: int, l3: int) -> torch.Tensor:
    f = to_fourier(x, harmonics_to_fourier(l1, dtype=x.dtype))
    g = to_fourier(y, harmonics_to_fourier(l2, dtype=y.dtype))
    return from_fourier(convolve(f, g), fourier_to_harmonics(l3, l1 + l2, dtype=x.dtype))


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.square().mean().sqrt())


@pytest.mark.parametrize("degrees", DEGREES, ids=str)
def test_convolution_of_coefficients_is_the_gaunt_product(degrees):
    l1, l2, _ = degrees
    x, y = random(2, (l1 + 1) ** 2, 3), random(2, (l2 + 1) ** 2, 3)
    assert relative(fourier_product(x, y, *degrees), gaunt_product(x, y, *degrees)) < 1e-12
    single = fourier_product(x.float(), y.float(), *degrees).double()
    assert relative(single, gaunt_product(x, y, *degrees)) < 5e-6


def test_product_commutes_with_rotations_and_reflections_and_coefficients_do_not():
    rep = IrrepsRepresentation(Irreps.spherical_harmonics(3))
    x, y = random(2, 16, 2)
    generator = torch.Generator().manual_seed(0)

    def product(x, y):
        return fourier_product(x, y, 3, 3, 3)

    def scrambled(x, y):
        f, g = (to_fourier(t, harmonics_to_fourier(3)) for t in (x, y))
        return from_fourier(f * g, fourier_to_harmonics(3, 3))

    assert equivariance_error(product, [x, y], [rep, rep], rep, O(3), generator=generator) < 1e-12
    assert equivariance_error(scrambled, [x, y], [rep, rep], rep, O(3), generator=generator) > 0.1


@pytest.mark.parametrize("lmax", [0, 1, 4, 12, 24])
def test_there_and_back_is_the_identity(lmax):
    x = random((lmax + 1) ** 2, 2)
    f = to_fourier(x, harmonics_to_fourier(lmax))
    assert relative(from_fourier(f, fourier_to_harmonics(lmax, lmax)), x) < 1e-12


def test_the_series_has_the_values_of_the_harmonics():
    lmax, count = 5, 40
    x = random((lmax + 1) ** 2, 1)
    theta, phi = torch.pi * torch.rand(2, count, dtype=torch.float64) * torch.tensor([[1.0], [2.0]])
    points = torch.stack([theta.sin() * phi.sin(), theta.cos(), theta.sin() * phi.cos()], -1)
    expected = spherical_harmonics(range(lmax + 1), points, normalize=True) @ x

    f = to_fourier(x, harmonics_to_fourier(lmax))[..., 0]
    u, v = torch.arange(-lmax, lmax + 1), torch.arange(lmax + 1)
    waves = torch.exp(1j * (u[:, None] * theta[:, None, None] + v * phi[:, None, None]))
    twice = torch.where(v > 0, 2, 1)  # v < 0 holds the conjugates
    values = (waves * f * twice).real.sum((-2, -1))
    assert torch.allclose(values, expected[:, 0], atol=1e-13)
    assert not torch.allclose((waves * f).real.sum((-2, -1)), expected[:, 0], atol=1e-2)


def test_tables_are_zero_below_the_order():
    forward, backward = harmonics_to_fourier(4), fourier_to_harmonics(4, 7)
    for m in range(5):
        assert not forward[m, :, :m].any() and not backward[m, :, :m].any()
    assert forward.shape == (5, 9, 5) and backward.shape == (5, 15, 5)


def test_gradients_flow_twice():
    x, y = random(2, 4, 1)
    assert torch.autograd.gradgradcheck(
        lambda x, y: fourier_product(x, y, 1, 1, 2), (x.requires_grad_(), y.requires_grad_())
    )


def test_a_feature_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="dim axis of 9, came 4"):
        to_fourier(random(4, 1), harmonics_to_fourier(2))
