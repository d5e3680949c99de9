import pytest
import torch

from intertwine.groups.frames.signs import SIGN_RULES, average, max_abs, third_moment

RULES = [third_moment, max_abs]


def cloud(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("rule", RULES)
def test_a_flipped_axis_is_flipped_back(rule):
    z = cloud(5, 9, 3)
    flips = torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)
    assert torch.equal(z * rule(z).values, (z * flips) * rule(z * flips).values)
    assert not torch.equal(rule(z).values, rule(z * flips).values)


@pytest.mark.parametrize("rule", RULES)
def test_order_and_padding_do_not_matter(rule):
    z = cloud(2, 9, 3)
    padded = torch.cat([z.flip(-2), torch.full((2, 4, 3), torch.nan, dtype=torch.float64)], dim=-2)
    mask = (torch.arange(13) < 9).expand(2, 13)
    found, expected = rule(padded, mask), rule(z)
    assert torch.equal(found.values, expected.values) and torch.allclose(found.margin, expected.margin)


@pytest.mark.parametrize("rule", RULES)
def test_a_mirror_plane_leaves_no_margin_and_a_flat_axis_needs_none(rule):
    half = cloud(6, 3)
    assert float(rule(torch.cat([half, half * torch.tensor([1.0, 1.0, -1.0])])).margin) < 1e-14
    assert float(rule(half).margin) > 1e-3
    assert float(rule(half * torch.tensor([1.0, 1.0, 0.0])).margin) > 1e-3
    assert float(rule(torch.zeros(6, 3)).margin) == 1.0


def test_all_signs_are_all_signs():
    assert set(SIGN_RULES) == {"third_moment", "max_abs", "average"}
    values = average(cloud(4, 7, 3)).values
    assert values.shape == (4, 8, 3) and len(values[0].unique(dim=0)) == 8 and set(values.unique().tolist()) == {-1, 1}
