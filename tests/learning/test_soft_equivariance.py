"""Penalties, bindings and automatic strengths of soft models."""

import pytest
import torch

from intertwine.groups.classical import O
from intertwine.groups.representation import Standard
from intertwine.groups.subgroup import FixedAxis, SubgroupError, Unit
from intertwine.learning.soft_equivariance import Hard, Residual, Soft, Tuning, early, relaxed
from intertwine.learning.stacked_training import stacked
from intertwine.learning.weight_projection import WeightProjection
from intertwine.nn.soft_coupling import tensors
from intertwine.nn.soft_linear import SoftLinear

V = tensors(O(3), 0, 1, 2)


def layers(count: int = 1) -> list[SoftLinear]:
    made = [SoftLinear(V, V, 2, 3).double() for _ in range(count)]
    for layer in made:
        torch.nn.init.normal_(layer.bias)
    return made


def parameters(layer: SoftLinear) -> dict:
    return dict(layer.named_parameters())


def test_the_penalty_is_the_distance_and_its_gradient_the_rest():
    (layer,) = layers()
    project, own = WeightProjection(layer, FixedAxis(3, 2)), parameters(layer)
    bound = project(own)
    expected = sum(((own[name] - bound[name]) ** 2).sum() / 2 for name in own)
    penalty = project.penalty(own)
    assert torch.allclose(penalty, expected) and float(penalty) > 1.0
    penalty.backward()
    assert torch.allclose(layer.weight.grad, own["weight"] - bound["weight"])
    assert torch.allclose(layer.bias.grad, own["bias"] - bound["bias"])
    assert float(project.penalty(bound)) < 1e-24


def test_stacks_are_projected_as_their_members():
    made = layers(3)
    project = WeightProjection(made[0], O(3))
    together = project.penalty(stacked(made))
    assert torch.allclose(together, torch.stack([project.penalty(parameters(each)) for each in made]))


def test_bias_of_vectors_goes_and_that_of_numbers_stays():
    (layer,) = layers()
    bias = WeightProjection(layer, O(3))(parameters(layer))["bias"]
    assert torch.equal(bias[:1], layer.bias[:1]) and not bias[1:4].any()
    assert bias[4:].reshape(3, 3, 3).diagonal(dim1=0, dim2=1).any()  # a multiple of the unit matrix


def test_other_layers_pass_and_models_without_soft_layers_are_refused():
    model = torch.nn.Sequential(layers()[0], torch.nn.Linear(3, 3))
    project = WeightProjection(model, O(3))
    own = dict(model.named_parameters())
    assert project(own)["1.weight"] is own["1.weight"] and project.names == ("0.weight", "0.bias")
    with pytest.raises(ValueError, match="Build it from SoftLinear"):
        WeightProjection(torch.nn.Linear(3, 3), O(3))
    vectors = Standard(FixedAxis(3, 0))
    with pytest.raises(SubgroupError):
        WeightProjection(SoftLinear(vectors, vectors, 1, 1), O(3))


def test_only_the_group_of_no_symmetry_is_trivial():
    (layer,) = layers()
    assert WeightProjection(layer, Unit(3)).trivial
    assert not WeightProjection(layer, FixedAxis(3, 0)).trivial
    assert WeightProjection(layer, O(3)).freedom < WeightProjection(layer, FixedAxis(3, 0)).freedom


def test_strengths_fall_with_a_power_and_trivial_groups_never_win():
    factors = relaxed(torch.tensor([[1.0, 2.0, 0.0], [4.0, 1.0, 0.0]]), [False, False, True], power=2.0)
    assert torch.allclose(factors, torch.tensor([[1.0, 0.25, 0.0], [0.0625, 1.0, 0.0]]))
    exact = relaxed(torch.tensor([0.0, 1.0, 0.0]), [False, False, False], power=2.0)
    assert torch.equal(exact, torch.tensor([1.0, 0.0, 1.0])) and exact.isfinite().all()


def test_strengths_change_once_from_the_least_penalty_of_the_window():
    (layer,) = layers()
    groups = [WeightProjection(layer, g) for g in (FixedAxis(3, 0), O(3), Unit(3))]
    soft = Soft(groups, torch.ones(3, dtype=torch.float64), tuning=Tuning(2, 4))
    own = parameters(layer)
    half = {name: each / 2 for name, each in own.items()}
    for step, weights in enumerate([{n: 0 * w for n, w in own.items()}, own, own, half, own]):
        before = soft.strengths
        soft.penalty(weights, step)
        assert torch.equal(before, soft.strengths) == (step != 4)
    least = soft.penalties(half).detach()  # the zeros before the window do not count
    assert torch.allclose(soft.least, least)
    assert torch.allclose(soft.strengths, relaxed(least, [False, False, True], power=2.0))
    kept = soft.strengths
    soft.penalty(half, 5)
    assert torch.equal(kept, soft.strengths)


def test_the_window_is_never_empty():
    assert all(early(steps).begin < early(steps).end <= max(1, steps) for steps in range(40))


def test_a_power_of_zero_leaves_the_strengths_of_a_model_alone():
    (layer,) = layers()
    groups = [WeightProjection(layer, g) for g in (FixedAxis(3, 0), O(3))]
    given = torch.tensor([[0.5, 2.0], [0.5, 2.0]], dtype=torch.float64)
    soft = Soft(groups, given, tuning=Tuning(0, 1, torch.tensor([[0.0], [2.0]])))
    for step in range(2):
        soft.penalty(stacked([layer], 2), step)
    assert torch.equal(soft.strengths[0], given[0]) and float(soft.strengths[1, 1]) < 2.0


def test_bindings_make_hard_near_and_mixed_weights():
    (layer,) = layers()
    container = WeightProjection(layer, O(3))
    own = parameters(layer)
    bound = container(own)
    hard = Hard(container)
    assert float(container.penalty(hard.weights(hard.start(own)))) < 1e-24
    near = Soft([], torch.zeros(0), container, residual=0.5).start(own)
    assert torch.allclose(near["weight"], (own["weight"] + bound["weight"]) / 2)
    mixed = Residual(container, torch.tensor(3.0), residual=0.5)
    begun = mixed.start(own)
    assert torch.allclose(mixed.weights(begun)["weight"], near["weight"])
    rest = container.outside(own) / 2
    assert torch.allclose(mixed.penalty(begun, 0), 1.5 * rest.square().sum())
