"""Projections onto maps that commute: dimensions of theory, averages over the group, subgroups, random elements."""

import pytest
import torch

from intertwine.groups import projector
from intertwine.groups.classical import SO, O
from intertwine.groups.euclidean import SE
from intertwine.groups.finite import Cyclic, Permutation
from intertwine.groups.linear import GL, SL, Scaling, Similarity
from intertwine.groups.permuting import PermutationMatrix, Regular
from intertwine.groups.projector import BlockProjector, ProjectorError, intertwiners, multiplicity
from intertwine.groups.representation import Representation, Restrict, Standard, Sum, Trivial
from intertwine.groups.subgroup import FixedAxis, Unit, restrict
from intertwine.o3.representation import IrrepsRepresentation


def tensor(group, order: int) -> Representation:
    rep = Standard(group) if order else Trivial(group)
    for _ in range(order - 1):
        rep = rep * Standard(group)
    return rep


def axis(order: int, of: int = 2) -> Representation:
    return restrict(tensor(O(3), order), FixedAxis(3, of))


places, ring = PermutationMatrix(Permutation(5)), Regular(Cyclic(6))
THEORY = [
    (tensor(O(3), 1), tensor(O(3), 1), 1),
    (tensor(O(3), 2), tensor(O(3), 2), 3),
    (tensor(SO(3), 2), tensor(SO(3), 1), 1),
    (tensor(O(3), 2), tensor(O(3), 1), 0),
    (tensor(O(2), 2), tensor(O(2), 2), 3),
    (tensor(SO(2), 2), tensor(SO(2), 2), 6),
    (axis(1), axis(1), 2),
    (axis(2), axis(2), 10),
    (axis(0), axis(2), 2),
    (tensor(GL(3), 2), tensor(GL(3), 2), 2),
    (tensor(GL(3), 1), tensor(GL(3), 2), 0),
    (tensor(GL(3), 1) * ~tensor(GL(3), 1), Trivial(GL(3)), 1),
    (Trivial(SL(2)), tensor(SL(2), 2), 1),
    (tensor(Scaling(3), 1), tensor(Scaling(3), 1), 9),
    (tensor(Similarity(3), 2), tensor(Similarity(3), 2), 3),
    (tensor(SE(2), 1), Trivial(SE(2)), 1),
    (places, places, 2),
    (places * places, places * places, 15),
    (ring, ring, 6),
    (Restrict(Standard(SO(2)), Cyclic(3), Cyclic(3).turn), Regular(Cyclic(3)), 2),
    (tensor(Unit(3), 1), tensor(Unit(3), 2), 27),
    (IrrepsRepresentation("2x0e+1o+2e"), IrrepsRepresentation("0e+3x1o+1e"), 5),
]


@pytest.mark.parametrize(("v", "w", "expected"), THEORY, ids=lambda each: str(getattr(each, "group", each)))
def test_dimensions_equal_theory_and_the_basis_commutes(v, w, expected):
    basis = intertwiners(v, w)
    assert len(basis) == multiplicity(v, w) == expected
    gram = torch.einsum("kwv,lwv->kl", basis, basis)
    assert torch.allclose(gram, torch.eye(expected, dtype=torch.float64), atol=1e-12)
    for g in v.group.sample(20, generator=torch.Generator().manual_seed(0), dtype=torch.float64):
        left, right = w.matrix(g) @ basis, basis @ v.matrix(g)
        assert torch.allclose(left, right, atol=1e-9 * max(1.0, float(right.abs().max()) if expected else 1.0))


def reynolds(v: Representation, w: Representation) -> torch.Tensor:
    """Haar average over a compact group, as a matrix: averages over few random elements, over and over."""
    g = v.group.sample(6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    one = v.group.identity(dtype=torch.float64)[None]
    g = torch.cat([g.to(one.dtype), one])  # with the unit the walk cannot stay periodic
    matrices, back = w.matrix(g), v.matrix(v.group.inverse(g)).mT
    average = torch.einsum("gij,gkl->ikjl", matrices, back).flatten(2).flatten(0, 1) / len(g)
    return torch.linalg.matrix_power(average, 1024)


@pytest.mark.parametrize(
    ("v", "w"),
    [
        (tensor(O(3), 2), tensor(O(3), 2)),
        (tensor(SO(3), 2), tensor(SO(3), 1)),
        (axis(2, 0), axis(2, 0)),
        (places, places * places),
        (ring, ring),
        (Restrict(Standard(O(3)), FixedAxis(3, 1), torch.Tensor.clone), axis(2, 1)),
    ],
    ids=["T2 of O(3)", "T2 to T1 of SO(3)", "T2 about x", "places", "ring", "T1 to T2 about y"],
)
def test_the_projection_is_the_average_over_a_compact_group(v, w):
    basis = intertwiners(v, w).flatten(1)
    assert torch.allclose(basis.mT @ basis, reynolds(v, w), atol=1e-10)


def test_without_orthogonal_matrices_the_average_is_no_orthogonal_projection():
    """Negative control: a finite group in a skewed basis, where the null space holds and the average is another map."""
    skew = torch.tensor([[1.0, 0.8], [0.0, 1.0]], dtype=torch.float64)

    class Skewed(Regular):
        def matrix(self, g):
            return torch.linalg.inv(skew) @ super().matrix(g) @ skew

    rep = Skewed(Cyclic(2))
    basis = intertwiners(rep, rep).flatten(1)
    average = reynolds(rep, rep)
    assert len(basis) == 2 and torch.allclose(basis @ average.mT, basis, atol=1e-10)
    assert not torch.allclose(basis.mT @ basis, average, atol=1e-2)


MIXED = Sum(*[tensor(O(3), 0)] * 3, *[tensor(O(3), 1)] * 2, tensor(O(3), 2), tensor(O(3), 0))


def weight(*batch: int, v=MIXED, w=MIXED, channels: tuple[int, int] = (2, 3)) -> torch.Tensor:
    return torch.randn(*batch, w.dim, channels[0], v.dim, channels[1], dtype=torch.float64)


@pytest.mark.parametrize("one_block", [0, projector.ONE_BLOCK])
def test_blocks_give_the_projection_of_the_whole(monkeypatch, one_block):
    monkeypatch.setattr(projector, "ONE_BLOCK", one_block)
    project, x = BlockProjector(MIXED, MIXED), weight()
    whole = intertwiners(MIXED, MIXED)
    coefficient = torch.einsum("kwv,wcvd->kcd", whole, x)
    expected = torch.einsum("kwv,kcd->wcvd", whole, coefficient)
    assert torch.allclose(project(x), expected, atol=1e-12)
    assert project.freedom == len(whole) == 16 + 4 + 3 + 2 * 4
    assert torch.allclose(project(x.float()).double(), expected, atol=1e-5)


@pytest.mark.parametrize("group", [O(3), SO(3), FixedAxis(3, 0), Unit(3)], ids=str)
def test_projections_are_orthogonal_and_idempotent(group):
    v = restrict(MIXED, group)
    project = BlockProjector(v, v)
    x, y = weight(2)
    assert torch.allclose(project(project(x)), project(x), atol=1e-12)
    assert torch.allclose((project(x) * y).sum(), (x * project(y)).sum())
    assert torch.allclose(project(torch.stack([x, y]))[1], project(y))
    g = group.sample(generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    commutes = [
        torch.allclose(torch.einsum("ij,jckd->ickd", v.matrix(g), m), torch.einsum("icjd,jk->ickd", m, v.matrix(g)))
        for m in (project(x), x)
    ]
    assert commutes == [True, group == Unit(3)]


def test_the_projection_of_a_group_is_inside_that_of_its_subgroups():
    x = weight()
    large, small = (BlockProjector(restrict(MIXED, g), restrict(MIXED, g)) for g in (O(3), FixedAxis(3, 2)))
    assert torch.allclose(small(large(x)), large(x), atol=1e-12)
    assert torch.allclose(large(small(x)), large(x), atol=1e-12)
    assert not torch.allclose(small(x), large(x), atol=0.1)
    assert BlockProjector(restrict(MIXED, Unit(3)), restrict(MIXED, Unit(3)))(x).sub(x).abs().max() < 1e-12


def test_an_empty_space_gives_zero():
    v, w = Standard(SO(3)), Trivial(SO(3))
    assert not BlockProjector(v, w)(weight(v=v, w=w)).any()


def test_two_groups_and_wrong_shapes_are_refused():
    with pytest.raises(ProjectorError, match="Restrict"):
        intertwiners(Standard(O(3)), Standard(SO(3)))
    with pytest.raises(ProjectorError, match=r"\[\*batch, 3, channel, 3, channel\]"):
        BlockProjector(Standard(O(3)), Standard(O(3)))(torch.zeros(5, 1, 5, 1))


def test_generators_that_decide_nothing_are_refused():
    class Nearly(Regular):
        def matrix(self, g):
            return torch.eye(2, dtype=torch.float64) + 1e-5 * super().matrix(g)

    class Broken(Regular):
        def matrix(self, g):
            return torch.nan * super().matrix(g)

    with pytest.raises(ProjectorError, match="do not decide"):
        intertwiners(Nearly(Cyclic(2)), Nearly(Cyclic(2)))
    with pytest.raises(ProjectorError, match="expected finite matrices"):
        intertwiners(Broken(Cyclic(2)), Broken(Cyclic(2)))
