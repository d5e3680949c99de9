"""The vector Gaunt product: against 9j symbols, closed forms, single Clebsch-Gordan paths, and lifts that cancel."""

from math import pi, sqrt

import pytest
import torch
from sympy.physics.wigner import wigner_9j

from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error, relative_error
from intertwine.o3.gaunt import gaunt_factor
from intertwine.o3.grid import smallest_grid
from intertwine.o3.irreps import Irrep, Irreps, IrrepsError
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.tensor_products.analysis.expressivity import expressivity
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.sphere import vector_field
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.tensor_products.sphere.vector_field import VectorField, cross_factor, orbitals, vector_harmonics
from intertwine.tensor_products.sphere.vector_gaunt import VectorGaunt, vector_terms

CHANNELS, BATCH = 10_000, 8


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def inputs(product, channels: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    return random(5, product.irreps_in1.dim, channels), random(5, product.irreps_in2.dim, channels, seed=1)


def triangles(lmax: int) -> list[tuple[int, int, int]]:
    degrees = range(1, lmax + 1)
    return [(a, b, c) for a in degrees for b in degrees for c in range(max(1, abs(a - b)), a + b + 1)]


@pytest.mark.parametrize("j", [(1, 1, 1), (1, 1, 2), (2, 1, 2), (2, 3, 3)])
def test_strengths_are_9j_symbols(j):
    live = 0
    for l1 in (j[0] - 1, j[0], j[0] + 1):
        for l2 in (j[1] - 1, j[1], j[1] + 1):
            for l3 in (j[2] - 1, j[2], j[2] + 1):
                found = cross_factor(j, (l1, l2, l3))
                if not abs(l1 - l2) <= l3 <= l1 + l2:
                    assert found == 0
                    continue
                size = sqrt(6 * (2 * j[0] + 1) * (2 * j[1] + 1) * (2 * j[2] + 1))
                symbol = float(wigner_9j(l1, l2, l3, 1, 1, 1, *j))
                assert abs(abs(found) - abs(size * gaunt_factor(l1, l2, l3) * symbol)) < 1e-13
                live += abs(found) > 1e-12
    assert live > 1


def test_fields_are_orthonormal_and_the_simplest_ones_are_known():
    grid = smallest_grid(8)
    fields = [vector_harmonics(j, l, grid.points) for j in (1, 2, 3) for l in (j - 1, j, j + 1)]
    flat = (torch.cat(fields, -1) * grid.weights[:, None].sqrt()).flatten(0, 1)
    assert (flat.T @ flat - torch.eye(flat.shape[-1])).abs().max() < 1e-13
    constant = vector_harmonics(1, 0, grid.points)
    assert (constant - torch.eye(3).double()[:, None] / sqrt(4 * pi)).abs().max() < 1e-14
    radial = vector_harmonics(0, 1, grid.points)[..., 0]
    assert (radial.abs() - grid.points.T.abs() / sqrt(4 * pi)).abs().max() < 1e-14
    tangential = vector_harmonics(2, 2, grid.points)
    assert torch.einsum("kqm,qk->qm", tangential, grid.points).abs().max() < 1e-14


@pytest.mark.parametrize("ir", ["1o", "1e", "2e", "2o"])
def test_inversion_acts_on_a_field_as_on_its_irrep(ir):
    """A polar field takes F(r) to -F(-r), an axial one to F(-r)."""
    irrep, points = Irrep.parse(ir), random(7, 3)
    points = points / points.norm(dim=-1, keepdim=True)
    for leg in (1, 2, 3):
        for character, l in orbitals(irrep, leg):
            there, here = vector_harmonics(irrep.l, l, -points), vector_harmonics(irrep.l, l, points)
            assert relative_error((-1) ** character * there, irrep.p * here) < 1e-13


def test_all_paths_are_reached_and_none_by_cancellation():
    for j in triangles(6):
        for odd in ("e", "o"):
            p3 = "o" if odd == "o" else "e"
            terms = list(vector_terms((Irreps(f"{j[0]}e"), Irreps(f"{j[1]}{odd}"), Irreps(f"{j[2]}{p3}"))))
            factors = torch.tensor([term.factor for term in terms])
            assert abs(float(factors.sum())) > 0.99 * float(factors.norm()) > 1e-3


def test_with_equal_lifts_on_all_legs_even_paths_cancel(monkeypatch):
    """Why the legs differ: a cross product of a field with itself is zero."""
    x = random(5, 3, 2)
    assert VectorGaunt("1o", "1o", "0e+2e")(x, x).abs().max() > 0.1
    for leg in (1, 2, 3):
        monkeypatch.setitem(vector_field.ORBITALS, leg, {-1: 1.0, 0: 1.0, 1: 1.0})
    with pytest.raises(IrrepsError, match="asks for 2e"):
        VectorGaunt("1o", "1o", "2e")


def test_reaches_the_cross_product_that_a_product_of_functions_misses():
    x, y = random(5, 3, 2), random(5, 3, 2, seed=1)
    found = VectorGaunt("1o", "1o", "1e").double()(x, y)
    assert relative_error(found.abs(), (torch.linalg.cross(x, y, dim=1) / sqrt(2)).abs()) < 1e-13
    with pytest.raises(IrrepsError, match="asks for 1e"):
        Gaunt("1o", "1o", "1e")


@pytest.mark.parametrize("types", [("1o", "2e", "2o"), ("2e", "3o", "2o"), ("3e", "2o", "1o"), ("0o", "2e", "2o")])
def test_a_single_path_is_that_of_clebsch_gordan(types):
    product = VectorGaunt(*types).double()
    x, y = inputs(product)
    expected = ClebschGordan(*types).double()(x, y)
    assert relative_error(product(x, y).abs(), expected.abs()) < 1e-12


def test_expressivity_beside_that_of_functions():
    assert str(expressivity(VectorGaunt("1o+2e", "1o+2e", weights="external"))).startswith("14 of 14")
    assert expressivity(Gaunt("1o+2e", "1o+2e")).odd_live == 0


def test_nothing_of_wrong_parity_leaks():
    product = VectorGaunt("0e+0o+1o+1e+2e", "0e+1o+1e").double()
    x, y = inputs(product)
    odd = [
        torch.tensor([ir.p == -1 for ir in each for _ in range(ir.dim)])
        for each in (product.irreps_in1, product.irreps_in2, product.irreps_out)
    ]
    for p1 in (1, -1):
        for p2 in (1, -1):
            z = product(x * (odd[0] == (p1 == -1))[:, None], y * (odd[1] == (p2 == -1))[:, None])
            wrong = odd[2] != (p1 * p2 == -1)
            assert z[:, wrong].abs().max() < 1e-15 * z[:, ~wrong].abs().max()


def test_points_of_a_coarser_grid_are_not_enough():
    """Negative control for the degree of the grid."""
    product = VectorGaunt("1o+2e", "1o+2e", "1o+2e").double()
    x, y = inputs(product)
    action = IrrepsRepresentation("1o+2e")
    assert equivariance_error(product, [x, y], [action, action], action, O(3)) < 1e-12
    for leg, (each, copies) in enumerate(zip(product.lifted.irreps, product.lifted.copies), start=1):
        places = [copy.place for copy in copies]
        product.fields[leg - 1] = VectorField(each, places, leg, smallest_grid(4)).double()
    assert equivariance_error(product, [x, y], [action, action], action, O(3)) > 1e-3


@pytest.mark.parametrize("lmax", [5, 8])
def test_equivariance_at_high_degrees(lmax):
    natural = Irreps.spherical_harmonics(lmax)
    product = VectorGaunt(natural, natural, natural).double()
    x, y = inputs(product)
    action = IrrepsRepresentation(natural)
    assert equivariance_error(product, [x, y], [action, action], action, O(3)) < 1e-12
    single = product.float()(x.float(), y.float()).double()
    assert relative_error(single, product.double()(x.float().double(), y.float().double())) < 5e-6


@pytest.mark.parametrize("legs", [None, (1, 2, 3), (2,), (1,), (3,)])
@torch.no_grad()
def test_result_has_unit_variance(legs):
    options = {"weights": "external", "legs": legs} if legs else {}
    product = VectorGaunt("0e+1o+1e+2x1o", "0e+1o+2e", "0e+1o+1e+2x2o", **options)
    x, y = random(BATCH, product.irreps_in1.dim, CHANNELS).float(), random(BATCH, 9, CHANNELS, seed=1).float()
    weight = [random(product.weight_count, CHANNELS, seed=2).sign().float()] if legs else []
    z = product(x, y, *weight)
    for ir, rows in zip(product.irreps_out, product.irreps_out.slices(), strict=True):
        squares = z[:, rows].square().mean((0, 1))
        deviation, error = abs(float(squares.mean()) - 1), float(squares.std()) / CHANNELS**0.5
        assert deviation < 4 * error + 0.01, f"{ir}: {squares.mean():.3f} +- {error:.3f}"


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("0e+1o", "0e+1o", "0e+3o"), {}, r"asks for 3o.*Drop it"),
        (("0e+1o", "0e+1o", "0o"), {}, r"asks for 0o.*Drop it"),
        (("0e+1o", "0e+1o"), {"legs": (1, 4)}, r"legs: expected some of 1, 2"),
        (("", "0e+1o"), {}, "irreps on every leg"),
        (("0e", "0e"), {"weights": "internal"}, "VectorGaunt: weights='internal' need channels="),
    ],
)
def test_refusals(arguments, options, message):
    with pytest.raises(IrrepsError, match=message):
        VectorGaunt(*arguments, **options)
