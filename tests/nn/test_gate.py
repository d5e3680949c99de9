"""The gate: e3nn's, equivariant, with the irreps of its gates in front."""

import pytest
import torch
from e3nn.nn import Gate as TheirGate
from numpy.polynomial.hermite_e import hermegauss

from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error, relative_error
from intertwine.nn.gate import Gate
from intertwine.nn.mlp import SIGMOID_SCALE, SILU_SCALE
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.o3.layout import from_e3nn, to_e3nn
from intertwine.o3.representation import IrrepsRepresentation


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_scales_make_the_second_moment_one():
    points, weights = hermegauss(100)
    x, weights = torch.tensor(points), torch.tensor(weights / weights.sum())
    for function, scale in ((torch.nn.functional.silu, SILU_SCALE), (torch.sigmoid, SIGMOID_SCALE)):
        assert float((weights * (scale * function(x)) ** 2).sum()) == pytest.approx(1, abs=1e-12)


def test_equals_the_gate_of_e3nn_up_to_its_monte_carlo_scales():
    gate = Gate("2x0e+1o+2e")
    theirs = TheirGate("8x0e", [torch.nn.functional.silu], "8x0e", [torch.sigmoid], "4x1o+4x2e").double()
    x = random(5, gate.irreps_in.dim, 4)
    order = torch.cat([torch.arange(2, 4), torch.arange(2), torch.arange(4, 12)])  # e3nn: scalars first, then gates
    flat = to_e3nn(x[:, order], Irreps("4x0e+1o+2e"))
    assert relative_error(gate(x), from_e3nn(theirs(flat), Irreps("2x0e+1o+2e"))) < 0.02


def test_each_entry_has_a_gate_of_its_own_in_order():
    gate = Gate("1o+0e+0o")
    assert gate.irreps_in == Irreps("2x0e+1o+0e+0o")
    x = random(5, 7, 2)
    z = gate(x)
    assert relative_error(z[:, :3], SIGMOID_SCALE * torch.sigmoid(x[:, :1]) * x[:, 2:5]) < 1e-14
    assert relative_error(z[:, 3:4], SILU_SCALE * torch.nn.functional.silu(x[:, 5:6])) < 1e-14
    assert relative_error(z[:, 4:], SIGMOID_SCALE * torch.sigmoid(x[:, 1:2]) * x[:, 6:]) < 1e-14


def test_silu_on_everything_is_not_equivariant_and_the_gate_is():
    gate, x = Gate("0e+0o+1o"), random(5, 7, 2)
    types = IrrepsRepresentation(gate.irreps_in), IrrepsRepresentation(gate.irreps)
    seed = torch.Generator().manual_seed(0)
    assert equivariance_error(gate, [x], [types[0]], types[1], O(3), generator=seed) < 1e-13

    def everything(x):
        return torch.nn.functional.silu(x[:, 2:])

    assert equivariance_error(everything, [x], [types[0]], types[1], O(3), generator=seed) > 0.1


def test_refuses_nothing():
    with pytest.raises(IrrepsError, match="at least one irrep"):
        Gate("")
