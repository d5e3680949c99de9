"""Spherical harmonics: against e3nn, against their definition, and finite with all derivatives everywhere."""

import math
import subprocess
import sys

import pytest
import torch
from e3nn import o3 as e3nn
from torch.autograd import gradcheck, gradgradcheck

from intertwine.groups.actions import LastAxis
from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error
from intertwine.groups.representation import Standard
from intertwine.o3.grid import smallest_grid
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.o3.spherical_harmonics import (
    NORMALIZATIONS,
    SphericalHarmonics,
    spherical_harmonics,
    surface_gradient,
)

SPECIAL = torch.tensor(
    [[0, 1, 0], [0, -1, 0], [1, 0, 0], [0, 0, -1], [0, 0, 0], [1e-9, 1, -1e-9], [0.3, -0.4, 1.2]], dtype=torch.float64
)


def vectors(count: int) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("normalize", [True, False])
def test_values_equal_those_of_e3nn(normalization, normalize):
    x = vectors(500)
    degrees = list(range(12))
    ours = spherical_harmonics(degrees, x, normalize, normalization)
    theirs = e3nn.spherical_harmonics(degrees, x, normalize, normalization)
    scale = theirs.abs().amax(0)
    assert float(((ours - theirs) / scale).abs().max()) < 1e-13


def test_low_degrees_are_the_known_polynomials():
    x, y, z = vectors(20).unbind(-1)
    r2 = x**2 + y**2 + z**2
    expected = torch.stack([x, y, z, 3**0.5 * x * z, 3**0.5 * x * y, y**2 - (x**2 + z**2) / 2], -1)
    found = spherical_harmonics("1o+2e", vectors(20), normalize=False, normalization="norm")
    assert torch.allclose(found[:, :6], expected, atol=1e-14)
    assert torch.allclose(found[:, 3:].square().sum(-1), r2**2)


@pytest.mark.parametrize(("normalization", "square"), [("integral", None), ("component", 1), ("norm", 0)])
def test_normalizations_mean_what_they_say(normalization, square):
    y = spherical_harmonics(range(25), vectors(50), True, normalization)
    for l in range(25):
        expected = (2 * l + 1) / (4 * math.pi) if square is None else (2 * l + 1) ** square
        assert torch.allclose(
            y[:, l * l : (l + 1) ** 2].square().sum(-1), torch.tensor(expected, dtype=torch.float64), rtol=1e-13
        )


def test_harmonics_are_orthonormal_up_to_degree_24():
    grid = smallest_grid(48)
    y = spherical_harmonics(range(25), grid.points, normalize=True)
    gram = (y.mT * grid.weights) @ y
    assert float((gram - torch.eye(625)).abs().max()) < 1e-13


def test_float32_values_lose_no_more_than_rounding():
    x = torch.nn.functional.normalize(vectors(2000), dim=-1).float()
    exact = spherical_harmonics(range(17), x.double(), True, "norm")
    assert float((spherical_harmonics(range(17), x, True, "norm") - exact).abs().max()) < 2e-6


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("p", [-1, 1])
def test_rotating_the_vector_rotates_the_harmonics(normalize, p):
    def harmonics(x):
        return spherical_harmonics(range(13), x, normalize, "norm")[..., None]

    x, vector = vectors(30), LastAxis(Standard(O(3)))
    generator = torch.Generator().manual_seed(0)
    features = IrrepsRepresentation(Irreps.spherical_harmonics(12, p))
    error = equivariance_error(harmonics, [x], [vector], features, O(3), generator=generator)
    if p == -1:
        assert error < 1e-12
    else:
        assert error > 0.1  # even parity throughout is wrong for the harmonics of a vector


@pytest.mark.parametrize("point", SPECIAL, ids=str)
def test_first_and_second_derivatives_are_right_at_poles_and_at_zero(point):
    def solid(x):
        return spherical_harmonics(range(5), x, normalize=False)

    def unit(x):
        return spherical_harmonics(range(5), x, normalize=True)

    x = point.clone().requires_grad_()
    assert gradcheck(solid, x) and gradgradcheck(solid, x)
    if point.any():
        assert gradcheck(unit, x) and gradgradcheck(unit, x)


def test_derivative_check_can_fail():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return spherical_harmonics(2, x, normalize=False)

        @staticmethod
        def backward(ctx, gradient):
            return gradient[:3]

    with pytest.raises(RuntimeError):
        gradcheck(Wrong.apply, vectors(1)[0].requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("length", [0.0, 1e-40, 1e-20, 1e-12, 1e-7, 6e-7, 1e-3, 1e6, 1e12])
def test_nothing_is_ever_infinite_or_nan(dtype, length):
    x = (length * SPECIAL).to(dtype).requires_grad_()
    y = spherical_harmonics(range(5), x, normalize=True)
    (first,) = torch.autograd.grad((y + y.square()).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad((first + first.square().sum().sqrt().detach()).sum(), x)
    for tensor in (y, first, second):
        assert tensor.isfinite().all()


def test_zero_vector_gives_zero_with_zero_gradient():
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    y = spherical_harmonics(range(4), x, normalize=True)
    assert torch.equal(y[1:], torch.zeros(15).double())
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(gradient, torch.zeros(3).double())


def test_hessian_at_the_pole_equals_finite_differences():
    def energy(x):
        return spherical_harmonics(range(7), x, normalize=True).sum()

    pole = torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(energy, pole)
    gradient = torch.func.grad(energy)
    step = 1e-5
    columns = [(gradient(pole + step * e) - gradient(pole - step * e)) / (2 * step) for e in torch.eye(3).double()]
    assert torch.allclose(hessian, torch.stack(columns, -1), atol=1e-6, rtol=1e-6)


def test_surface_gradient_is_the_gradient_of_the_normalized_harmonics():
    points = torch.cat([torch.nn.functional.normalize(SPECIAL[:4], dim=-1), smallest_grid(16).points])
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: spherical_harmonics(range(9), x, normalize=True)))(points)
    gradient = surface_gradient(8, points)
    assert torch.allclose(gradient, jacobian.permute(1, 0, 2), atol=1e-12)
    assert float(torch.einsum("dpk,pk->dp", gradient, points).abs().max()) < 1e-13
    solid = torch.func.vmap(torch.func.jacrev(lambda x: spherical_harmonics(range(9), x, normalize=False)))(points)
    assert not torch.allclose(gradient, solid.permute(1, 0, 2), atol=1e-3)


def test_surface_gradients_have_norm_l_times_l_plus_one():
    grid = smallest_grid(24)
    gradient = surface_gradient(12, grid.points)
    gram = torch.einsum("p,apk,bpk->ab", grid.weights, gradient, gradient)
    expected = torch.cat([torch.full((2 * l + 1,), float(l * (l + 1))) for l in range(13)]).double().diag()
    assert float((gram - expected).abs().max()) < 1e-11


def test_degrees_come_in_the_order_asked_for():
    x = vectors(4)
    both = spherical_harmonics([2, 0, 2], x, normalize=True)
    assert torch.equal(both, spherical_harmonics("2e+0e+2e", x, normalize=True))
    assert torch.equal(both[:, :5], spherical_harmonics(2, x, normalize=True))
    assert torch.equal(both[:, 6:], both[:, :5])
    assert spherical_harmonics([], x, normalize=True).shape == (4, 0)
    assert spherical_harmonics([0, 3], x.reshape(2, 2, 3), normalize=True).shape == (2, 2, 8)


def test_module_equals_function():
    x = vectors(6).float()
    module = SphericalHarmonics("0e+1o+2e+3o", normalize=True, normalization="component")
    assert torch.equal(module(x), spherical_harmonics("0e+1o+2e+3o", x, True, "component"))
    assert not module.state_dict()


def test_harmonics_and_wigner_matrices_compile_without_graph_breaks_and_the_module_exports():
    """In a process of its own: the shape checker of the tests cannot be compiled."""
    script = """
import torch
from intertwine.o3.spherical_harmonics import SphericalHarmonics, spherical_harmonics
x = torch.randn(6, 3)
module = SphericalHarmonics("0e+1o+2e+3o", normalize=True, normalization="component")
expected = spherical_harmonics("0e+1o+2e+3o", x, True, "component")
assert torch.allclose(torch.compile(module, fullgraph=True, backend="aot_eager")(x), expected, atol=1e-6)
assert torch.allclose(torch.export.export(module, (x,)).module()(x), expected, atol=1e-6)

from intertwine.o3.traced_constant import traced_constant
from intertwine.o3.wigner import wigner_d
function = lambda x, r: (spherical_harmonics("0e+1o+2e+3o", wigner_d(1, r) @ x.T, True, "component"), wigner_d(2, r))
turn = torch.linalg.matrix_exp(torch.tensor([[0.0, 1, 2], [-1, 0, 3], [-2, -3, 0]]))
for dtype in (torch.float32, torch.float64):
    given = torch.eye(3, dtype=dtype), turn.to(dtype)
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")(*given)
    assert all(torch.equal(*pair) for pair in zip(compiled, function(*given), strict=True))
ours, torchs = traced_constant(lambda: None), torch.compiler.assume_constant_result(lambda: None)
assert vars(ours) == vars(torchs) != {}
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_module_is_exact_after_a_stay_in_float32():
    x = vectors(6)
    module = SphericalHarmonics(6, normalize=True).float().double()
    assert torch.equal(module(x), spherical_harmonics(6, x, normalize=True))


def test_inference_mode_leaves_nothing_behind_that_breaks_training():
    x = vectors(3).half().double()
    with torch.inference_mode():
        spherical_harmonics(19, x, normalize=True)
    y = x.clone().requires_grad_()
    spherical_harmonics(19, y, normalize=True).sum().backward()
    assert y.grad is not None and y.grad.isfinite().all()


def test_bad_requests_are_explained():
    x = vectors(2)
    with pytest.raises(IrrepsError, match="integral, component, norm"):
        spherical_harmonics(1, x, True, "unit")
    with pytest.raises(IrrepsError, match="parities"):
        spherical_harmonics("0e+1e+1o", x, True)
    with pytest.raises(IrrepsError, match="degrees l >= 0"):
        spherical_harmonics(-1, x, True)
