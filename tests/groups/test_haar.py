"""Haar measure: moments of random orthogonal matrices against their exact values."""

import pytest
import torch

from intertwine.groups.haar import haar_orthogonal, haar_special_orthogonal

SAMPLES = 40_000


def moments(q: torch.Tensor) -> tuple[float, float]:
    """Largest errors of E[q_ij q_kl] = d_ik d_jl / n, and of E[q_11] = 0."""
    n = q.shape[-1]
    second = torch.einsum("bij,bkl->ikjl", q, q) / len(q)
    exact = torch.einsum("ik,jl->ikjl", torch.eye(n), torch.eye(n)).to(q) / n
    return float((second - exact).abs().max()), float(q.mean(0).abs().max())


@pytest.mark.parametrize("draw", [haar_orthogonal, haar_special_orthogonal])
@pytest.mark.parametrize("n", [3, 4])
def test_first_and_second_moments_are_those_of_the_uniform_measure(draw, n):
    q = draw(n, SAMPLES, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    second, first = moments(q)
    assert second < 0.02 and first < 0.02


def test_without_the_sign_fix_the_draw_is_not_uniform():
    gaussian = torch.randn(SAMPLES, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    _, first = moments(torch.linalg.qr(gaussian)[0])
    assert first > 0.1


def test_angles_of_planar_rotations_are_uniform():
    q = haar_special_orthogonal(2, SAMPLES, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    angle = torch.atan2(q[:, 1, 0], q[:, 0, 0])
    counts = torch.histc(angle, bins=8, min=-torch.pi, max=torch.pi) / SAMPLES
    assert float((counts - 1 / 8).abs().max()) < 0.01


def test_half_of_the_orthogonal_matrices_are_reflections_and_no_rotation_is():
    generator = torch.Generator().manual_seed(0)
    signs = torch.linalg.det(haar_orthogonal(3, SAMPLES, generator=generator))
    assert abs(float((signs < 0).double().mean()) - 0.5) < 0.01
    assert bool((torch.linalg.det(haar_special_orthogonal(3, SAMPLES, generator=generator)) > 0).all())
