"""The network on invariants: the formula, zero at zero, unit variance."""

import pytest
import torch

from intertwine.groups.error import relative_error
from intertwine.nn.mlp import MLP, SILU_SCALE


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_is_its_formula_and_zero_at_zero():
    network, x = MLP(3, 5, 2).double(), random(7, 3)
    hidden = SILU_SCALE * torch.nn.functional.silu(x @ network.weights[0] / 3**0.5)
    assert relative_error(network(x), hidden @ network.weights[1] / 5**0.5) < 1e-14
    assert not network(torch.zeros(2, 3).double()).any()


def test_keeps_unit_variance_through_layers():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = MLP(256, 256, 256, 256, 64).double()
    assert abs(float(network(random(512, 256)).detach().square().mean()) - 1) < 0.15


def test_refuses_a_network_without_layers():
    with pytest.raises(ValueError, match="at least two widths"):
        MLP(3)
