"""Training of stacks, the test of gradients, and the search: they find what was put in, and nothing elsewhere."""

import pytest
import torch

from intertwine.groups.classical import O
from intertwine.groups.subgroup import FixedAxis, Unit
from intertwine.learning.find_symmetries import BROKEN, find_symmetries
from intertwine.learning.soft_equivariance import Hard, Soft
from intertwine.learning.stacked_training import Course, Samples, squared_error, stacked, train_stack
from intertwine.learning.symmetry_breaking import symmetry_breaking
from intertwine.learning.weight_projection import WeightProjection
from intertwine.nn.soft_coupling import tensors
from intertwine.nn.soft_linear import SoftLinear
from intertwine.nn.soft_network import SoftNetwork
from intertwine.training.run import NumericalError

V = tensors(O(3), 1)
AXES = {name: FixedAxis(3, axis) for axis, name in enumerate("xyz")}


def falling(axis: int, drop: float = 1.0, samples: int = 192) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums of two vectors, that fall along an axis: only turns about it are a symmetry."""
    x = torch.randn(samples, 3, 2)
    return x, x.sum(-1, keepdim=True) - drop * torch.eye(3)[axis][:, None]


def network() -> SoftNetwork:
    return SoftNetwork(V, V, 2, 1, channels=2, layers=1, orders=(0, 1))


def one(x, y) -> Samples:
    return Samples(x[None], y[None])


def test_a_stack_learns_as_its_members_do_alone():
    models = [SoftLinear(V, V, 2, 1) for _ in range(2)]
    data, course = one(*falling(2)), Course(20, batch_size=16, learning_rate=0.1)
    groups = [WeightProjection(models[0], O(3))]
    strengths, index = torch.tensor([[0.0], [5.0]]), torch.zeros(2, dtype=torch.int64)

    def train(chosen: slice) -> dict:
        soft, draw = Soft(groups, strengths[chosen]), torch.Generator().manual_seed(0)
        return train_stack(
            models[0], stacked(models[chosen]), soft, data, data, seeds=index[chosen], course=course, generator=draw
        ).weights

    together, alone = train(slice(0, 2)), [train(slice(0, 1)), train(slice(1, 2))]
    for name, each in together.items():
        assert torch.allclose(each, torch.cat([own[name] for own in alone]), atol=1e-5)
    assert float(groups[0].penalty(together)[1]) < 0.5 * float(groups[0].penalty(together)[0])


def test_the_best_look_is_kept_and_divergence_is_said():
    model, index = SoftLinear(V, V, 2, 1), torch.zeros(1, dtype=torch.int64)
    data, soft = one(*falling(2)), Soft([], torch.zeros(1, 0))
    fitted = train_stack(model, stacked([model]), soft, data, data, seeds=index, course=Course(30, learning_rate=0.1))
    assert torch.allclose(fitted.valid, squared_error(model, fitted.weights, data, index))
    assert float(fitted.valid) < float(squared_error(model, stacked([model]), data, index))
    with pytest.raises(NumericalError, match="1 of 1 models is not finite at step 0"):
        broken = Samples(data.x * torch.nan, data.y)
        train_stack(model, stacked([model]), soft, data, broken, seeds=index, course=Course(1))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gradients_name_the_axis_that_is_left(axis):
    model = network()
    x, y = falling(axis)
    bound = WeightProjection(model, O(3))(dict(model.named_parameters()))
    groups = [WeightProjection(model, group) for group in (*AXES.values(), Unit(3), O(3))]
    score = symmetry_breaking(model, bound, groups, x, y).score
    assert score[:3].argmin() == axis and float(score[axis]) < BROKEN
    assert all(float(score[i]) > BROKEN for i in range(3) if i != axis)
    assert float(score[3]) == 0.0 and float(score[4]) > BROKEN


def test_gradients_find_nothing_where_every_symmetry_holds():
    """Negative control, and the false alarms of the score: many data sets of full symmetry."""
    model = network()
    bound = WeightProjection(model, O(3))(dict(model.named_parameters()))
    groups = [WeightProjection(model, group) for group in AXES.values()]
    scores = torch.stack([symmetry_breaking(model, bound, groups, *falling(0, drop=0.0)).score for _ in range(20)])
    assert float(scores.max()) < BROKEN
    assert abs(float(scores.mean())) < 0.5


def test_too_few_samples_are_refused():
    model = network()
    groups = [WeightProjection(model, O(3))]
    with pytest.raises(ValueError, match="a sample for each of 64 chunks, came 5"):
        symmetry_breaking(model, dict(model.named_parameters()), groups, *falling(0, samples=5))


def test_a_search_reports_and_draws_what_it_found(tmp_path):
    groups, draw = {**AXES, "none": Unit(3)}, torch.Generator().manual_seed(0)
    how = {"v": V, "w": V, "container": O(3), "strength": 10.0, "course": Course(60), "generator": draw}
    report = find_symmetries(network(), falling(1, samples=768), groups, **how)
    assert report.kept == ("y", "none")
    final = report.strengths[-1]
    assert final[:, 3].eq(0).all()  # no merit of the trivial group
    assert final[0, :3].argmax() == 1 and float(final[0, 1]) == 10.0 and float(final[0, [0, 2]].max()) < 1.0
    assert float(report.errors[0, 1]) < float(report.errors[0, [0, 2]].min())
    assert report.strengths.shape == report.penalties.shape == (len(report.steps), 2, 4)
    assert "kept (score below 8): y, none" in str(report) and len(str(report).splitlines()) == 7
    assert report.plot(tmp_path / "strengths.png").stat().st_size > 10_000


def test_a_search_without_candidates_or_with_unequal_data_is_refused():
    x, y = falling(0)
    with pytest.raises(ValueError, match="at least one candidate"):
        find_symmetries(network(), (x, y), {}, v=V, w=V, container=O(3))
    with pytest.raises(ValueError, match="192 inputs, 100 targets"):
        find_symmetries(network(), (x, y[:100]), AXES, v=V, w=V, container=O(3))


def test_hard_training_stays_on_the_symmetry():
    model, data = network(), one(*falling(2))
    container = WeightProjection(model, O(3))
    seeds = torch.zeros(1, dtype=torch.int64)
    fitted = train_stack(model, stacked([model]), Hard(container), data, data, seeds=seeds, course=Course(10))
    assert float(container.penalty(fitted.weights)) < 1e-10
