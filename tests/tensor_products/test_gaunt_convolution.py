"""The Gaunt product along the edge is `Gaunt` with the harmonics of the edge, to second derivatives."""

import pytest
import torch
from torch.autograd.functional import hessian, jacobian

from intertwine.groups.error import relative_error
from intertwine.o3.grid import smallest_grid
from intertwine.o3.irreps import IrrepsError
from intertwine.o3.spherical_harmonics import SphericalHarmonics, spherical_harmonics
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.tensor_products.sphere.gaunt_convolution import GauntConvolution, zonal

POLES = [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]
NEARLY = [[1e-7, 1.0, 0.0], [0.0, -1.0, -1e-7], [1e-7, -1.0, 1e-7]]
SIDES = [[1.0, 0.0, 0.0], [0.6, 1e-9, 0.8], [0.6, -1e-9, 0.8]]
TYPES = [
    ("0e+1o+2e", "0e+1o+2e+3o", None),
    ("0e+1o+1e+0o+2x2e", "0e+1o+2x2e", "0e+2o+2x1o+0o"),
    ("3e+2o", "2e", "4e+3o"),
    ("0o", "0e+1o+4e", "0o+4o"),
]


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def special_edges() -> torch.Tensor:
    special = torch.tensor(POLES + NEARLY + SIDES, dtype=torch.float64)
    return torch.cat([1.7 * special, random(6, 3)])


def pair(types, **options):
    aligned, across = GauntConvolution(*types, **options).double(), Gaunt(*types, **options).double()
    harmonics = SphericalHarmonics(aligned.irreps_in2, normalize=True, normalization="component").double()
    return aligned, lambda x, edge, *weight: across(x, harmonics(edge)[..., None], *weight)


@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("odd", ["none", "bracket"])
@pytest.mark.parametrize("legs", [(), (2,), (1, 2, 3), (3, 1)])
def test_equals_gaunt_with_harmonics(types, odd, legs):
    if types == TYPES[2] and odd == "none":
        types = ("3e+2o", "2e", "2o+3e")
    options = {"weights": "external", "legs": legs} if legs else {}
    aligned, across = pair(types, odd=odd, normalization="component" if legs else "none", **options)
    edge = torch.cat([special_edges(), torch.zeros(1, 3, dtype=torch.float64)])
    x = random(len(edge), aligned.irreps_in1.dim, 3)
    weight = [random(len(edge), aligned.weight_count, 3, seed=1)] if legs else []
    assert relative_error(aligned(x, edge, *weight), across(x, edge, *weight)) < 1e-12


@pytest.mark.parametrize("odd", ["none", "bracket"])
def test_gradient_and_hessian_by_the_edge_are_those_of_the_harmonics(odd):
    aligned, across = pair(TYPES[1], odd=odd, weights="external")
    for place, edge in enumerate(special_edges()):
        x, weight = random(aligned.irreps_in1.dim, 1, seed=place), random(aligned.weight_count, 1, seed=place + 99)
        probe = random(aligned.irreps_out.dim, 1, seed=place + 999)

        def energy(product, edge, x=x, weight=weight, probe=probe):
            return (probe * torch.tanh(product(x, edge, weight))).sum()

        for derivative in (jacobian, hessian):
            found, expected = (derivative(lambda e, p=p: energy(p, e), edge) for p in (aligned, across))
            assert relative_error(found, expected) < 1e-9


def test_the_problem_is_one_in_one_angle_for_each_order():
    """Seven nodes for degrees 3 + 6 + 3, where a grid for all angles has more than fifty points."""
    product = GauntConvolution("0e+1o+2e+3o", "0e+1o+2e+3o+4e+5o+6e", "0e+1o+2e+3o")
    values = product.leg1.sample(torch.randn(16, 1))[0]
    assert values.shape == (7, 7, 1)  # order node channel
    assert len(smallest_grid(12)) > 50


def test_functions_of_the_height_are_harmonics_of_the_polar_axis():
    heights = torch.linspace(-0.9, 0.9, 5, dtype=torch.float64)
    points = torch.stack([(1 - heights**2).sqrt(), heights, 0 * heights], -1)
    values = zonal(GauntConvolution("0e", "0e+1o+3o").irreps_in2, heights.numpy())
    for column, l in enumerate((0, 1, 3)):
        harmonic = (2 * l + 1) ** 0.5 * spherical_harmonics(l, points, normalize=False)[:, l]
        assert (torch.tensor(values[:, column]) - harmonic).abs().max() < 1e-14
    slopes = zonal(GauntConvolution("0e", "0e+1o+3o").irreps_in2, heights.numpy(), derivative=1)
    step = zonal(GauntConvolution("0e", "0e+1o+3o").irreps_in2, heights.numpy() + 1e-6)
    assert abs((step - values) / 1e-6 - slopes).max() < 1e-4


def test_a_filter_that_is_not_aligned_is_another_map():
    """Negative control: the frame of another edge."""
    aligned, across = pair(TYPES[0])
    x, edge = random(6, 9, 2), random(6, 3, seed=5)
    assert relative_error(aligned(x, edge), across(x, edge)) < 1e-12
    assert relative_error(aligned(x, edge.roll(1, 0)), across(x, edge)) > 0.1


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("0e+1o", "0e+1e"), {}, r"GauntConvolution: expected irreps_in2 of harmonics.*came 1e"),
        (("0e+1o", "0e+1o", "1e"), {}, "GauntConvolution: irreps_out asks for 1e.*odd='bracket'"),
        (("0e+1o", "0e+1o"), {"legs": (2, 2)}, "each once"),
        (("", "0e+1o"), {}, "GauntConvolution: expected irreps on every leg"),
        (("0e", "0e"), {"weights": "internal"}, "GauntConvolution: weights='internal' need channels="),
    ],
)
def test_refusals(arguments, options, message):
    with pytest.raises(IrrepsError, match=message):
        GauntConvolution(*arguments, **options)
