"""The linear layer: e3nn's map with converted weights, Schur's lemma, and nothing else."""

from math import sqrt

import pytest
import torch
from e3nn import o3 as e3nn

from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error, relative_error
from intertwine.nn.linear import Linear, SharedLinear
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.o3.layout import from_e3nn, to_e3nn
from intertwine.o3.representation import IrrepsRepresentation


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def to_e3nn_weights(linear: Linear, channels_in: int, channels_out: int) -> torch.Tensor:
    """Our (copy, channel) x (copy, channel) matrix of every irrep, cut into e3nn's paths, in e3nn's order."""
    kinds, paths = sorted(set(linear.irreps_out)), []
    for a, ir in enumerate(linear.irreps_in):
        for b, out in enumerate(linear.irreps_out):
            if ir == out:
                copy_in, copy_out = linear.irreps_in[:a].count(ir), linear.irreps_out[:b].count(ir)
                weight = linear.weights[kinds.index(ir)].unflatten(0, (-1, channels_in))
                paths.append(weight.unflatten(2, (-1, channels_out))[copy_in, :, copy_out].flatten())
    return torch.cat(paths)


@pytest.mark.parametrize("irreps", [("0e+1o+2e", "2e+0e"), ("2x0e+1o+0e+1e", "1e+0e+1o+2x0e"), ("2x1o", "1o")])
def test_equals_the_linear_layer_of_e3nn(irreps):
    linear = Linear(*irreps, 3, 4).double()
    ours = [Irreps(each) for each in irreps]
    flat = ["+".join(f"{channels}x{ir}" for ir in each) for each, channels in zip(ours, (3, 4))]
    theirs = e3nn.Linear(*flat).double()
    with torch.no_grad():
        theirs.weight.copy_(to_e3nn_weights(linear, 3, 4))
    x = random(5, ours[0].dim, 3)
    expected = from_e3nn(theirs(to_e3nn(x, ours[0])), ours[1])
    assert relative_error(linear(x), expected) < 1e-13


def test_is_one_matrix_per_irrep():
    linear = Linear("0e+1o", "1o+0e", 3, 2).double()
    x = random(5, 4, 3)
    scalar, vector = linear.weights
    z = linear(x)
    assert relative_error(z[:, 3:], x[:, :1] @ scalar / sqrt(3)) < 1e-14
    assert relative_error(z[:, :3], x[:, 1:] @ vector / sqrt(3)) < 1e-14


def test_a_bias_on_a_vector_breaks_equivariance_and_the_layer_has_none():
    linear, x, types = Linear("0e+1o", "0e+1o", 3, 3).double(), random(5, 4, 3), IrrepsRepresentation("0e+1o")
    bias = torch.tensor([0.0, 1.0, 0.0, 0.0]).double()[:, None]
    seed = torch.Generator().manual_seed(0)
    assert equivariance_error(linear, [x], [types], types, O(3), generator=seed) < 1e-13
    assert equivariance_error(lambda x: linear(x) + bias, [x], [types], types, O(3), generator=seed) > 0.1
    assert not linear(torch.zeros(4, 3).double()).any()


def test_keeps_unit_variance_over_copies_and_channels():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        linear = Linear("3x0e+1o", "0e+1o", 64, 512).double()
    z = linear(random(64, 6, 64))
    assert abs(z[:, :1].square().mean() - 1) < 0.05 and abs(z[:, 1:].square().mean() - 1) < 0.05


def test_refuses_what_no_linear_map_can_make():
    with pytest.raises(IrrepsError, match=r"irreps_out 0e\+1e holds 1e, which irreps_in 0e\+1o lacks.*drop it"):
        Linear("0e+1o", "0e+1e", 2, 2)
    with pytest.raises(IrrepsError, match="at least one irrep"):
        Linear("0e+1o", "", 2, 2)


def test_a_shared_matrix_is_linear_with_the_same_weights_for_every_irrep_copies_counted_from_the_last():
    shared = SharedLinear("2x0e+1o+2e", "1o+2x0e+2e", 3, 2).double()
    linear = Linear("2x0e+1o+2e", "1o+2x0e+2e", 3, 2).double()
    with torch.no_grad():
        for weight in linear.weights:
            weight.copy_(shared.weight[-weight.shape[0] :, -weight.shape[1] :])
    x = random(5, 10, 3)
    assert torch.equal(shared(x), linear(x))
    assert [weight.shape for weight in linear.weights] == [(6, 4), (3, 2), (3, 2)]
    assert shared.weight.shape == (6, 4) and sum(each.numel() for each in shared.parameters()) == 24


def test_a_shared_matrix_refuses_what_linear_does():
    with pytest.raises(IrrepsError, match="SharedLinear: irreps_out 0e\\+1e holds 1e"):
        SharedLinear("0e+1o", "0e+1e", 2, 2)


def test_the_way_back_writes_each_gradient_once_and_no_zeros_around_it():
    linear, x = Linear("2x0e+1o+2e", "0e+1o+2e", 3, 2).double(), random(5, 10, 3).requires_grad_()
    y = linear.readable(x, linear.matrices()).sum()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        torch.autograd.grad(y, x)
    names = {event.name for event in seen.events()}
    assert "aten::mm" in names and not {"aten::slice_backward", "aten::zeros"} & names
