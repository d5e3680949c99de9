"""equivariance_error: zero to rounding for maps that commute, not for those that do not, never silent."""

import math

import pytest
import torch

from intertwine.groups.actions import LastAxis, Points
from intertwine.groups.classical import SO, O
from intertwine.groups.error import equivariance_error, relative_error
from intertwine.groups.euclidean import E, linear_part
from intertwine.groups.finite import Cyclic, Permutation
from intertwine.groups.permuting import PermutationMatrix, Regular
from intertwine.groups.representation import Restrict, Standard, Trivial


@pytest.fixture
def seed():
    return torch.Generator().manual_seed(0)


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def cross(x, y):
    return torch.linalg.cross(x, y, dim=-2)


def test_cross_product_commutes_with_rotations_but_not_with_reflections(seed):
    rotations, full = Standard(SO(3)), Standard(O(3))
    x, y = random(2, 5, 3, 4)
    assert equivariance_error(cross, [x, y], [rotations] * 2, rotations, SO(3), generator=seed) < 1e-13
    assert equivariance_error(cross, [x, y], [full] * 2, full, O(3), generator=seed) > 1


def test_centre_and_distances_of_points_follow_motions(seed):
    def centre_and_distances(x):
        return x.mean(-2, keepdim=True), torch.cdist(x, x)

    points, x = Points(E(3)), random(6, 3)
    error = equivariance_error(centre_and_distances, [x], [points], (points, None), E(3), generator=seed)
    assert error < 1e-13
    wrong = equivariance_error(centre_and_distances, [x], [points], (None, None), E(3), generator=seed)
    assert wrong > 0.1


def test_forces_are_vectors_on_the_last_axis_that_shifts_leave_alone(seed):
    def springs(x):
        difference = x[None] - x[:, None]
        return (difference * difference.square().sum(-1, keepdim=True)).sum(1)

    def springs_along_axes(x):
        return ((x[None] - x[:, None]) ** 3).sum(1)

    vectors = LastAxis(Restrict(Standard(O(3)), E(3), linear_part))
    x = random(6, 3)
    assert equivariance_error(springs, [x], [Points(E(3))], vectors, E(3), generator=seed) < 1e-12
    assert equivariance_error(springs_along_axes, [x], [Points(E(3))], vectors, E(3), generator=seed) > 0.1


def test_circular_convolution_commutes_with_shifts_and_a_ramp_does_not(seed):
    regular, x, kernel = Regular(Cyclic(8)), random(8, 2), random(8, 2)
    ramp = torch.arange(8.0, dtype=torch.float64)[:, None]

    def convolution(x, kernel):
        return torch.fft.ifft(torch.fft.fft(x, dim=0) * torch.fft.fft(kernel, dim=0), dim=0).real

    def check(f):
        return equivariance_error(f, [x, kernel], [regular, None], regular, Cyclic(8), generator=seed)

    assert check(convolution) < 1e-13
    assert check(lambda x, kernel: convolution(x, kernel) * ramp) > 0.1


def test_sorting_is_invariant_under_permutations_and_cumulating_is_not(seed):
    places, x = PermutationMatrix(Permutation(6)), random(6, 2)
    assert equivariance_error(lambda x: x.sort(0).values, [x], [places], None, Permutation(6), generator=seed) == 0
    assert equivariance_error(lambda x: x.cumsum(0), [x], [places], places, Permutation(6), generator=seed) > 0.1


def test_float32_maps_show_float32_rounding(seed):
    vector = Standard(SO(3))
    x, y = random(2, 5, 3, 4).float()
    error = equivariance_error(cross, [x, y], [vector] * 2, vector, SO(3), generator=seed)
    assert 1e-9 < error < 1e-5


def test_a_result_that_is_not_finite_is_never_small(seed):
    vector, x = Standard(SO(3)), random(3, 2)
    for broken in (math.nan, math.inf):
        error = equivariance_error(lambda x, b=broken: x * b, [x], [vector], vector, SO(3), generator=seed)
        assert error == math.inf


def test_error_is_relative_to_the_root_mean_square():
    expected = torch.tensor([3.0, 4.0])
    assert relative_error(expected + torch.tensor([0.0, 0.5]), expected) == pytest.approx(0.5 / math.sqrt(12.5))
    assert relative_error(torch.ones(2), torch.zeros(2)) == math.inf
    assert relative_error(torch.zeros(2), torch.zeros(2)) == 0


def test_a_changed_shape_is_refused():
    with pytest.raises(ValueError, match="shape"):
        relative_error(torch.zeros(2, 1), torch.zeros(2))


def test_wrong_numbers_of_actions_are_named():
    vector, x = Standard(SO(3)), random(3, 2)
    with pytest.raises(ValueError, match="2 inputs in reps_in, came 1"):
        equivariance_error(cross, [x, x], [vector], vector, SO(3))
    with pytest.raises(ValueError, match="2 outputs, the map returned 1"):
        equivariance_error(lambda x: x, [x], [vector], (vector, vector), SO(3))
    with pytest.raises(ValueError, match="samples"):
        equivariance_error(lambda x: x, [x], [vector], vector, SO(3), samples=0)


def test_an_action_of_another_group_is_named():
    with pytest.raises(ValueError, match="Restrict"):
        equivariance_error(lambda x: x, [random(3, 2)], [Standard(SO(3))], Trivial(O(3), 3), SO(3))
