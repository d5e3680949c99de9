"""Mixing of channels in one pass: the readable map to third derivatives, whatever rows, channels and threads."""

import copy

import pytest
import torch
from compiled import HERE, distance, needs_kernels, with_threads
from torch.autograd import gradcheck, gradgradcheck

from intertwine.nn.linear import Linear, SharedLinear
from intertwine.tensor_products.kernels import mix as mix_file
from intertwine.tensor_products.kernels.library import using

TYPES = ("2x0e+1o+2e+1o", "1o+0e+2x1o")
"""The second degree is not read; rows of the result are not in the order of their kinds."""


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def derivatives(layer, x: torch.Tensor) -> list[torch.Tensor]:
    """The result, its gradients by feature and weights, and two more orders of these."""
    x = x.clone().requires_grad_()
    inputs, found = [x, *layer.parameters()], [layer(x)]
    for _ in range(3):
        total = torch.stack([each.sin().sum() for each in found[-len(inputs) :]]).sum()
        found += torch.autograd.grad(total, inputs, create_graph=True)
    return found


@needs_kernels
@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("kind", [Linear, SharedLinear])
@pytest.mark.parametrize("channels", [(4, 5), (40, 70), (1, 1)])
def test_kernel_and_twin_agree_to_third_derivatives(isa, kind, channels):
    layer, x = kind(*TYPES, *channels).double(), random(7, 13, channels[0])
    with using(isa):
        found = derivatives(layer, x)
    with using(None):
        readable = derivatives(layer, x)
    for one, other in zip(found, readable, strict=True):
        assert one.shape == other.shape and distance(one, other) < 1e-11


@needs_kernels
@pytest.mark.parametrize("isa", HERE)
def test_float32_differs_by_rounding(isa):
    layer, x = Linear(*TYPES, 64, 64), random(70, 13, 64)
    with using(isa):
        found = layer(x.float())
    with using(None):
        assert distance(found.double(), layer.double()(x)) < 1e-5


@needs_kernels
def test_derivatives_match_finite_differences():
    layer = Linear("0e+1o", "1o+0e", 2, 3).double()

    def function(x, *matrices):
        assert mix_file.takes(x, matrices, layer.mixing)
        return mix_file.mix(x, matrices, layer.mixing)

    inputs = [random(2, 4, 2).requires_grad_(), *layer.weights]
    assert gradcheck(function, inputs) and gradgradcheck(function, inputs)


@needs_kernels
def test_a_node_has_the_same_bits_in_any_company_and_on_any_number_of_threads():
    layer, x = Linear("2x0e+2x1o", "0e+1o", 64, 64), random(700, 8, 64).float()
    whole = layer(x)
    assert torch.equal(with_threads(3, lambda: layer(x)), whole)
    assert torch.equal(layer(x[651:652]), whole[651:652])


@needs_kernels
def test_only_plain_tensors_of_the_declared_shapes_are_taken():
    layer, x = Linear("0e+1o", "0e+1o", 4, 4), random(5, 4, 4).float()
    matrices = list(layer.weights)
    assert mix_file.takes(x, matrices, layer.mixing) and mix_file.takes(x[0], matrices, layer.mixing)
    assert not mix_file.takes(x.bfloat16(), matrices, layer.mixing)
    assert not mix_file.takes(x.double(), matrices, layer.mixing)
    assert not mix_file.takes(x[:, :3], matrices, layer.mixing)
    assert not mix_file.takes(x, [weight[:2] for weight in matrices], layer.mixing)


def test_any_batch_is_mixed_alike():
    layer, x = Linear(*TYPES, 4, 5).double(), random(2, 3, 13, 4)
    for every in (layer(x), torch.func.vmap(layer)(x), layer(x.transpose(0, 1)).transpose(0, 1)):
        assert torch.allclose(every[1, 2], layer(x[1, 2]), rtol=0, atol=1e-14)
    assert layer(x[:0]).shape == (0, 3, 10, 5)


def test_a_copy_of_a_layer_mixes_alike():
    layer, x = Linear(*TYPES, 4, 5).double(), random(3, 13, 4)
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))
