"""The envelope with a trained shape: the start, and what no shape can change."""

import pytest
import torch

from intertwine.nn.radial import PolynomialCutoff
from intertwine.nn.trainable_cutoff import TrainableCutoff

CUTOFF = 4.0


def any_shape() -> TrainableCutoff:
    envelope = TrainableCutoff(CUTOFF).double()
    envelope.shape.data += torch.randn(6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return envelope


def test_it_starts_as_the_polynomial_cutoff():
    r = torch.linspace(0, 1.2 * CUTOFF, 50, dtype=torch.float64)
    torch.testing.assert_close(TrainableCutoff(CUTOFF).double()(r), PolynomialCutoff(CUTOFF)(r), rtol=1e-14, atol=0)
    assert (any_shape()(r) - PolynomialCutoff(CUTOFF)(r)).abs().max() > 0.1


def test_value_and_two_derivatives_vanish_at_the_cutoff_whatever_the_shape():
    r = torch.tensor(CUTOFF * (1 - 1e-12), dtype=torch.float64, requires_grad=True)
    value = any_shape()(r)
    for order in range(4):
        assert abs(float(value.detach())) < 1e-9 if order < 3 else abs(float(value.detach())) > 0.1
        (value,) = torch.autograd.grad(value, r, create_graph=True)
    assert not any_shape()(torch.tensor([CUTOFF, 9.0])).any()


def test_every_entry_of_the_shape_learns_from_a_derivative():
    envelope = any_shape()
    r = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(envelope(r).sum(), r, create_graph=True)
    (gradient,) = torch.autograd.grad(slope.square().sum(), envelope.shape)
    assert (gradient != 0).all()


@pytest.mark.parametrize(("cutoff", "p"), [(0.0, 6), (4.0, 1)])
def test_impossible_sizes_are_refused(cutoff, p):
    with pytest.raises(ValueError, match="expected cutoff > 0 and p >= 2"):
        TrainableCutoff(cutoff, p=p)


def test_all_derivatives_are_those_of_the_sum():
    envelope = any_shape()
    found = []
    for function in (envelope, envelope.readable):
        r = torch.linspace(0, 1.2 * CUTOFF, 13, dtype=torch.float64)[1:].requires_grad_()
        value = function(r)
        for _ in range(8):
            found.append(value.detach())
            (value,) = torch.autograd.grad(value.sum(), r, create_graph=True)
    for ours, theirs in zip(found[:8], found[8:], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    assert found[7].any()


def test_function_transforms_see_the_sum():
    envelope, r = any_shape(), torch.linspace(0.1, CUTOFF, 5, dtype=torch.float64)
    torch.testing.assert_close(torch.func.vmap(envelope)(r), envelope(r))
