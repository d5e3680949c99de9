"""Products along the edge: `SO2` is `ClebschGordan` with harmonics to second derivatives; `SO2Linear` is as free."""

import pytest
import torch
from compiled import needs_kernels

from intertwine.groups.error import relative_error
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.o3.spherical_harmonics import SphericalHarmonics
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.edge_frame.so2 import SO2
from intertwine.tensor_products.edge_frame.so2_linear import SO2Linear
from intertwine.tensor_products.kernels.library import best_isa, using

POLES = [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]
NEARLY = [[1e-7, 1.0, 0.0], [0.0, -1.0, -1e-7], [1e-7, -1.0, 1e-7], [-1e-7, 1.0, 3e-8]]
SIDES = [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.6, 1e-9, 0.8], [0.6, -1e-9, 0.8]]
TYPES = [
    ("0e+1o+2e", "0e+1o+2e+3o", None),
    ("0e+1o+1e+2x2e", "0e+1o+2e", "0o+1e+1o+2o+3o"),
    ("3e", "2e", "4e+2e"),
    ("0e", "0e+1o+4e", "0e+4e"),
]


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def special_edges() -> torch.Tensor:
    special = torch.tensor(POLES + NEARLY + SIDES, dtype=torch.float64)
    return torch.cat([1.7 * special, random(6, 3)])


def pair(types, **options):
    """The product along the edge, and the one with harmonics, as functions of x, edge, weight."""
    along, across = SO2(*types, **options).double(), ClebschGordan(*types, **options).double()
    harmonics = SphericalHarmonics(along.irreps_in2, normalize=True, normalization="component").double()
    return along, lambda x, edge, *weight: across(x, harmonics(edge)[..., None], *weight)


@pytest.mark.parametrize("normalization", ["component", "none"])
@pytest.mark.parametrize("types", TYPES)
def test_equals_the_clebsch_gordan_product_with_harmonics(types, normalization):
    along, across = pair(types, weights="external", normalization=normalization)
    edge = torch.cat([special_edges(), torch.zeros(1, 3, dtype=torch.float64)])
    x, weight = random(len(edge), along.irreps_in1.dim, 3), random(len(edge), along.weight_count, 3, seed=1)
    assert along.weight_count == len(along.paths)
    assert relative_error(along(x, edge, weight), across(x, edge, weight)) < 1e-12
    unweighted, expected = pair(types, normalization=normalization)
    assert relative_error(unweighted(x, edge), expected(x, edge)) < 1e-12


@pytest.mark.parametrize("types", TYPES[:2])
def test_gradient_and_hessian_by_the_edge_are_those_of_the_harmonics(types):
    along, across = pair(types, weights="external")
    for place, edge in enumerate(special_edges()):
        x, weight = random(along.irreps_in1.dim, 1, seed=place), random(along.weight_count, 1, seed=place + 99)
        probe = random(along.irreps_out.dim, 1, seed=place + 999)

        def energy(product, edge, x=x, weight=weight, probe=probe):
            return (probe * torch.tanh(product(x, edge, weight))).sum()

        for derivative in (torch.autograd.functional.jacobian, torch.autograd.functional.hessian):
            found, expected = (derivative(lambda e, p=p: energy(p, e), edge) for p in (along, across))
            assert relative_error(found, expected) < 1e-9


def test_values_and_two_derivatives_in_float32_at_and_near_the_poles():
    along, _ = pair(TYPES[0], weights="external")
    edges, exact = special_edges().float(), along
    x, weight = random(along.irreps_in1.dim, 1).float(), random(along.weight_count, 1).float()
    single = SO2(*TYPES[0], weights="external")

    def energy(product, edge):
        return torch.tanh(product(x.to(edge), edge, weight.to(edge))).sum()

    for edge in edges:
        for derivative in (torch.autograd.functional.jacobian, torch.autograd.functional.hessian):
            found = derivative(lambda e: energy(single, e), edge)
            assert relative_error(found, derivative(lambda e: energy(exact, e), edge.double())) < 1e-4


@pytest.mark.parametrize("edge", POLES + NEARLY)
def test_gradient_by_the_edge_matches_finite_differences_at_the_poles(edge):
    along, _ = pair(("0e+1o", "0e+1o+2e", "1o+1e"), weights="external")
    edge = torch.tensor(edge, dtype=torch.float64).requires_grad_()
    x, weight = random(along.irreps_in1.dim, 1), random(along.weight_count, 1)
    assert torch.autograd.gradcheck(lambda e: along(x, e, weight), edge)
    assert torch.autograd.gradgradcheck(lambda e: along(x, e, weight), edge)


def test_result_does_not_depend_on_the_chart():
    """Both charts at once: the same edge seen through the quaternion of the other half."""
    along, _ = pair(TYPES[1], weights="external")
    x, weight = random(1, along.irreps_in1.dim, 2), random(1, along.weight_count, 2)
    above, below = (torch.tensor([[0.6, height, 0.8]], dtype=torch.float64) for height in (1e-14, -1e-14))
    frames = [along.frame(edge)[1] for edge in (above, below)]
    assert (frames[0] - frames[1]).abs().max() > 0.5
    assert relative_error(along(x, above, weight), along(x, below, weight)) < 1e-12


def test_the_product_in_the_frame_must_commute_with_turns_about_the_edge():
    """Negative control: one sign of one order, and the chart shows."""
    along, across = pair(("1o", "1o", "1e"))
    edge, x = special_edges(), random(len(special_edges()), 3, 2)
    assert relative_error(along(x, edge), across(x, edge)) < 1e-12
    along.terms.tables.exact["single"][0] *= -1
    along.double()
    with using(None):
        assert relative_error(along(x, edge), across(x, edge)) > 0.1


@needs_kernels
@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("weights", ["none", "external"])
def test_kernel_and_readable_twin_agree(types, weights):
    along = SO2(*types, weights=weights).double()
    inputs = [random(7, along.irreps_in1.dim, 5), random(7, 3)]
    if weights == "external":
        inputs.append(random(along.weight_count, 5))
    leaves = [each.requires_grad_() for each in inputs]
    with using(best_isa()):
        z = along(*inputs)
        slopes = torch.autograd.grad(z.sin().sum(), leaves)
    with using(None):
        expected = along(*inputs)
        expected_slopes = torch.autograd.grad(expected.sin().sum(), leaves)
    assert relative_error(z, expected) < 1e-12
    assert all(relative_error(one, two) < 1e-12 for one, two in zip(slopes, expected_slopes))


@pytest.mark.parametrize(("irreps_in", "irreps_out"), [("0e+1o+2e", "0e+1o+2e"), ("1o+1e+2e", "0o+1e+2o+2e")])
def test_free_weights_span_the_maps_of_all_paths(irreps_in, irreps_out):
    """Both families of linear maps x -> z at one edge, as spaces of matrices."""
    edge, dim = random(3), Irreps(irreps_in).dim
    unit = torch.eye(dim, dtype=torch.float64)

    def maps(product) -> torch.Tensor:
        rows = torch.eye(product.weight_count, dtype=torch.float64)
        return torch.stack([product(unit, edge, row[:, None]).flatten() for row in rows])

    lmax = Irreps(irreps_in).lmax + Irreps(irreps_out).lmax
    free = maps(SO2Linear(irreps_in, irreps_out, weights="external").double())
    paths = maps(SO2(irreps_in, Irreps.spherical_harmonics(lmax), irreps_out, weights="external").double())
    ranks = [int(torch.linalg.matrix_rank(each)) for each in (free, paths, torch.cat([free, paths]))]
    assert ranks == [len(free)] * 3 and len(paths) == len(free)


def test_linear_form_starts_at_unit_variance():
    layer = SO2Linear("0e+1o+1e+2e", "0e+1e+2e+3o", weights="external", mmax=1).double()
    edge, channels = random(40, 3), 4000
    z = layer(random(40, layer.irreps_in1.dim, channels), edge, random(layer.weight_count, channels, seed=1).sign())
    for rows in layer.irreps_out.slices():
        assert abs(float(z[:, rows].square().mean()) - 1) < 0.05


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SO2("0e+1o", "0e+1e", "0e+1o"), r"harmonics, parity \(-1\)\^l.*came 1e"),
        (lambda: SO2("0e+1o", "0e+1o", "0e+3o"), "SO2: irreps_out asks for 3o"),
        (lambda: SO2("1o", "1o", "1e+2e", paths=[(0, 0, 0), (0, 0, 0)]), "SO2: path.*comes 2 times"),
        (lambda: SO2("0e", "0e", weights="internal"), "SO2: weights='internal' need channels="),
        (lambda: SO2Linear("0e+1o", "0o", channels=1), "asks for 0o, entry 0"),
        (lambda: SO2Linear("0e+1o", "1e", mmax=0, channels=1), "raise mmax"),
        (lambda: SO2Linear("0e", "0e", mmax=-1, channels=1), "mmax >= 0, came -1"),
        (lambda: SO2Linear("", "0e", channels=1), "irreps on both sides"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(IrrepsError, match=message):
        make()
