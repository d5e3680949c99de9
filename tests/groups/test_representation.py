"""Every representation and action: it is a homomorphism. A new one joins REPRESENTATIONS or ACTIONS."""

import pytest
import torch

from intertwine.groups.actions import LastAxis, Points
from intertwine.groups.classical import SO, O
from intertwine.groups.euclidean import SE, E, Translation, linear_part, pure_translation
from intertwine.groups.finite import Cyclic, Permutation
from intertwine.groups.group import Group
from intertwine.groups.permuting import PermutationMatrix, Regular
from intertwine.groups.representation import (
    Action,
    Determinant,
    Product,
    Representation,
    Restrict,
    Standard,
    Sum,
    Trivial,
)


class Transposed(Representation):
    """Not a representation: transposing reverses the order of products."""

    def __init__(self, group: Group) -> None:
        self._group = group

    @property
    def group(self) -> Group:
        return self._group

    @property
    def dim(self) -> int:
        return self.group.element_shape[0]

    def matrix(self, g):
        return g.mT


vector, motion = Standard(SO(3)), Standard(SE(2))
REPRESENTATIONS = {
    "trivial": Trivial(SO(3), 2),
    "trivial of whole numbers": Trivial(Permutation(4)),
    "vector": vector,
    "homogeneous": motion,
    "determinant": Determinant(O(3)),
    "regular": Regular(Cyclic(5)),
    "permutation": PermutationMatrix(Permutation(4)),
    "sum": Trivial(SO(3)) + vector + vector,
    "sum of three": Sum(vector, Trivial(SO(3), 2), vector),
    "product": vector * vector,
    "product of unequal": Product(motion, Trivial(SE(2), 2)),
    "dual": ~motion,
    "dual of a product": (motion * ~motion).dual(),
    "turns of the plane": Restrict(Standard(SO(2)), Cyclic(6), Cyclic(6).turn),
    "vectors under motions": Restrict(Standard(O(3)), E(3), linear_part),
    "shifts": Restrict(Standard(E(2)), Translation(2), pure_translation),
    "pseudo-vector": Determinant(O(3)) * Standard(O(3)),
}
ACTIONS = {
    **REPRESENTATIONS,
    "points": Points(E(3)),
    "points turned and shifted": Points(SE(2)),
    "points shifted": Points(Translation(3)),
    "last axis": LastAxis(vector),
}


def draw(group: Group, *shape: int) -> torch.Tensor:
    return group.sample(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def homomorphism_error(rep: Representation) -> float:
    g, h = draw(rep.group, 2, 6)
    return float((rep.matrix(rep.group.compose(g, h)) - rep.matrix(g) @ rep.matrix(h)).abs().max())


@pytest.mark.parametrize("rep", REPRESENTATIONS.values(), ids=REPRESENTATIONS)
class TestRepresentations:
    def test_products_of_elements_become_products_of_matrices(self, rep: Representation):
        assert homomorphism_error(rep) < 1e-12

    def test_identity_becomes_the_unit_matrix(self, rep: Representation):
        one = rep.matrix(rep.group.identity(dtype=torch.float64))
        assert torch.equal(one, torch.eye(rep.dim, dtype=torch.float64))

    def test_inverse_becomes_the_inverse_matrix(self, rep: Representation):
        g = draw(rep.group, 6)
        product = rep.matrix(g) @ rep.matrix(rep.group.inverse(g))
        assert torch.allclose(product, torch.eye(rep.dim, dtype=torch.float64).expand_as(product), atol=1e-12)

    def test_act_applies_the_matrix_along_dim_and_broadcasts(self, rep: Representation):
        g = draw(rep.group, 6)
        x = torch.randn(2, 6, rep.dim, 3, dtype=torch.float64)
        expected = torch.einsum("bij,abjc->abic", rep.matrix(g), x)
        assert torch.allclose(rep.act(g, x), expected, atol=1e-13)

    def test_act_keeps_the_dtype_of_the_feature(self, rep: Representation):
        assert rep.act(draw(rep.group), torch.randn(rep.dim, 3)).dtype == torch.float32


def test_transposed_matrices_fail_the_homomorphism_check():
    assert homomorphism_error(Transposed(SO(3))) > 0.1


@pytest.mark.parametrize("rep", ACTIONS.values(), ids=ACTIONS)
def test_acting_twice_is_acting_with_the_product(rep: Action):
    group = rep.group
    rows = rep.dim if isinstance(rep, Representation) else 4
    last = 2 if rep.group == SE(2) and isinstance(rep, Points) else 3
    x = torch.randn(rows, last, dtype=torch.float64)
    g, h = draw(group, 2)
    assert torch.allclose(rep.act(group.compose(g, h), x), rep.act(g, rep.act(h, x)), atol=1e-12)


def test_points_move_and_their_differences_only_turn():
    g, x = draw(E(3)), torch.randn(5, 3, dtype=torch.float64)
    moved = Points(E(3)).act(g, x)
    assert torch.allclose(moved[1:] - moved[:-1], (x[1:] - x[:-1]) @ linear_part(g).mT)
    assert not torch.allclose(moved, x @ linear_part(g).mT)


def test_points_broadcast_over_elements():
    assert Points(E(3)).act(draw(E(3), 4), torch.randn(5, 3)).shape == (4, 5, 3)


def test_dual_pairs_with_the_original_to_an_invariant():
    g = draw(SE(2))
    x, y = torch.randn(2, 3, 1, dtype=torch.float64)
    assert torch.allclose((~motion).act(g, x).mT @ motion.act(g, y), x.mT @ y)
    assert not torch.allclose(motion.act(g, x).mT @ motion.act(g, y), x.mT @ y)


def test_product_acts_on_outer_products():
    g = draw(SO(3))
    x, y = torch.randn(2, 3, 1, dtype=torch.float64)
    outer = (x @ y.mT).reshape(9, 1)
    expected = (vector.act(g, x) @ vector.act(g, y).mT).reshape(9, 1)
    assert torch.allclose((vector * vector).act(g, outer), expected)


def test_sums_and_products_of_different_groups_are_refused():
    with pytest.raises(ValueError, match="Restrict"):
        vector + Standard(O(3))
    with pytest.raises(ValueError, match="Restrict"):
        vector * motion
    with pytest.raises(ValueError, match="at least one"):
        Sum()


def test_standard_names_the_alternative_for_groups_without_matrices():
    with pytest.raises(ValueError, match="PermutationMatrix"):
        Standard(Permutation(3))
