"""Soft layers: plain ones that commute with nothing until their weights do; couplings and gates commute exactly."""

import pytest
import torch

from intertwine.groups.classical import SO, O
from intertwine.groups.error import equivariance_error
from intertwine.groups.linear import Scaling, Similarity
from intertwine.groups.projector import BlockProjector, ProjectorError, intertwiners
from intertwine.groups.representation import Standard, Trivial
from intertwine.groups.subgroup import FixedAxis, restrict
from intertwine.nn.soft_coupling import TensorCoupling, TensorSize, tensors
from intertwine.nn.soft_linear import SoftLinear
from intertwine.nn.soft_network import SoftNetwork, TensorGate

GROUP = Similarity(3)


def error(layer, v, w, group, channels: int = 2) -> float:
    x = torch.randn(6, v.dim, channels, dtype=torch.float64)
    draw = torch.Generator().manual_seed(0)
    return equivariance_error(layer, [x], [restrict(v, group)], restrict(w, group), group, generator=draw)


def test_a_soft_linear_layer_is_a_plain_affine_map():
    layer = SoftLinear(Standard(O(3)), Trivial(O(3)) + Standard(O(3)), 2, 5).double()
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(7, 3, 2, dtype=torch.float64)
    expected = torch.einsum("bcad,nad->nbc", layer.weight, x) + layer.bias
    assert torch.allclose(layer(x), expected)
    assert error(layer, layer.v, layer.w, SO(3)) > 0.1


@pytest.mark.parametrize("group", [GROUP, O(3), Scaling(3), FixedAxis(3, 1)], ids=str)
def test_couplings_and_gates_commute_with_turns_and_changes_of_unit(group):
    orders = (0, 1, 2)
    v = tensors(GROUP, *orders)
    coupling, gate = TensorCoupling(3, orders, 2).double(), TensorGate(3, orders)
    assert error(coupling, v, v, group) < 1e-10
    assert error(gate, Trivial(GROUP, 2) + v, v, group) < 1e-12
    assert error(torch.square, v, v, group) > 0.1


@pytest.mark.parametrize("orders", [(0, 1, 2), (1, 0), (0,), (0, 2)], ids=str)
def test_couplings_are_all_products_that_commute(orders):
    """Against brute force: the coefficients of x_a x_b, read off values at sums of unit vectors, span Hom(x * x, x)."""
    v = tensors(O(2), *orders)
    layer = TensorCoupling(2, orders, 1).double()
    layer.size = Ones()
    one = torch.eye(v.dim, dtype=torch.float64)
    pairs = (one[:, None] + one).flatten(0, 1)[..., None]
    found = []
    for path in range(len(layer.weight)):
        with torch.no_grad():
            layer.weight.copy_(torch.eye(len(layer.weight))[path, :, None])
            square = layer(one[..., None])[..., 0]
            found.append(layer(pairs)[..., 0].unflatten(0, (v.dim, v.dim)) - square[:, None] - square)
    found = torch.stack(found).flatten(1)
    whole = intertwiners(v * v, v).unflatten(-1, (v.dim, v.dim))
    expected = (whole + whole.mT).permute(0, 2, 3, 1).flatten(1)
    rank = int(torch.linalg.matrix_rank(expected))
    assert len(found) == rank == int(torch.linalg.matrix_rank(torch.cat([found, expected])))
    assert int(torch.linalg.matrix_rank(found)) == rank


class Ones(torch.nn.Module):
    def forward(self, x):
        return torch.ones_like(x)


def test_products_of_numbers_need_the_size_to_keep_the_unit():
    coupling = TensorCoupling(3, (0, 1), 2).double()
    coupling.size = Ones()
    v = tensors(GROUP, 0, 1)
    assert error(coupling, v, v, O(3)) < 1e-10
    assert error(coupling, v, v, Scaling(3)) > 0.1


def test_sizes_of_zero_have_finite_derivatives():
    x = torch.zeros(4, 13, 2, requires_grad=True)
    TensorSize(3, (0, 1, 2))(x).sum().backward()
    assert x.grad.isfinite().all()
    assert torch.equal(TensorSize(3, (0,))(torch.randn(5, 1, 2)), torch.ones(5, 1, 1))


@pytest.mark.parametrize("group", [GROUP, FixedAxis(3, 2)], ids=str)
def test_a_network_commutes_when_its_weights_do(group):
    v, w = tensors(GROUP, 0, 1), tensors(GROUP, 2)
    network = SoftNetwork(v, w, 2, 1, channels=3).double()
    assert error(network, v, w, group) > 0.01
    with torch.no_grad():
        for layer in (*network.linears, network.last):
            layer.bias.zero_()
            layer.weight.copy_(BlockProjector(restrict(layer.v, group), restrict(layer.w, group))(layer.weight))
    assert error(network, v, w, group) < 1e-10
    other = FixedAxis(3, 0)
    assert (error(network, v, w, other) < 1e-10) == (group == GROUP)


def test_impossible_layers_are_refused():
    with pytest.raises(ProjectorError, match="SoftLinear"):
        SoftLinear(Standard(O(3)), Standard(SO(3)), 1, 1)
    with pytest.raises(ValueError, match="order 0"):
        SoftNetwork(tensors(GROUP, 1), tensors(GROUP, 1), 1, 1, orders=(1, 2))
