"""Nonlinearities at the points of a sphere: e3nn's, exact for polynomials, apart by parity, and honestly aliased."""

from itertools import pairwise
from math import pi, sqrt

import pytest
import torch
from e3nn.nn import S2Activation

from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error, relative_error
from intertwine.nn.aliasing import aliasing_report
from intertwine.nn.grid_layer import PointValues, safe_grid
from intertwine.nn.grid_mlp import GridMLP
from intertwine.nn.linear import Linear
from intertwine.nn.sphere_activation import SphereActivation, is_odd
from intertwine.o3.grid import gauss_legendre, lebedev
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.tensor_products.sphere.gaunt import Gaunt

MIXED = "0e+0o+1o+1e+2e"


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seeded(make):
    """A layer whose weights do not depend on what ran before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make().double()


def mlp(lmax: int, **options) -> GridMLP:
    irreps = Irreps.spherical_harmonics(lmax)
    return seeded(lambda: GridMLP(irreps, irreps, 8, 8, **options))


def error(layer, *, channels: int = 8) -> float:
    """Relative to the root mean square of the result, the largest component."""
    x = random(4, layer.irreps_in.dim, channels)
    types = IrrepsRepresentation(layer.irreps_in), IrrepsRepresentation(layer.irreps_out)
    seed = torch.Generator().manual_seed(0)
    return equivariance_error(layer, [x], [types[0]], types[1], O(3), samples=3, generator=seed)


def mirrored(layer, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """layer(-1 x) and -1 layer(x), for the inversion of O(3)."""
    inversion = -torch.eye(3, dtype=torch.float64)
    before, after = IrrepsRepresentation(layer.irreps_in), IrrepsRepresentation(layer.irreps_out)
    return layer(before.act(inversion, x)), after.act(inversion, layer(x))


# ---- what the grid sees


def test_reading_and_writing_is_the_identity_and_values_have_unit_variance():
    irreps = Irreps(MIXED)
    points = PointValues(irreps, safe_grid(2), inversion="antipodal", counts={0: 3, 1: 2}).double()
    x = random(4000, irreps.dim, 1)
    values = points.sample(x)
    assert relative_error(points.expand(values), x) < 1e-13
    for f in values.values():
        assert float(f.square().mean()) == pytest.approx(1, abs=0.05)


def test_default_grid_has_fewer_points_than_the_doubled_one():
    assert [len(safe_grid(lmax)) for lmax in (0, 1, 2, 3, 4, 6)] == [1, 86, 194, 350, 590, 1202]
    assert all(len(safe_grid(lmax)) < len(gauss_legendre(8 * lmax + 3)) for lmax in (2, 3, 4, 6))


# ---- SphereActivation


def test_equals_the_activation_of_e3nn_on_a_fine_grid():
    irreps = Irreps.spherical_harmonics(3)
    theirs = S2Activation("0e+1o+2e+3o", torch.nn.functional.silu, 100, normalization="component").double()
    scale = theirs.act.cst
    ours = SphereActivation(irreps, function=lambda u: scale * torch.nn.functional.silu(u)).double()
    x = random(5, 16, 1)
    assert relative_error(ours(x).squeeze(-1), theirs(x.squeeze(-1))) < 1e-4


def test_squares_are_the_gaunt_product_of_a_feature_with_itself():
    irreps = Irreps.spherical_harmonics(2)
    layer = SphereActivation(irreps, function=torch.square).double()
    read = torch.tensor([sqrt(4 * pi / (3 * (2 * l + 1))) for l in irreps.degrees for _ in range(2 * l + 1)])[:, None]
    x = random(5, 9, 4)
    product = Gaunt(irreps, irreps, irreps, normalization="none").double()
    assert relative_error(layer(x), product(read * x, read * x) / read) < 1e-6


def test_higher_degrees_come_out_where_asked_for():
    layer = SphereActivation("0e+1o", "0e+1o+2e+3o", function=torch.tanh).double()
    z = layer(random(5, 4, 2))
    assert z.shape == (5, 16, 2) and all(float(z[:, rows].abs().max()) > 1e-3 for rows in layer.irreps_out.slices())
    assert error(layer) < 1e-4


def test_only_odd_functions_are_let_at_pseudo_functions():
    assert is_odd(torch.tanh) and not is_odd(torch.square) and not is_odd(torch.nn.functional.silu)
    x = random(4, Irreps(MIXED).dim, 3)
    kept, expected = mirrored(SphereActivation(MIXED, function=torch.tanh).double(), x)
    assert relative_error(kept, expected) < 1e-13
    for function in (torch.square, torch.relu, torch.nn.functional.silu):
        with pytest.raises(IrrepsError, match="is not odd"):
            SphereActivation(MIXED, function=function)


def test_a_function_that_is_not_odd_would_break_mirrors():
    layer = SphereActivation(MIXED, function=torch.tanh).double()
    layer.function = torch.nn.functional.silu
    kept, expected = mirrored(layer, random(4, Irreps(MIXED).dim, 3))
    assert relative_error(kept, expected) > 0.1


def test_even_irreps_take_any_function_when_points_stay_where_they_are():
    layer = SphereActivation("0e+1e+2e", inversion="trivial").double()
    assert error(layer) < 1e-4
    same = SphereActivation("0e+1o+2e").double()
    x = random(5, 9, 2)
    assert torch.equal(layer(x), same(x))
    with pytest.raises(IrrepsError, match="is not odd"):
        SphereActivation("0e+1e+2e")


# ---- GridMLP


def test_network_written_out_at_every_point():
    layer = mlp(2, heads=4, hidden=5)
    x, grid = random(3, 9, 8), layer.grid
    values = layer.read.sample(layer.mix_in(x))[0]
    expected = torch.zeros_like(values)
    for head in range(4):
        block = slice(2 * head, 2 * head + 2)
        h = torch.nn.functional.silu(values[..., block] @ layer.weight1 / sqrt(2))
        expected[..., block] = layer.scale * torch.nn.functional.silu(h @ layer.weight2 / sqrt(5))
    back = PointValues(layer.irreps_out, grid, inversion="antipodal", counts={0: 3}).double()
    z = layer.mix_out(back.expand({0: expected}))
    z[:, :1] += layer.mix_scalars(x[:, :1])
    assert len(grid) == 194 and relative_error(layer(x), z) < 1e-13


def test_mirrors_are_kept_exactly_with_both_parities():
    layer = seeded(lambda: GridMLP("0e+0o+1o+1e+2e", "0e+0o+1o+1e+2o", 4, 4))
    kept, expected = mirrored(layer, random(5, layer.irreps_in.dim, 4))
    assert relative_error(kept, expected) < 1e-13  # whatever the grid cannot resolve: it is its own mirror image
    assert error(layer, channels=4) < 1e-3


def test_pseudo_functions_alone_make_functions_and_pseudo_functions():
    layer = seeded(lambda: GridMLP("0o+1e+2o", "0e+1o+2o", 4, 4))
    kept, expected = mirrored(layer, random(5, 9, 4))
    assert relative_error(kept, expected) < 1e-13 and layer.mix_scalars is None


def test_functions_make_no_pseudo_functions():
    with pytest.raises(IrrepsError, match="pseudo-function"):
        GridMLP("0e+1o", "0e+1e", 4, 4)


def test_scalars_alone_pass_a_plain_network():
    layer = mlp(0)
    x = random(5, 1, 8)
    assert len(layer.grid) == 1 and error(layer) < 1e-14
    h = torch.nn.functional.silu(layer.mix_in(x).unflatten(-1, (2, 4)) @ layer.weight1 / 2)
    h = layer.scale * torch.nn.functional.silu(h @ layer.weight2 / 4)
    expected = layer.mix_out(h.flatten(-2)) + layer.mix_scalars(x)
    assert relative_error(layer(x), expected) < 1e-12


def test_first_and_second_derivatives_are_those_of_finite_differences():
    layer = seeded(lambda: GridMLP("0e+1o+1e", "0e+1o+1e", 2, 2, hidden=3))
    x = random(2, 7, 2).requires_grad_()
    assert torch.autograd.gradcheck(layer, x, fast_mode=True)
    assert torch.autograd.gradgradcheck(layer, x, fast_mode=True)
    layer(x).square().sum().backward()
    assert all(each.grad is not None and each.grad.abs().max() > 0 for each in layer.parameters())


def test_refuses_heads_that_do_not_divide_and_irreps_that_repeat():
    with pytest.raises(IrrepsError, match="divide width"):
        GridMLP("0e+1o", "0e", 6, 6, heads=4)
    with pytest.raises(IrrepsError, match="each of them once"):
        SphereActivation("2x0e+1o")


# ---- aliasing


@pytest.mark.parametrize("lmax", [1, 2, 3, 4, 6])
def test_default_grid_is_safe_and_a_coarse_one_is_not(lmax):
    report = aliasing_report(mlp(lmax), samples=2, batch=4)
    errors = {row.name: row.rms for row in report.rows}
    assert errors["default"] == errors["this layer's"] <= 5e-5
    assert errors["products of two"] > 20 * errors["default"] and errors["products of two"] > 1e-4


def test_error_falls_from_grid_to_grid():
    for layer in (mlp(3), SphereActivation("0e+1o+2e+3o").double()):
        errors = [error(layer.on_grid(gauss_legendre(degree)).double()) for degree in (9, 15, 21, 27, 33)]
        assert all(fine < coarse / 1.5 for coarse, fine in pairwise(errors)), errors


def test_polynomials_are_exact_on_the_grid_they_need():
    layer = SphereActivation("0e+1o+2e", function=torch.square, grid=lebedev(7)).double()
    assert error(layer) < 1e-13
    assert error(layer.on_grid(lebedev(5)).double()) > 1e-3


def test_report_finds_the_layers_of_a_model_and_leaves_it_alone():
    model = torch.nn.Sequential(
        Linear("0e+1o", "0e+1o", 4, 4), GridMLP("0e+1o", "0e+1o", 4, 4), SphereActivation("0e+1o", function=torch.tanh)
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    report = aliasing_report(model, samples=1, batch=2)
    assert {row.place for row in report.rows} == {"1", "2"} and len(report.rows) == 12
    assert "rms error" in str(report) and len(str(report).splitlines()) == 13
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert next(model.parameters()).dtype == torch.float32
    with pytest.raises(ValueError, match="nothing to report"):
        aliasing_report(Linear("0e", "0e", 1, 1))


def test_a_copy_on_another_grid_has_the_same_weights():
    layer = mlp(2)
    other = layer.on_grid(gauss_legendre(40)).double()
    assert all(torch.equal(a, b) for a, b in zip(layer.parameters(), other.parameters(), strict=True))
    x = random(3, 9, 8)
    assert relative_error(other(x), layer(x)) < 1e-5
