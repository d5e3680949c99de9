"""The average follows its recursion, and swapping it in leaves no trace."""

import math

import pytest
import torch
from torch import nn

from intertwine.training.checkpoint import CheckpointError
from intertwine.training.ema import ExponentialAverage
from intertwine.training.weights import load_weights, snapshot, weights


class Mixed(nn.Module):
    """Every kind of tensor a module may hold."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.tied = self.weight
        self.register_buffer("statistic", torch.zeros(3, dtype=torch.float64))
        self.register_buffer("counter", torch.tensor(0))
        self.register_buffer("mask", torch.tensor([0.0, -math.inf]))
        self.register_buffer("table", torch.ones(1000), persistent=False)


def test_the_average_is_the_warm_started_recursion():
    model = Mixed()
    average = ExponentialAverage(model, 0.5)
    expected = 0.0
    for n in range(20):
        with torch.no_grad():
            model.weight.fill_(n)
        average.update()
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * n
    assert average.average["weight"].tolist() == pytest.approx([expected] * 2, rel=1e-6)


def test_from_a_moment_on_the_average_is_the_plain_mean_of_what_came_since():
    model = Mixed()
    average = ExponentialAverage(model, 0.5)
    for n in range(10):
        if n == 4:
            average.weigh_equally()
        with torch.no_grad():
            model.weight.fill_(n)
        average.update()
    assert average.average["weight"].tolist() == pytest.approx([6.5] * 2, rel=1e-6)  # of 4, 5, ..., 9


def test_buffers_are_averaged_when_floating_and_copied_when_not():
    model = Mixed()
    average = ExponentialAverage(model, 0.5)
    model.statistic = torch.ones(3, dtype=torch.float64)  # assigned, not written in place
    model.counter += 1
    average.update()
    assert average.average["statistic"].tolist() == pytest.approx([0.9] * 3)
    assert average.average["counter"].item() == 1
    assert average.average["mask"].tolist() == [0.0, -math.inf]
    assert "table" not in average.average


def test_batch_norm_statistics_are_averaged_though_they_change_without_a_version():
    model = nn.BatchNorm1d(2)
    average = ExponentialAverage(model, 0.5)
    for _ in range(5):
        model(torch.randn(8, 2, generator=torch.Generator().manual_seed(0)) + 3)
        average.update()
    assert (average.average["running_mean"] > 0.3).all()
    assert not torch.equal(average.average["running_mean"], model.running_mean)


def test_swapping_in_is_exact_and_undone_even_after_an_error():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    average = ExponentialAverage(model, 0.9)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.add_(1 / 3)
    average.update()
    live = snapshot(model)
    with pytest.raises(RuntimeError), average.swapped_in():
        assert all(torch.equal(tensor, average.average[name]) for name, tensor in weights(model).items())
        raise RuntimeError
    assert all(torch.equal(tensor, live[name]) for name, tensor in weights(model).items())


def test_tied_weights_are_kept_once():
    assert list(weights(Mixed())) == ["weight", "statistic", "counter", "mask"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors: tensors.pop("bias"), ["bias", "missing"]),
        (lambda tensors: tensors.update(bias=torch.zeros(4)), ["bias", "[4]", "[2]"]),
        (lambda tensors: tensors.update(bias=torch.zeros(2).double()), ["bias", "float64"]),
        (lambda tensors: tensors.update(extra=torch.zeros(1)), ["extra", "no place"]),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(change, words):
    model = nn.Linear(3, 2)
    tensors = snapshot(model)
    change(tensors)
    for load in (
        lambda: load_weights(model, tensors, origin="model.safetensors"),
        lambda: ExponentialAverage(model, 0.9).restore(tensors, 3, origin="model.safetensors"),
    ):
        with pytest.raises(CheckpointError) as caught:
            load()
        assert all(word in str(caught.value) for word in ["model.safetensors", *words])
        assert "\n" not in str(caught.value)


def test_weights_whose_saved_names_are_not_those_of_the_modules_are_averaged():
    from intertwine.groups.actions import Points
    from intertwine.groups.euclidean import E
    from intertwine.groups.frames.pca import PCAFrame
    from intertwine.nn.frame_average import FrameAverage

    model = FrameAverage(nn.Linear(3, 3), PCAFrame("E"), [Points(E(3))], None)
    average = ExponentialAverage(model, 0.5)
    with torch.no_grad():
        model.net.weight.add_(1.0)
    average.update()
    with average.swapped_in():
        assert torch.equal(model.net.weight, average.average["weight"])
    assert not torch.equal(model.net.weight, average.average["weight"])
