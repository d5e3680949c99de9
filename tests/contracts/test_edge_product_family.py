"""Every product with an edge keeps the contract of layers, in the feature and in the edge together."""

import pytest
import torch
from families import EDGE_PRODUCTS
from torch import nn

from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error
from intertwine.o3.edge_frame import EdgeFrame
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.tensor_products.edge_frame.so2 import SO2
from intertwine.testing import check_layer

CHANNELS = 2


class OfOneFeature(nn.Module):
    """The edge as one more vector of the feature, so that O(3) turns both."""

    def __init__(self, product):
        super().__init__()
        self.product = product

    def forward(self, x, weight=None):
        return self.product(x[..., :-3, :], x[..., -3:, 0], weight)


def check_edge_product(product) -> None:
    generator = torch.Generator().manual_seed(1)

    def weight(batch):
        shape = (*batch, product.weight_count, CHANNELS)
        return (torch.randn(shape, generator=generator, dtype=torch.float64),) if product.weights == "external" else ()

    layer = OfOneFeature(product)
    check_layer(layer, product.irreps_in1 + "1o", product.irreps_out, channels=CHANNELS, others=weight)


@pytest.mark.parametrize("name", EDGE_PRODUCTS)
def test_member_keeps_the_contract(name):
    check_edge_product(EDGE_PRODUCTS[name]())


@pytest.mark.parametrize("name", EDGE_PRODUCTS)
def test_weights_come_when_declared_and_every_row_matters(name):
    product = EDGE_PRODUCTS[name]().double()
    x, edge = torch.randn(5, product.irreps_in1.dim, CHANNELS).double(), torch.randn(5, 3).double()
    if product.weights != "external":
        with pytest.raises(ValueError, match="expected no weight"):
            product(x, edge, torch.ones(1, 1).double())
        return
    with pytest.raises(ValueError, match="expected one of shape"):
        product(x, edge)
    shared = torch.randn(product.weight_count, CHANNELS).double().requires_grad_()
    z = product(x, edge, shared)
    assert torch.allclose(z, product(x, edge, shared.expand(5, -1, -1)), rtol=1e-12, atol=1e-12)
    assert torch.allclose(product(x, edge, shared[:, :1]), product(x, edge, shared[:, :1].expand(-1, CHANNELS)))
    gradient = torch.autograd.grad(z.square().sum(), shared)[0]
    assert bool(gradient.any(1).all())


@pytest.mark.parametrize("name", EDGE_PRODUCTS)
def test_an_edge_without_length_has_no_frame_to_depend_on(name):
    product = EDGE_PRODUCTS[name]().double()

    def still(x, *rest):
        return product(x, torch.zeros(*x.shape[:-2], 3).to(x), *rest)

    inputs = [torch.randn(5, product.irreps_in1.dim, CHANNELS).double()]
    if product.weights == "external":
        inputs.append(torch.randn(5, product.weight_count, CHANNELS).double())
    reps = [IrrepsRepresentation(product.irreps_in1), None][: len(inputs)]
    error = equivariance_error(still, inputs, reps, IrrepsRepresentation(product.irreps_out), O(3))
    assert error < 1e-12


class Mirrored(SO2):
    """The product with the mirror image of some edges: what the contract must refuse."""

    def forward(self, x, edge, weight=None):
        return super().forward(x, edge.abs(), weight)


class HalfTheChart(EdgeFrame):
    """The frame of -edge where the edge points down."""

    def forward(self, edge):
        return super().forward(torch.where(edge[..., 1:2] < 0, -edge, edge))


def test_check_refuses_frames_that_do_not_follow_the_edge():
    product = SO2("0e+1o", "0e+1o", "0e+1o+1e")
    check_edge_product(product)
    with pytest.raises(AssertionError, match="equivariance"):
        check_edge_product(Mirrored("0e+1o", "0e+1o", "0e+1o+1e"))
    product.frame = HalfTheChart(1)
    with pytest.raises(AssertionError, match="equivariance"):
        check_edge_product(product)
