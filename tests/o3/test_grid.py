"""Sphere grids: exact up to their degree, and not beyond it."""

import math

import pytest
import torch

from intertwine.o3.grid import LEBEDEV_DEGREES, SphereGrid, gauss_legendre, lebedev, smallest_grid
from intertwine.o3.irreps import IrrepsError
from intertwine.o3.spherical_harmonics import spherical_harmonics


def worst_integral(grid: SphereGrid, degree: int) -> float:
    """Largest error among the integrals of all orthonormal harmonics up to a degree."""
    integrals = grid.weights @ spherical_harmonics(range(degree + 1), grid.points, normalize=False)
    integrals[0] -= math.sqrt(4 * math.pi)
    return float(integrals.abs().max())


@pytest.mark.parametrize("rule", [gauss_legendre, lebedev, smallest_grid])
@pytest.mark.parametrize("degree", [*range(31), 36, 48])
def test_rules_are_exact_up_to_their_degree_and_not_beyond(rule, degree):
    grid = rule(degree)
    assert grid.degree >= degree
    assert worst_integral(grid, grid.degree) < 2e-13
    assert worst_integral(grid, grid.degree + 2) > 1e-3


@pytest.mark.parametrize("rule", [gauss_legendre, lebedev])
def test_points_are_unit_vectors_and_weights_sum_to_the_area(rule):
    grid = rule(17)
    assert torch.allclose(grid.points.norm(dim=-1), torch.ones(len(grid)).double())
    assert float(grid.weights.sum()) == pytest.approx(4 * math.pi)


def test_gauss_legendre_has_the_promised_size_and_order():
    grid = gauss_legendre(6)
    rings = grid.points.reshape(4, 7, 3)
    assert len(grid) == 28
    assert bool((rings[:, :, 1] == rings[:, :1, 1]).all())
    assert bool((rings[1:, 0, 1] > rings[:-1, 0, 1]).all())
    azimuth = torch.atan2(rings[..., 0], rings[..., 2]) % (2 * math.pi)
    assert torch.allclose(azimuth, (2 * math.pi / 7 * torch.arange(7.0).double()).expand(4, 7))


def test_smallest_grid_is_the_smallest_of_positive_weights():
    for degree in range(40):
        rules = [gauss_legendre(degree), *(lebedev(larger) for larger in range(degree, degree + 6))]
        assert len(smallest_grid(degree)) == min(len(rule) for rule in rules if (rule.weights > 0).all())
        assert (smallest_grid(degree).weights > 0).all()
    assert len(smallest_grid(30)) < 0.75 * len(gauss_legendre(30))
    assert (lebedev(25).weights < 0).any()


def test_highest_lebedev_rule_is_exact():
    assert worst_integral(lebedev(LEBEDEV_DEGREES[-1]), 60) < 2e-13


def test_grids_move_and_cast():
    assert smallest_grid(3).to(dtype=torch.float32).points.dtype == torch.float32


def test_impossible_degrees_are_refused():
    with pytest.raises(IrrepsError, match="gauss_legendre"):
        lebedev(132)
    with pytest.raises(IrrepsError, match="degree >= 0"):
        gauss_legendre(-1)
    assert smallest_grid(132).kind == "gauss_legendre"
