"""Wigner matrices: orthogonal, homomorphic, equal to e3nn's, differentiable everywhere."""

import pytest
import torch
from e3nn import o3 as e3nn
from torch.autograd import gradcheck, gradgradcheck

from intertwine.o3.irreps import Irrep
from intertwine.o3.rotation import matrix_to_quaternion, quaternion_to_matrix, random_rotation, rotation_about_y
from intertwine.o3.spherical_harmonics import spherical_harmonics
from intertwine.o3.wigner import wigner_d, wigner_d_from_angles, wigner_d_from_quaternion


def rotations(*shape: int, seed: int = 0) -> torch.Tensor:
    return random_rotation(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tolerance(l: int) -> float:
    return 1e-13 if l <= 12 else 1e-12


@pytest.fixture
def e3nn_in_float64():
    """e3nn builds its generators in the default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize("l", [0, 1, 2, 3, 5, 8, 12, 17, 24])
def test_matrices_are_orthogonal_and_multiply_like_rotations(l):
    r, s = rotations(2, 5)
    d = wigner_d(l, r)
    assert float((d @ d.mT - torch.eye(2 * l + 1)).abs().max()) < tolerance(l)
    assert float((wigner_d(l, r @ s) - d @ wigner_d(l, s)).abs().max()) < tolerance(l)
    if l > 0:
        assert float((wigner_d(l, s @ r) - d @ wigner_d(l, s)).abs().max()) > 0.1


@pytest.mark.parametrize("l", [1, 2, 6, 12, 24])
def test_matrices_turn_the_harmonics(l):
    r, x = rotations(), torch.randn(20, 3, dtype=torch.float64)
    turned = spherical_harmonics(l, x @ r.mT, normalize=True)
    assert float((turned - spherical_harmonics(l, x, normalize=True) @ wigner_d(l, r).mT).abs().max()) < tolerance(l)


@pytest.mark.parametrize("l", range(12))
def test_matrices_equal_those_of_e3nn(l, e3nn_in_float64):
    r, angles = rotations(6), torch.rand(3, 6)
    assert torch.allclose(wigner_d(l, r), e3nn.Irrep(l, 1).D_from_matrix(r), atol=1e-13, rtol=0)
    assert torch.allclose(wigner_d_from_angles(l, *angles), e3nn.wigner_D(l, *angles), atol=1e-13, rtol=0)


def test_degree_one_is_the_rotation_and_degree_zero_is_one():
    r = rotations(4)
    assert torch.allclose(wigner_d(1, r), r, atol=1e-14)
    assert torch.allclose(wigner_d(0, r), torch.ones(4, 1, 1).double())


def test_a_number_ignores_reflections_and_an_irrep_counts_them():
    r = rotations(3)
    for l in (1, 2):
        assert torch.allclose(wigner_d(l, -r), wigner_d(l, r), atol=1e-14)
        assert torch.allclose(wigner_d(Irrep(l, 1), -r), wigner_d(l, r), atol=1e-14)
        assert torch.allclose(wigner_d(f"{l}o", -r), -wigner_d(l, r), atol=1e-14)
        assert torch.allclose(wigner_d(f"{l}o", r), wigner_d(l, r), atol=1e-14)


def test_quaternions_of_both_signs_give_the_same_matrix():
    q = matrix_to_quaternion(rotations(4))
    assert torch.allclose(wigner_d_from_quaternion(5, q), wigner_d(5, quaternion_to_matrix(-q)), atol=1e-14)


def test_rotations_about_the_polar_axis_only_mix_m_and_minus_m():
    d = wigner_d(4, rotation_about_y(torch.tensor(0.7, dtype=torch.float64)))
    allowed = torch.eye(9) + torch.eye(9).flip(0)
    assert float(d[allowed == 0].abs().max()) < 1e-14
    assert float(wigner_d(4, rotations())[allowed == 0].abs().max()) > 0.1


@pytest.mark.parametrize(
    "q", [[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0.6, 0, 0.8, 0], [0.5, -0.5, 0.1, 0.7]], ids=str
)
def test_derivatives_are_right_in_every_direction(q):
    q = torch.tensor(q, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda q: wigner_d_from_quaternion("3o", q), q)
    assert gradgradcheck(lambda q: wigner_d_from_quaternion("2e", q), q)


def test_float32_error_is_rounding():
    r = rotations(10)
    assert float((wigner_d(12, r.float()) - wigner_d(12, r)).abs().max()) < 5e-6


def test_inference_mode_leaves_nothing_behind_that_breaks_training():
    with torch.inference_mode():
        wigner_d(19, rotations())
    r = rotations().requires_grad_()
    wigner_d(19, r).sum().backward()
    assert r.grad is not None and r.grad.isfinite().all()
