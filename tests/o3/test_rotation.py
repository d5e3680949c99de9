"""Rotations: conventions of e3nn, round trips, uniform draws."""

import math

import pytest
import torch
from e3nn import o3 as e3nn

from intertwine.o3.rotation import (
    angles_to_matrix,
    axis_angle_to_matrix,
    matrix_to_angles,
    matrix_to_quaternion,
    quaternion_to_matrix,
    random_quaternion,
    random_rotation,
    rotation_about_x,
    rotation_about_y,
)

HALF_TURNS = [[0.0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 1, 0], [1, 0, 0, 0], [1e-9, 1, 0, -1]]


def rotations(count: int) -> torch.Tensor:
    return random_rotation(count, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_conventions_are_those_of_e3nn():
    angles = torch.rand(3, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    q = random_quaternion(20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(angles_to_matrix(*angles), e3nn.angles_to_matrix(*angles), atol=1e-14)
    assert torch.allclose(quaternion_to_matrix(q), e3nn.quaternion_to_matrix(q), atol=1e-14)
    axis = torch.randn(20, 3, dtype=torch.float64)
    assert torch.allclose(axis_angle_to_matrix(axis, angles[0]), e3nn.axis_angle_to_matrix(axis, angles[0]), atol=1e-14)


def test_matrices_are_rotations():
    r = rotations(50)
    assert torch.allclose(r @ r.mT, torch.eye(3, dtype=torch.float64).expand_as(r), atol=1e-14)
    assert torch.allclose(torch.linalg.det(r), torch.ones(50).double())


def test_quaternions_survive_the_round_trip_half_turns_too():
    q = torch.cat([matrix_to_quaternion(rotations(50)), torch.tensor(HALF_TURNS).double()])
    q = q / q.norm(dim=-1, keepdim=True)
    back = matrix_to_quaternion(quaternion_to_matrix(q))
    assert float(torch.minimum((back - q).norm(dim=-1), (back + q).norm(dim=-1)).max()) < 1e-14
    assert bool((back[:, 0] >= 0).all())


def test_quaternions_are_differentiable_at_half_turns():
    r = quaternion_to_matrix(torch.tensor(HALF_TURNS, dtype=torch.float64)).requires_grad_()
    matrix_to_quaternion(r).sum().backward()
    assert r.grad is not None and r.grad.isfinite().all()


def test_angles_survive_the_round_trip_at_the_poles_too():
    zero = torch.zeros(3, dtype=torch.float64)
    some = torch.tensor([0.3, -2.0, 3.0], dtype=torch.float64)
    polar = torch.cat([rotation_about_y(some), angles_to_matrix(some, zero + math.pi, zero)])
    r = torch.cat([rotations(50), polar, torch.eye(3, dtype=torch.float64)[None]])
    assert torch.allclose(angles_to_matrix(*matrix_to_angles(r)), r, atol=1e-14)


def test_axes_turn_the_right_handed_way():
    quarter = torch.tensor(math.pi / 2)
    x, y, z = torch.eye(3)
    assert torch.allclose(rotation_about_y(quarter) @ z, x, atol=1e-6)
    assert torch.allclose(rotation_about_x(quarter) @ y, z, atol=1e-6)
    assert torch.allclose(axis_angle_to_matrix(z, quarter) @ x, y, atol=1e-6)


@pytest.mark.parametrize("count", [20_000])
def test_random_rotations_are_uniform(count):
    r = rotations(count)
    second = torch.einsum("bij,bkl->ikjl", r, r) / count
    exact = torch.einsum("ik,jl->ikjl", torch.eye(3), torch.eye(3)).double() / 3
    assert float((second - exact).abs().max()) < 0.02 and float(r.mean(0).abs().max()) < 0.02
    angle = torch.rand(count, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 * math.pi
    uneven = axis_angle_to_matrix(r[:, 0], angle)  # uniform axis and angle: not the Haar measure
    assert float(uneven.mean(0).abs().max()) > 0.3
