"""Every group: the axioms, on random elements. A new group joins GROUPS."""

import pytest
import torch

from intertwine.groups.classical import SO, O
from intertwine.groups.euclidean import (
    SE,
    E,
    Translation,
    homogeneous,
    linear_part,
    pure_rotation,
    pure_translation,
    translation_part,
)
from intertwine.groups.finite import Cyclic, Permutation
from intertwine.groups.group import Group

GROUPS = [
    *(SO(n) for n in (1, 2, 3, 5)),
    *(O(n) for n in (1, 2, 3, 5)),
    *(SE(n) for n in (1, 2, 3)),
    *(E(n) for n in (1, 2, 3)),
    *(Translation(n) for n in (1, 3)),
    *(Cyclic(n) for n in (1, 2, 7)),
    *(Permutation(n) for n in (1, 2, 6)),
]


def elements(group: Group, *shape: int, seed: int = 0) -> torch.Tensor:
    return group.sample(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose(a, b.expand_as(a), rtol=0, atol=1e-13)


@pytest.mark.parametrize("group", GROUPS, ids=str)
class TestAxioms:
    def test_elements_have_the_promised_shape(self, group: Group):
        assert elements(group, 2, 3).shape == (2, 3, *group.element_shape)
        assert elements(group).shape == group.element_shape == group.identity().shape

    def test_identity_changes_nothing(self, group: Group):
        g = elements(group, 4)
        one = group.identity(dtype=torch.float64).expand_as(g)
        assert same(group.compose(g, one), g)
        assert same(group.compose(one, g), g)

    def test_inverse_undoes_from_both_sides(self, group: Group):
        g = elements(group, 4)
        assert same(group.compose(g, group.inverse(g)), group.identity(dtype=torch.float64))
        assert same(group.compose(group.inverse(g), g), group.identity(dtype=torch.float64))

    def test_composition_is_associative(self, group: Group):
        g, h, k = elements(group, 3, 4)
        assert same(group.compose(g, group.compose(h, k)), group.compose(group.compose(g, h), k))

    def test_composition_stays_in_the_group(self, group: Group):
        g, h = elements(group, 2, 4)
        assert belongs(group, group.compose(g, h))

    def test_composition_broadcasts(self, group: Group):
        g, h = elements(group, 5, 1), elements(group, 4, seed=1)
        assert group.compose(g, h).shape == (5, 4, *group.element_shape)

    def test_a_seed_gives_the_same_elements(self, group: Group):
        assert torch.equal(elements(group, 3, seed=5), elements(group, 3, seed=5))

    def test_float32_elements_are_the_cast_ones(self, group: Group):
        single = group.sample(3, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
        assert torch.allclose(single.double(), elements(group, 3).double(), atol=1e-6)
        assert single.dtype in (torch.float32, torch.int64)

    def test_groups_are_values(self, group: Group):
        assert group == type(group)(group.n) and group != type(group)(group.n + 1)
        assert len({group, type(group)(group.n)}) == 1


def belongs(group: Group, g: torch.Tensor) -> bool:
    if isinstance(group, (O, SO)):
        one = group.identity(dtype=g.dtype)
        orthogonal = same(g @ g.mT, one)
        return orthogonal and (isinstance(group, O) or bool((torch.linalg.det(g) - 1).abs().max() < 1e-13))
    if isinstance(group, (E, SE)):
        linear = O(group.n) if isinstance(group, E) else SO(group.n)
        last = torch.eye(group.n + 1, dtype=g.dtype)[-1]
        return belongs(linear, linear_part(g)) and same(g[..., -1, :], last)
    if isinstance(group, Cyclic):
        return bool(((g >= 0) & (g < group.n)).all())
    if isinstance(group, Permutation):
        return bool((g.sort(-1).values == torch.arange(group.n)).all())
    return bool(g.isfinite().all())


@pytest.mark.parametrize("group", [g for g in GROUPS if g.n > 1], ids=str)
def test_random_elements_differ_and_belong(group: Group):
    g = elements(group, 40)
    assert belongs(group, g)
    assert len(torch.unique(g, dim=0)) > 1


def test_a_shear_does_not_belong():
    """The checks above can fail."""
    shear = torch.eye(3, dtype=torch.float64)
    shear[0, 1] = 0.1
    assert not belongs(O(3), shear)
    assert not belongs(SO(3), -torch.eye(3, dtype=torch.float64))


def test_rotations_and_reflections_do_not_commute_but_turns_do():
    g, h = elements(O(3), 2)
    assert not same(O(3).compose(g, h), O(3).compose(h, g))
    g, h = elements(SO(2), 2)
    assert same(SO(2).compose(g, h), SO(2).compose(h, g))


def test_motion_acts_as_rotation_then_shift():
    g = elements(E(3))
    x = torch.randn(3, dtype=torch.float64)
    moved = g @ torch.cat([x, torch.ones(1, dtype=torch.float64)])
    assert same(moved[:3], linear_part(g) @ x + translation_part(g))
    assert same(homogeneous(linear_part(g), translation_part(g)), g)


@pytest.mark.parametrize(
    ("source", "target", "embedding"),
    [
        (O(3), E(3), pure_rotation),
        (Translation(3), E(3), pure_translation),
        (E(3), O(3), linear_part),
        (Cyclic(7), SO(2), Cyclic(7).turn),
    ],
)
def test_embeddings_are_homomorphisms(source, target, embedding):
    g, h = elements(source, 2, 4)
    assert same(embedding(source.compose(g, h)), target.compose(embedding(g), embedding(h)))


def test_translation_part_is_no_homomorphism():
    g, h = elements(E(3), 2, 4)
    assert not same(translation_part(E(3).compose(g, h)), translation_part(g) + translation_part(h))


@pytest.mark.parametrize("kind", [SO, O, SE, E, Cyclic, Translation, Permutation])
@pytest.mark.parametrize("n", [0, -1, True])
def test_a_size_below_one_is_refused(kind, n):
    with pytest.raises(ValueError, match=f"{kind.__name__}: expected a size"):
        kind(n)
