"""The piecewise action: G^k on parts of a cloud, for points, vectors and features."""

import pytest
import torch

from intertwine.groups.actions import LastAxis, Points
from intertwine.groups.classical import SO
from intertwine.groups.error import equivariance_error
from intertwine.groups.euclidean import SE, E, Translation
from intertwine.groups.group import Group
from intertwine.groups.piecewise import Piecewise
from intertwine.groups.power import Power
from intertwine.groups.representation import Standard

PART = torch.tensor([0, 2, 0, 1, 2, 2])


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("group", [Power(SE(3), 3), Power(E(2), 1), Power(Translation(3), 4)], ids=str)
def test_a_power_is_a_group(group: Group):
    g, h, k = group.sample(3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one = group.identity(dtype=torch.float64)
    assert g.shape == group.element_shape == one.shape
    assert torch.allclose(group.compose(group.compose(g, h), k), group.compose(g, group.compose(h, k)))
    assert torch.allclose(group.compose(g, group.inverse(g)), one, atol=1e-13)
    assert torch.equal(group.compose(g, one), g)


@pytest.mark.parametrize(
    "base, shape",
    [(Points(SE(3)), (2, 6, 3)), (LastAxis(Standard(SO(3))), (6, 3)), (Standard(SO(3)), (6, 3, 4))],
    ids=["points", "vectors", "features"],
)
def test_acting_twice_is_acting_with_the_product(base, shape):
    action, x = Piecewise(base, PART, 3), draw(*shape)
    g, h = action.group.sample(2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(action.act(g, action.act(h, x)), action.act(action.group.compose(g, h), x))


def test_one_part_moves_and_the_others_stay():
    action, x = Piecewise(Points(Translation(3)), PART, 3), draw(6, 3)
    g = torch.zeros(3, 3, dtype=torch.float64)
    g[2] = 1
    assert torch.equal(action.act(g, x), x + (PART == 2)[:, None])


def test_distances_within_parts_are_invariant_and_those_between_parts_are_not():
    action, x = Piecewise(Points(E(3)), PART, 3), draw(6, 3)
    same = PART[:, None] == PART

    def inside(x):
        return torch.cdist(x, x) * same

    assert equivariance_error(inside, [x], [action], None, action.group) < 1e-12
    assert equivariance_error(lambda x: torch.cdist(x, x), [x], [action], None, action.group) > 0.1


@pytest.mark.parametrize("part", [torch.tensor([0, 3]), torch.tensor([-1, 0])])
def test_part_numbers_out_of_range_are_named(part):
    with pytest.raises(ValueError, match=r"part numbers from 0 to 2"):
        Piecewise(Points(E(3)), part, 3)
