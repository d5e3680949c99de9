"""The network that finds its parts: exact for given partitions, and never further off than its bound where not."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from intertwine.geometry.piecewise.block import PartBlock
from intertwine.geometry.piecewise.bound import bad_part, not_covered, surely_exact, unsure_part
from intertwine.geometry.piecewise.network import Grouping, PiecewiseNetwork, Reading, vote_loss
from intertwine.geometry.piecewise.refinement import is_refinement
from intertwine.geometry.piecewise.voronoi import voronoi
from intertwine.groups.actions import Points
from intertwine.groups.classical import SO
from intertwine.groups.error import equivariance_error
from intertwine.groups.euclidean import SE, linear_part
from intertwine.groups.frames.part_frames import PartPCA, Upright
from intertwine.groups.frames.segments import PartError
from intertwine.groups.piecewise import Piecewise
from intertwine.groups.representation import Restrict, Standard

TRUE = torch.arange(40) // 10
CENTRES = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 3, 0], [0, 0, 3]], dtype=torch.float64)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cloud(*batch: int, spread: float = 0.4) -> torch.Tensor:
    return CENTRES[TRUE] + spread * draw(*batch, 40, 3)


def network(frames=PartPCA("SE"), rounds: int = 0, **grouping) -> PiecewiseNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        how = Grouping(**{"cells": 12, "widths": (0.3,), **grouping})
        return PiecewiseNetwork(channels=(6, 3), hidden=12, grouping=how, frames=frames, rounds=rounds).double().eval()


def error(net, parts, *, dtype=torch.float64, spread=0.4) -> float:
    """Of scalars, vectors and votes, under a motion of each true part."""
    motions, vectors = Points(SE(3)), Restrict(Standard(SO(3)), SE(3), linear_part)
    actions = tuple(Piecewise(base, TRUE, 4) for base in (motions, vectors))

    def read(x):
        found = net(x, parts)
        return found.scalars, found.vectors, found.votes[-1]

    out = (None, actions[1], actions[0])
    seed = torch.Generator().manual_seed(0)
    group = actions[0].group
    return equivariance_error(
        read, [cloud(spread=spread).to(dtype)], [actions[0]], out, group, samples=3, generator=seed
    )


def test_given_the_true_partition_or_a_finer_one_the_network_is_exact():
    finer = TRUE + 4 * (torch.arange(40) % 10 > 5)
    assert error(network(), [TRUE, TRUE]) < 1e-12
    assert error(network(), [finer, TRUE]) < 1e-12
    assert error(network(), [torch.arange(40), finer]) < 1e-12  # every point its own part
    assert error(network(rounds=2), [finer, TRUE]) < 1e-12  # parts that are given touch nothing


def test_the_check_fails_without_frames_and_for_a_partition_that_is_no_refinement():
    assert error(network(Upright()), [TRUE, TRUE]) > 1e-2
    assert error(network(), [TRUE, TRUE.clamp(max=2)]) > 1e-2
    assert error(network(), [TRUE * 0, TRUE]) > 1e-2


def test_single_precision_is_exact_to_rounding():
    assert error(network().float(), [TRUE, TRUE], dtype=torch.float32, spread=1.0) < 1e-5


def test_the_whole_cloud_in_one_part_is_plain_frame_averaging():
    net, x = network(), cloud()
    turn, whole = SE(3).sample(generator=torch.Generator().manual_seed(0), dtype=torch.float64), TRUE * 0
    moved = Points(SE(3)).act(turn, x)
    assert torch.allclose(net(x, [whole] * 2).scalars, net(moved, [whole] * 2).scalars, atol=1e-12)


def test_one_motion_of_the_whole_cloud_and_the_order_of_points_do_not_matter_to_what_is_found():
    net, x = network(rounds=2), cloud(2)
    g = SE(3).sample(generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(2))
    before, after = net(x), net(Points(SE(3)).act(g, x)[:, order])
    assert torch.allclose(before.scalars[:, order], after.scalars, atol=1e-10)
    assert torch.allclose(linear_part(g) @ before.vectors[:, order], after.vectors, atol=1e-10)


def test_parts_of_one_point_on_top_of_larger_parts_are_exact_for_a_common_motion():
    """The second layer sees vectors of the first that no single point could have made."""
    net, x, parts = network(), cloud(), [TRUE * 0, torch.arange(40)]
    g = SE(3).sample(generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    before, after = net(x, parts), net(Points(SE(3)).act(g, x), parts)
    assert torch.allclose(before.scalars, after.scalars, atol=1e-11)
    assert torch.allclose(linear_part(g) @ before.vectors, after.vectors, atol=1e-11)


def test_clouds_of_a_batch_do_not_see_each_other():
    net, x = network(rounds=2), cloud(3)
    assert torch.allclose(net(x).scalars[1], net(x[1:2]).scalars[0], atol=1e-12)


def test_votes_of_the_centre_group_points_into_their_parts():
    """With votes that are right, the partition found is the true one; so what follows is exact for moving parts."""
    net, x = network(cells=12), cloud(spread=0.15)
    part = voronoi(x, 12)
    assert bool(is_refinement(part, TRUE))
    centres = CENTRES[TRUE] + 0.05 * draw(40, 3, seed=5)
    mixture = net._group(centres, part, 0.3)
    assert bool(is_refinement(mixture.assignment(centres).argmax(-1), TRUE))
    assert int((mixture.weights > 0).sum()) == 4


def moved(x: torch.Tensor, size: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Every true part turned, and shifted by about `size`."""
    g = SE(3, spread=size).sample(4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Piecewise(Points(SE(3)), TRUE, 4).act(g, x), linear_part(g)


@pytest.mark.parametrize("spread, rounds", [(0.15, 0), (0.4, 0), (1.5, 0), (0.15, 1), (0.4, 2)])
def test_the_bound_holds_and_points_that_are_surely_exact_are(spread, rounds):
    net, x = network(widths=(0.5,), rounds=rounds), cloud(spread=spread)
    for seed in range(6):
        y, turns = moved(x, 0.5, seed)
        before, after = net(x), net(y)
        off = (turns[TRUE] @ before.vectors - after.vectors).flatten(1).norm(dim=-1)
        largest = max(float(r.vectors.detach().flatten(1).norm(dim=-1).max()) for r in (before, after))
        cover = not_covered(before, after, TRUE)
        assert off.mean() <= 2 * largest * cover.mean() + 1e-9
        sure = surely_exact(before, after, TRUE)
        assert bool((off[sure] < 1e-9).all())
        assert bool((cover[~sure] > 1 - 1e-6).all())  # where the partitions say no, the probabilities agree


def test_a_network_without_frames_breaks_the_bound():
    net, x = network(Upright()), cloud()
    y, turns = moved(x, 0.5, 0)
    before, after = net(x, [TRUE] * 2), net(y, [TRUE] * 2)
    assert not_covered(before, after, TRUE).max() == 0
    assert (turns[TRUE] @ before.vectors - after.vectors).abs().max() > 1e-3


def test_lambda_and_delta_are_the_probabilities_they_are_said_to_be():
    q = torch.softmax(2 * draw(6, 3), -1)
    true = torch.tensor([0, 0, 0, 1, 1, 1])
    draws = torch.multinomial(q, 20000, replacement=True, generator=torch.Generator().manual_seed(0)).mT
    together = draws[:, :, None] == draws[:, None, :]
    bad = (together & (true[:, None] != true)).any(-1).double().mean(0)
    same = (together & (draws == q.argmax(-1))[:, :, None]).any(-1)
    chosen = q.argmax(-1)
    inside = chosen[:, None] == chosen
    same = ((draws[:, None, :] == chosen[:, None]) == inside).all(-1).double().mean(0)
    assert torch.allclose(bad_part(q, true), bad, atol=0.02)
    assert torch.allclose(unsure_part(q), 1 - same, atol=0.02)


def test_a_certain_partition_has_no_delta_and_a_lambda_of_zero_or_one():
    q = torch.nn.functional.one_hot(torch.tensor([0, 0, 1, 1]), 3).double()
    assert unsure_part(q).tolist() == [0, 0, 0, 0]
    assert bad_part(q, torch.tensor([0, 0, 1, 2])).tolist() == [0, 0, 1, 1]


def test_votes_learn_through_the_mixture():
    net, x = network().train(), cloud(2)
    reading: Reading = net(x)
    gradients = torch.autograd.grad(reading.mixtures[0].centres.square().sum(), net.vote[0].weight)
    assert all(bool(g.isfinite().all()) and bool((g != 0).any()) for g in gradients)
    loss = vote_loss(net(x), x, TRUE.expand(2, -1))
    loss.backward()
    assert all(bool(p.grad.isfinite().all()) for p in net.parameters() if p.grad is not None)


def test_partitions_of_another_number_or_shape_and_points_that_are_not_finite_are_named():
    net = network()
    with pytest.raises(PartError, match="expected 2 partitions"):
        net(cloud(), [TRUE])
    with pytest.raises(PartError, match="finite"):
        net(cloud().log())
    with pytest.raises(PartError, match="expected 1 to 5 seeds"):
        net(cloud()[:5])


def test_more_parts_cost_no_more_products_of_points():
    """The cost is that of the points, O(n), not of points times parts."""
    block, x = PartBlock((0, 8), (0, 2), 16), draw(512, 3).float()
    counted = []
    for parts in (1, 32):
        part = torch.arange(512) % parts
        frames = PartPCA("SE")(x, part, parts)
        with FlopCounterMode(display=False) as counter:
            block(x, x[:, :0], x.unsqueeze(-1)[..., :0], part, frames)
        counted.append(counter.get_total_flops())
    assert counted[1] < 1.2 * counted[0]
