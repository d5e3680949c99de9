import pytest
import torch

from intertwine.geometry.rotations import jittered, random_turns, turned


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("turns", ["I", "z", "SO(3)"])
def test_they_are_rotations_of_their_kind(turns):
    g = random_turns(turns, 500, generator=seeded(), dtype=torch.float64)
    assert torch.allclose(g @ g.mT, torch.eye(3, dtype=torch.float64).expand_as(g), atol=1e-12)
    assert torch.allclose(torch.linalg.det(g), torch.ones(500, dtype=torch.float64))
    up = g @ torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    assert bool((up[:, 2] == 1).all()) == (turns != "SO(3)")
    # uniform: the mean over the group of a turned horizontal vector is zero
    mean = (g @ torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)).mean(0).norm()
    assert (float(mean) < 0.1) == (turns != "I")


def test_clouds_turn_on_their_own_and_jitter_has_its_size():
    x = torch.randn(4, 200, 3, generator=seeded())
    y = turned(x, "SO(3)", generator=seeded(1))
    assert torch.allclose(torch.cdist(y[:, :9], y[:, :9]), torch.cdist(x[:, :9], x[:, :9]), atol=1e-4)
    assert not torch.allclose(y[0], x[0]) and torch.equal(turned(x, "I"), x)
    assert float((jittered(x, 0.1, generator=seeded()) - x).std()) == pytest.approx(0.1, rel=0.1)
