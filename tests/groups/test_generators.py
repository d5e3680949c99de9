"""Generators lie in their group, and representations move tangents as the derivative of their matrices."""

import pytest
import torch

from intertwine.groups.classical import SO, O
from intertwine.groups.direct_product import DirectProduct
from intertwine.groups.euclidean import SE, E, Translation, linear_part, pure_translation
from intertwine.groups.finite import Cyclic, Permutation
from intertwine.groups.generators import differential, generators
from intertwine.groups.group import Group
from intertwine.groups.linear import GL, SL, Scaling, Similarity
from intertwine.groups.matrix_group import LinearGroup
from intertwine.groups.representation import Determinant, Representation, Restrict, Standard, Sum, Trivial
from intertwine.groups.subgroup import FixedAxis, SubgroupError, Unit, restrict
from intertwine.o3.representation import IrrepsRepresentation

MATRIX_GROUPS = [GL(3), SL(3), Scaling(3), Similarity(3), FixedAxis(3, 1), Unit(3), DirectProduct(O(3), Scaling(2))]
DIMENSIONS = {
    SO(3): 3, O(4): 6, SE(2): 3, E(3): 6, Translation(3): 3, GL(3): 9, SL(1): 0, SL(3): 8, Scaling(4): 1,
    Similarity(3): 4, FixedAxis(3, 2): 1, FixedAxis(4, 0): 3, Unit(3): 0, Cyclic(5): 0, Permutation(4): 0,
    DirectProduct(SO(3), SL(2)): 6,
}  # fmt: skip

vector, motion = Standard(SO(3)), Standard(SE(2))
pairs = DirectProduct(O(3), GL(2))
REPRESENTATIONS = {
    "trivial": Trivial(SO(3), 2),
    "sum": Sum(vector, Trivial(SO(3)), vector * vector),
    "product": motion * ~motion,
    "dual": ~Standard(GL(3)),
    "determinant": Determinant(GL(2)),
    "irreps": IrrepsRepresentation("0e+1o+2e"),
    "vectors under motions": Restrict(Standard(O(3)), E(3), linear_part),
    "shifts": Restrict(Standard(E(2)), Translation(2), pure_translation),
    "scaled": restrict(Standard(GL(3)) * ~Standard(GL(3)), Scaling(3)),
    "pair": Restrict(Standard(O(3)), pairs, pairs.left) * Restrict(Standard(GL(2)), pairs, pairs.right),
}


def curve(group: Group, tangent: torch.Tensor, t: float) -> torch.Tensor:
    return t * tangent if isinstance(group, Translation) else torch.linalg.matrix_exp(t * tangent)


@pytest.mark.parametrize("group", MATRIX_GROUPS, ids=str)
def test_groups_of_matrices_are_groups(group: Group):
    g, h, k = group.sample(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one = group.identity(dtype=torch.float64)
    assert torch.allclose(group.compose(g, group.compose(h, k)), group.compose(group.compose(g, h), k), atol=1e-12)
    assert torch.allclose(group.compose(g, group.inverse(g)), one.expand_as(g), atol=1e-12)
    assert g.shape[1:] == group.element_shape == group.sample().shape


def test_elements_are_of_their_group():
    draw = {"generator": torch.Generator().manual_seed(0), "dtype": torch.float64}
    assert torch.allclose(torch.linalg.det(SL(3).sample(20, **draw)), torch.ones(20, dtype=torch.float64))
    assert len(torch.linalg.det(GL(3).sample(20, **draw)).sign().unique()) == 2
    g = FixedAxis(3, 0).sample(20, **draw)
    axis = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    assert torch.allclose(g @ axis, axis.expand(20, 3)) and torch.allclose(g.mT @ g, torch.eye(3).double())
    assert len(torch.linalg.det(g).round().unique()) == 2


@pytest.mark.parametrize("group", DIMENSIONS, ids=str)
def test_lie_algebras_have_the_dimension_of_theory(group: Group):
    found = generators(group)
    assert len(found.lie) == DIMENSIONS[group]
    if len(found.lie):
        assert torch.linalg.matrix_rank(found.lie.flatten(1)) == len(found.lie)


@pytest.mark.parametrize("rep", REPRESENTATIONS.values(), ids=REPRESENTATIONS)
def test_the_differential_exponentiates_to_the_matrix(rep: Representation):
    for tangent in generators(rep.group).lie:
        expected = rep.matrix(curve(rep.group, tangent, 0.7))
        assert torch.allclose(torch.linalg.matrix_exp(0.7 * differential(rep, tangent)), expected, atol=1e-10)
        moves = bool(differential(rep, tangent).any())
        assert moves != torch.allclose(torch.linalg.matrix_exp(0.6 * differential(rep, tangent)), expected)


def test_permutations_are_generated():
    reached = {tuple(range(4))}
    for _ in range(8):
        moves = generators(Permutation(4)).discrete
        reached |= {tuple(Permutation(4).compose(h, torch.tensor(g)).tolist()) for h in moves for g in reached}
    assert len(reached) == 24


def test_unknown_groups_and_foreign_subgroups_are_refused():
    class Strange(LinearGroup):
        n = 2

        def draw(self, *shape, generator):
            return self.identity(torch.float64)

    with pytest.raises(ValueError, match=r"generators: expected a group .*register"):
        generators(Strange())
    for part in (Scaling(3), GL(3), O(2), SE(2)):
        with pytest.raises(SubgroupError, match="expected a subgroup of O"):
            restrict(Standard(O(3)), part)
    with pytest.raises(ValueError, match="expected an axis"):
        FixedAxis(3, 3)
    with pytest.raises(ValueError, match="square matrices"):
        DirectProduct(O(3), Cyclic(3))
