"""Channels of long features mixed block by block: the readable map, with its derivatives, whatever the block."""

import pytest
import torch

from intertwine.nn import linear as linear_file
from intertwine.nn import mixing_blocks
from intertwine.nn.linear import Linear, SharedLinear

TYPES = ("2x0e+1o+2e+1o", "1o+0e+2x1o")
"""The second degree is not read; rows of the result are not in the order of their kinds."""


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixing_blocks, "NODES", 3)
    monkeypatch.setattr(mixing_blocks, "LONG", 1)


@pytest.mark.parametrize("kind", [Linear, SharedLinear])
def test_blocks_give_the_readable_map_and_its_gradients(kind, short_blocks, monkeypatch):
    layer, x, back = kind(*TYPES, 4, 5).double(), random(11, 13, 4).requires_grad_(), random(11, 10, 5, seed=1)
    inputs, found = [x, *layer.parameters()], []
    for long in (True, False):
        monkeypatch.setattr(linear_file, "is_long", lambda x, long=long: long)
        y = layer(x)
        first = torch.autograd.grad(y.sin(), inputs, back, create_graph=True)
        second = torch.autograd.grad(sum(each.square().sum() for each in first), inputs)
        found.append((y, *first, *second))
    for by_block, at_once in zip(*found, strict=True):
        assert torch.allclose(by_block, at_once, rtol=1e-12, atol=1e-12)


def test_only_long_features_of_whole_batches_go_block_by_block(short_blocks):
    assert mixing_blocks.is_long(torch.zeros(7, 4, 2)) and not mixing_blocks.is_long(torch.zeros(6, 4, 2))
    assert not mixing_blocks.is_long(torch.zeros(7, 4)) and not mixing_blocks.is_long(torch.zeros(2, 7, 4, 2))


def test_nodes_in_another_order_are_mixed_alike(short_blocks):
    layer, x, order = Linear(*TYPES, 4, 5).double(), random(11, 13, 4), torch.randperm(11)
    assert torch.allclose(layer(x[order]), layer(x)[order], rtol=0, atol=1e-14)


def test_a_structure_that_is_long_has_the_gradient_by_features_without_that_by_weights():
    layer, x = Linear("0e+1o", "0e+1o", 64, 64), torch.randn(5000, 4, 64).requires_grad_()
    assert mixing_blocks.is_long(x)
    (gradient,) = torch.autograd.grad(layer(x).sum(), x)
    (expected,) = torch.autograd.grad(layer.readable(x[:5], [weight / 8 for weight in layer.weights]).sum(), x)
    assert torch.allclose(gradient[:5], expected[:5], atol=1e-5)
