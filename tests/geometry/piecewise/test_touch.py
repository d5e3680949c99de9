"""Parts that touch tell each other what they are: who touches whom is counted right, and nothing else is told."""

import torch

from intertwine.geometry.piecewise.bound import surely_exact
from intertwine.geometry.piecewise.network import Grouping, PiecewiseNetwork
from intertwine.geometry.piecewise.touch import Exchange, contacts, near_points

CHAIN = torch.tensor([[0.0, 1, 0, 0], [1, 0, 2, 0], [0, 2, 0, 0], [0, 0, 0, 0]])
"""Three parts in a row and one that touches nothing."""


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_contacts_agree_with_counting_pairs_one_by_one():
    x, part = draw(2, 15, 3), torch.arange(15).expand(2, -1) % 4
    near = near_points(x, 3)
    counted = torch.zeros(2, 4, 4)
    for cloud in range(2):
        apart = torch.cdist(x[cloud], x[cloud])
        for i in range(15):
            for j in range(15):
                ranks = (int((apart[i] < apart[i, j]).sum()), int((apart[j] < apart[j, i]).sum()))
                if i != j and max(ranks) <= 3 and part[cloud, i] != part[cloud, j]:
                    counted[cloud, part[cloud, i], part[cloud, j]] += 1
    assert torch.equal(contacts(near, part, 4), counted) and counted.max() > 1


def test_a_part_hears_of_those_as_many_contacts_away_as_there_are_rounds():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        exchange = Exchange(5, hidden=16, rounds=2).double()
    p, touch = draw(4, 5), CHAIN
    heard = torch.autograd.functional.jacobian(lambda p: exchange(p, touch), p).abs().amax((1, 3)) > 0
    assert heard.tolist() == [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]]
    once = Exchange(5, hidden=16, rounds=1).double()
    heard = torch.autograd.functional.jacobian(lambda p: once(p, touch), p).abs().amax((1, 3)) > 0
    assert heard.tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]


def clumps(distance: float) -> torch.Tensor:
    """Three clumps of ten points in a row along the first axis; the first two overlap, the third is far."""
    return 0.3 * draw(3, 10, 3, seed=2) + torch.tensor([[0.0, 0, 0], [0.8, 0, 0], [distance, 0, 0]])[:, None]


def test_it_stays_exact_while_contacts_stay_and_notices_when_they_change():
    """Shifting the third clump far away changes nothing, shifting it close to the others does."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = PiecewiseNetwork(channels=(6, 2), hidden=12, grouping=Grouping(cells=3, widths=()), rounds=2)
    network = network.double().eval()
    true = torch.arange(3).repeat_interleave(10)
    far, farther, close = (network(clumps(d).flatten(0, 1)) for d in (9.0, 12.0, 1.6))
    assert float(far.touch[0].sum()) > 0
    covered = surely_exact(far, farther, true)
    change = (far.scalars - farther.scalars).abs().amax(-1)
    assert bool(covered.any()) and float(change[covered].detach().max()) < 1e-12
    assert not bool(surely_exact(far, close, true).all())
    assert float((far.scalars - close.scalars).abs().detach().max()) > 1e-4
