"""Conversion of features between e3nn's flat layout and ours."""

import pytest
import torch
from e3nn import o3 as e3nn

from intertwine.groups.classical import O
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.o3.layout import from_e3nn, split_channels, to_e3nn
from intertwine.o3.representation import IrrepsRepresentation

STRINGS = ["8x0e+4x1o+4x2e", "3x1e", "2x0e+2x0o+2x1o+4x0e", "1x0e+1x1o", "6x0e"]


@pytest.mark.parametrize("text", STRINGS)
def test_round_trip(text):
    irreps, _ = split_channels(text)
    x = torch.randn(2, 5, e3nn.Irreps(text).dim)
    assert torch.equal(to_e3nn(from_e3nn(x, irreps), irreps), x)


@pytest.mark.parametrize("text", STRINGS)
def test_the_group_acts_alike_before_and_after(text):
    irreps, channels = split_channels(text)
    x = torch.randn(e3nn.Irreps(text).dim, dtype=torch.float64)
    g = O(3).sample(dtype=torch.float64)
    blocks = e3nn.Irreps(text).slices()
    theirs = x.clone()
    for (mul, ir), rows in zip(e3nn.Irreps(text), blocks):
        matrix = IrrepsRepresentation(str(ir)).matrix(g)
        theirs[rows] = (x[rows].reshape(mul, ir.dim) @ matrix.mT).flatten()
    ours = IrrepsRepresentation(irreps).act(g, from_e3nn(x, irreps))
    assert ours.shape == (irreps.dim, channels)
    assert torch.allclose(ours, from_e3nn(theirs, irreps), atol=1e-13)


def test_a_plain_reshape_is_not_the_layout():
    irreps, channels = split_channels("2x1o")
    x = torch.arange(6.0)
    assert not torch.equal(from_e3nn(x, irreps), x.reshape(irreps.dim, channels))


def test_channels_are_the_greatest_common_divisor_or_as_asked():
    assert split_channels("128x0e+64x1o+32x2e") == (Irreps("4x0e+2x1o+2e"), 32)
    assert split_channels("128x0e+64x1o", 16) == (Irreps("8x0e+4x1o"), 16)
    assert split_channels("1o+2x0e") == (Irreps("1o+2x0e"), 1)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(IrrepsError, match="channels x 4"):
        from_e3nn(torch.zeros(10), "0e+1o")
    with pytest.raises(IrrepsError, match="dim axis of 4, came 3"):
        to_e3nn(torch.zeros(3, 2), "0e+1o")
    with pytest.raises(IrrepsError, match="do not divide 3x1o"):
        split_channels("2x0e+3x1o", 2)
