"""Frames of edges: they bring the edge to y, they are smooth at +-y, and they are Wigner matrices."""

import math

import pytest
import torch

from intertwine.o3.edge_frame import EdgeFrame, edge_quaternion
from intertwine.o3.rotation import angles_to_matrix, quaternion_to_matrix
from intertwine.o3.spherical_harmonics import spherical_harmonics
from intertwine.o3.wigner import wigner_d_from_quaternion

POLES = [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]
NEARLY = [[tilt, height, other] for height in (1.0, -1.0) for tilt, other in ((1e-7, 0.0), (0.0, -1e-7), (1e-4, 3e-7))]
AXES = [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [1e-7, 1e-12, 1.0]]


def edges() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    special = torch.tensor(POLES + NEARLY + AXES, dtype=torch.float64)
    return torch.cat([2.5 * special, torch.randn(20, 3, generator=generator, dtype=torch.float64)])


def test_frame_brings_every_edge_to_the_polar_axis():
    edge = edges()
    q = edge_quaternion(edge)
    moved = (quaternion_to_matrix(q) @ edge[..., None]).squeeze(-1)
    expected = edge.norm(dim=-1, keepdim=True) * torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    assert (moved - expected).abs().max() < 1e-14
    assert (q.norm(dim=-1) - 1).abs().max() < 1e-15


@pytest.mark.parametrize("lmax", [0, 1, 2, 6, 12])
def test_matrices_are_wigner_matrices_of_the_quaternion(lmax):
    edge = edges()
    matrices = EdgeFrame(lmax).double()(edge)
    assert len(matrices) == lmax + 1
    for l, matrix in enumerate(matrices):
        assert (matrix - wigner_d_from_quaternion(l, edge_quaternion(edge))).abs().max() < 1e-13
        harmonics = spherical_harmonics(l, edge, normalize=True, normalization="norm")
        pole = torch.eye(2 * l + 1, dtype=torch.float64)[l]
        assert (matrix @ harmonics[..., None] - pole[:, None]).abs().max() < 1e-13


@pytest.mark.parametrize("edge", [*POLES, *NEARLY, *AXES])
def test_first_and_second_derivatives_are_finite_and_match_finite_differences(edge):
    """Within one chart; across u_y = 0 the frame may turn about y."""
    point = torch.tensor(edge, dtype=torch.float64) * 1.5
    quaternion = edge_quaternion
    jacobian = torch.func.jacrev(quaternion)(point)
    hessian = torch.func.hessian(quaternion)(point)
    assert jacobian.isfinite().all() and hessian.isfinite().all()
    if abs(edge[1]) > 0.5:
        step = 1e-6 * torch.eye(3, dtype=torch.float64)
        slope = (quaternion(point + step) - quaternion(point - step)) / 2e-6
        bend = (torch.func.jacrev(quaternion)(point + step[0]) - torch.func.jacrev(quaternion)(point - step[0])) / 2e-6
        assert (jacobian - slope.T).abs().max() < 1e-8
        assert (hessian[..., 0] - bend).abs().max() < 1e-8


def test_a_frame_from_angles_has_no_derivative_at_the_pole():
    """What the charts are for."""

    def frame(edge):
        x, y, z = edge / edge.norm()
        return angles_to_matrix(torch.zeros(()).double(), -torch.acos(y), -torch.atan2(x, z))

    def steepness(f, edge):
        return float(torch.func.jacrev(f)(torch.tensor(edge, dtype=torch.float64)).abs().max())

    tilted = torch.tensor([0.3, 0.5, -0.2], dtype=torch.float64)
    assert (frame(tilted) @ tilted / tilted.norm() - torch.eye(3)[1]).abs().max() < 1e-12
    assert not math.isfinite(steepness(frame, POLES[0]))
    assert steepness(frame, NEARLY[0]) > 1e6 > 10 > steepness(edge_quaternion, NEARLY[0])


def test_an_edge_of_length_zero_gives_the_identity_and_finite_derivatives():
    zero = torch.zeros(3, dtype=torch.float64)
    assert edge_quaternion(zero).tolist() == [1.0, 0.0, 0.0, 0.0]
    assert torch.func.hessian(edge_quaternion)(zero).isfinite().all()
