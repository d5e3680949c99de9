"""Gaunt coefficients and the Poisson bracket: against quadrature, and complete together."""

import pytest
import torch

from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.gaunt import bracket_factor, gaunt, gaunt_factor, poisson_bracket
from intertwine.o3.grid import smallest_grid
from intertwine.o3.irreps import IrrepsError
from intertwine.o3.spherical_harmonics import spherical_harmonics, surface_gradient

LMAX = 8
PATHS = [
    (l1, l2, l3)
    for l1 in range(LMAX + 1)
    for l2 in range(LMAX + 1)
    for l3 in range(abs(l1 - l2), min(l1 + l2, LMAX) + 1)
]


def rows(l: int) -> slice:
    return slice(l * l, (l + 1) ** 2)


@pytest.fixture(scope="module")
def grid():
    return smallest_grid(3 * LMAX)


@pytest.fixture(scope="module")
def harmonics(grid):
    return spherical_harmonics(range(LMAX + 1), grid.points, normalize=True)


@pytest.fixture(scope="module")
def products(grid, harmonics):
    return torch.einsum("p,pa,pb,pc->abc", grid.weights, harmonics, harmonics, harmonics)


@pytest.fixture(scope="module")
def brackets(grid, harmonics):
    gradient = surface_gradient(LMAX, grid.points)
    turned = torch.linalg.cross(grid.points.expand_as(gradient), gradient, dim=-1)  # r . (a x b) = (r x a) . b
    dots = torch.einsum("apk,bpk->pab", turned, gradient)
    return torch.einsum("p,pab,pc->abc", grid.weights, dots, harmonics)


def test_gaunt_equals_quadrature(products):
    worst = max(float((gaunt(a, b, c) - products[rows(a), rows(b), rows(c)]).abs().max()) for a, b, c in PATHS)
    assert worst < 1e-13


def test_poisson_bracket_equals_quadrature(brackets):
    worst = 0.0
    for a, b, c in PATHS:
        expected = brackets[rows(a), rows(b), rows(c)]
        worst = max(worst, float((poisson_bracket(a, b, c) - expected).abs().max() / (1 + expected.norm())))
    assert worst < 1e-13


def test_gaunt_reaches_exactly_the_even_paths():
    for path in PATHS:
        assert (abs(gaunt_factor(*path)) > 1e-3) == (sum(path) % 2 == 0)


def test_bracket_reaches_exactly_the_odd_paths():
    """No odd path is missing; a constant has no gradient, but no odd path starts from degree 0."""
    for path in PATHS:
        assert (abs(bracket_factor(*path)) > 0.05) == (sum(path) % 2 == 1)


def test_together_no_clebsch_gordan_path_is_missing():
    missing = [path for path in PATHS if gaunt_factor(*path) == 0 and bracket_factor(*path) == 0]
    assert len(PATHS) == 369 and not missing
    without_bracket = [path for path in PATHS if gaunt_factor(*path) == 0]
    assert len(without_bracket) == sum(sum(path) % 2 for path in PATHS) > 0


def test_high_paths_stay_alive():
    for l1, l2 in [(9, 9), (12, 7), (16, 15), (24, 24), (24, 3)]:
        for l3 in {abs(l1 - l2), abs(l1 - l2) + 1, l1 - 1, l1, min(l1 + l2 - 1, 24), min(l1 + l2, 24)}:
            assert abs(gaunt_factor(l1, l2, l3)) > 0.1 or abs(bracket_factor(l1, l2, l3)) > 0.1


def test_gaunt_is_symmetric_and_the_bracket_antisymmetric():
    assert torch.allclose(gaunt(2, 3, 5), gaunt(3, 2, 5).transpose(0, 1), atol=1e-15)
    assert torch.allclose(poisson_bracket(2, 3, 4), -poisson_bracket(3, 2, 4).transpose(0, 1), atol=1e-14)


def test_bracket_of_coordinates_is_the_cross_product():
    x, y = torch.randn(2, 3, dtype=torch.float64)
    bracket = torch.einsum("ijk,i,j->k", poisson_bracket(1, 1, 1), x, y)
    cross = torch.linalg.cross(x, y)
    assert torch.allclose(bracket / bracket.norm(), cross / cross.norm())


def test_factors_are_what_multiplies_wigner_3j():
    for path in [(2, 3, 3), (2, 3, 4), (12, 10, 9), (12, 10, 8)]:
        assert torch.allclose(gaunt(*path), gaunt_factor(*path) * wigner_3j(*path))
        assert torch.allclose(poisson_bracket(*path), bracket_factor(*path) * wigner_3j(*path))


def test_published_gaunt_constants():
    """The constants of the reference implementation of the Gaunt tensor product, up to sign."""
    for path, value in {(1, 1, 0): 0.4886, (1, 1, 2): 0.6910, (2, 2, 2): 0.7539, (2, 2, 4): 1.0115}.items():
        assert abs(gaunt_factor(*path)) == pytest.approx(value, abs=6e-5)


@pytest.mark.parametrize("function", [gaunt, poisson_bracket, gaunt_factor, bracket_factor])
def test_degrees_that_do_not_couple_are_refused(function):
    with pytest.raises(IrrepsError, match="Choose l3"):
        function(1, 1, 3)
