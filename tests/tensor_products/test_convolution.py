"""Convolution: a loop over edges, in any order of the edges."""

import pytest
import torch

from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error, relative_error
from intertwine.o3.irreps import Irreps
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.o3.spherical_harmonics import spherical_harmonics
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.convolution import Convolution
from intertwine.tensor_products.sphere.gaunt import Gaunt

NODES, EDGES, CHANNELS = 6, 20, 3
PRODUCTS = {
    "clebsch-gordan": ClebschGordan("0e+1o", "0e+1o+2e", weights="external"),
    "gaunt": Gaunt("0e+1o", "0e+1o+2e", weights="external", legs=(2,)),
    "gaunt + bracket": Gaunt("0e+1o", "0e+1o+2e", odd="bracket", weights="external"),
    "no weights": Gaunt("0e+1o", "0e+1o+2e"),
}


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(params=PRODUCTS)
def case(request):
    product = PRODUCTS[request.param]
    generator = torch.Generator().manual_seed(4)
    senders, receivers = torch.randint(NODES - 1, (2, EDGES), generator=generator)  # the last node hears nothing
    weight = None if product.weights == "none" else random(EDGES, product.weight_count, CHANNELS, seed=3)
    return product, random(NODES, 4, CHANNELS), random(EDGES, 3, seed=1), weight, senders, receivers


def filters(vectors: torch.Tensor) -> torch.Tensor:
    return spherical_harmonics("0e+1o+2e", vectors, normalize=True, normalization="component").unsqueeze(-1)


def test_equals_a_loop_over_edges(case):
    product, x, vectors, weight, senders, receivers = case
    y = filters(vectors)
    expected = torch.zeros(NODES, product.irreps_out.dim, CHANNELS, dtype=torch.float64)
    for edge in range(EDGES):
        given = None if weight is None else weight[edge]
        expected[receivers[edge]] += product(x[senders[edge]], y[edge], given)
    found = Convolution(product)(x, y, weight, senders, receivers)
    assert relative_error(found, expected) < 1e-13
    assert not found[-1].any()


def test_order_of_edges_does_not_matter(case):
    product, x, vectors, weight, senders, receivers = case
    order = torch.randperm(EDGES, generator=torch.Generator().manual_seed(5))
    convolution = Convolution(product)
    one = convolution(x, filters(vectors), weight, senders, receivers)
    moved = None if weight is None else weight[order]
    two = convolution(x, filters(vectors)[order], moved, senders[order], receivers[order])
    assert relative_error(two, one) < 1e-14
    swapped = convolution(x, filters(vectors), weight, receivers, senders)
    assert relative_error(swapped, one) > 0.1


def test_turning_nodes_and_edges_turns_the_result(case):
    product, x, vectors, weight, senders, receivers = case
    convolution, vector = Convolution(product), IrrepsRepresentation("1o")

    def f(x, vectors):
        return convolution(x, filters(vectors[..., 0]), weight, senders, receivers)

    types = IrrepsRepresentation(product.irreps_in1), IrrepsRepresentation(product.irreps_out)
    inputs, seed = [x, vectors[..., None]], torch.Generator().manual_seed(0)
    assert equivariance_error(f, inputs, [types[0], vector], types[1], O(3), generator=seed) < 1e-13
    assert equivariance_error(f, inputs, [types[0], None], types[1], O(3), generator=seed) > 0.1


def test_no_edges_give_zero(case):
    product, x, vectors, weight, senders, receivers = case
    none = slice(0, 0)
    given = None if weight is None else weight[none]
    z = Convolution(product)(x, filters(vectors)[none], given, senders[none], receivers[none])
    assert z.shape == (NODES, product.irreps_out.dim, CHANNELS) and not z.any()


def test_weights_of_its_own_are_refused():
    product = ClebschGordan(Irreps("0e+1o"), Irreps("1o"), weights="internal", channels=2)
    with pytest.raises(ValueError, match="weights='external'"):
        Convolution(product)
