"""layer_errors names the layer that breaks a symmetry, and no other."""

import pytest
import torch
from torch import nn

from intertwine.groups.actions import LastAxis, Points
from intertwine.groups.classical import SO
from intertwine.groups.euclidean import E
from intertwine.groups.finite import Permutation
from intertwine.groups.layer_errors import layer_errors
from intertwine.groups.permuting import PermutationMatrix
from intertwine.groups.representation import Standard

VECTORS = LastAxis(Standard(SO(3)))


class Scale(nn.Module):
    def forward(self, x):
        return x * x.norm(dim=-1, keepdim=True)


class Norm(nn.Module):
    def forward(self, x):
        return x.norm(dim=-1)


class Centre(nn.Module):
    def forward(self, x):
        return x - x.mean(-2, keepdim=True)


def points(*shape):
    return torch.randn(*shape, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def guilty(found):
    return [each.name for each in found if each.breaks]


def test_the_first_layer_that_breaks_rotations_is_named_alone():
    good = nn.Sequential(Scale(), nn.Dropout(0.5).eval(), Scale(), Norm())
    assert guilty(layer_errors(good, [points(5)], [VECTORS], SO(3))) == []
    bad = nn.Sequential(Scale(), nn.Sequential(Scale(), nn.ReLU(inplace=True)), Scale(), Norm())
    found = layer_errors(bad, [points(5)], [VECTORS], SO(3))
    assert guilty(found) == ["1.1"]
    assert found[-1].name == "" and found[-1].out > 0.01


def test_it_tells_how_outputs_behave():
    found = layer_errors(nn.Sequential(Centre(), Norm()), [points(5)], [Points(E(3))], E(3))
    assert [each.behaves for each in found] == ["vectors [.., 3]", "invariant", "invariant"]
    assert all(each.out < 1e-12 for each in found)


def test_the_order_of_rows():
    rows = PermutationMatrix(Permutation(6))
    good = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)).double()
    assert guilty(layer_errors(good, [points(6)], [rows], Permutation(6))) == []
    bad = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm((6, 4)), nn.Flatten(0), nn.Linear(24, 2)).double()
    with torch.no_grad():
        bad[1].weight.copy_(torch.arange(24.0).unflatten(0, (6, 4)))
    assert guilty(layer_errors(bad, [points(6)], [rows], Permutation(6)))[0] == "1"


def test_declared_representations_are_held_to():
    net = nn.Sequential(Scale(), Norm())
    assert guilty(layer_errors(net, [points(5)], [VECTORS], SO(3), reps={"0": None})) == ["0"]
    with pytest.raises(ValueError, match="names of submodules"):
        layer_errors(net, [points(5)], [VECTORS], SO(3), reps={"7": None})
    with pytest.raises(ValueError, match="names 2 outputs"):
        layer_errors(net, [points(5)], [VECTORS], SO(3), reps={"": (None, None)})
    with pytest.raises(ValueError, match="each of 1 inputs"):
        layer_errors(net, [points(5)], [], SO(3))


def test_numbers_that_are_not_finite_break_it():
    class Broken(nn.Module):
        def forward(self, x):
            return x * torch.nan

    found = layer_errors(Broken(), [points(5)], [VECTORS], SO(3))
    assert found[-1].breaks and found[-1].out == torch.inf
