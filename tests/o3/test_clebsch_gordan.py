"""Coupling coefficients: against e3nn, exact rational values, orthogonality and rotations."""

import math

import pytest
import torch
from e3nn import o3 as e3nn
from sympy import S
from sympy.physics.wigner import clebsch_gordan as sympy_clebsch_gordan

from intertwine.groups.classical import SO
from intertwine.groups.error import equivariance_error
from intertwine.groups.representation import Restrict
from intertwine.o3.clebsch_gordan import complex_clebsch_gordan, wigner_3j
from intertwine.o3.irreps import IrrepsError
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.o3.rotation import random_rotation
from intertwine.o3.wigner import wigner_d


def triples(lmax: int) -> list[tuple[int, int, int]]:
    return [
        (l1, l2, l3)
        for l1 in range(lmax + 1)
        for l2 in range(lmax + 1)
        for l3 in range(abs(l1 - l2), min(l1 + l2, lmax) + 1)
    ]


HIGH = [(12, 12, 12), (12, 11, 2), (9, 12, 10), (24, 24, 24), (24, 24, 0), (24, 23, 1), (17, 24, 20), (24, 24, 47)]


def test_values_and_signs_equal_those_of_e3nn():
    worst = max(
        float((wigner_3j(*ls) - e3nn.wigner_3j(*ls, dtype=torch.float64)).abs().max())
        for ls in [*triples(5), (6, 7, 8), (11, 10, 9)]
    )
    assert worst < 1e-13


@pytest.mark.parametrize("ls", HIGH, ids=str)
def test_values_equal_exact_rational_ones(ls):
    l1, l2, l3 = ls
    table = complex_clebsch_gordan(*ls)
    chosen = [(0, 0), (l1, -min(l2, l1)), (-(l1 // 2), l2 // 3), (1 - l1, l2), (l1 // 3, -(l2 // 2) - 1)]
    for m1, m2 in chosen:
        if abs(m1) > l1 or abs(m2) > l2 or abs(m1 + m2) > l3:
            continue
        exact = float(sympy_clebsch_gordan(S(l1), S(l2), S(l3), m1, m2, m1 + m2).evalf(30))
        assert table[l1 + m1, l2 + m2, l3 + m1 + m2] == pytest.approx(exact, abs=4e-16, rel=1e-14)


@pytest.mark.parametrize("ls", HIGH, ids=str)
def test_two_legs_contract_to_the_unit_matrix(ls):
    w = wigner_3j(*ls)
    tolerance = 1e-13 if max(ls) <= 12 else 1e-12
    for legs, l in (("ijk,ajk->ia", ls[0]), ("ijk,iak->ja", ls[1]), ("ijk,ija->ka", ls[2])):
        gram = torch.einsum(legs, w, w) * (2 * l + 1)
        assert float((gram - torch.eye(2 * l + 1)).abs().max()) < tolerance


def test_different_degrees_couple_orthogonally():
    w4, w6 = wigner_3j(5, 7, 4), wigner_3j(5, 7, 6)
    assert float(torch.einsum("ijk,ijl->kl", w4, w6).abs().max()) < 1e-15


@pytest.mark.parametrize("ls", HIGH[:-1], ids=str)
def test_no_rotation_changes_the_tensor(ls):
    r = random_rotation(generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    w = wigner_3j(*ls)
    d1, d2, d3 = (wigner_d(l, r) for l in ls)
    turned = torch.einsum("ijk,ai,bj,ck->abc", w, d1, d2, d3)
    assert float((turned - w).abs().max()) < (1e-13 if max(ls) <= 12 else 1e-12)
    if max(ls) > 1 and min(ls) > 0:
        assert float((torch.einsum("ijk,ai,bj->abk", w, d1, d2) - w).abs().max()) > 1e-3


@pytest.mark.parametrize("ls", [(2, 1, 2), (3, 4, 6), (8, 7, 9)])
def test_coupling_two_features_commutes_with_rotations(ls):
    w = wigner_3j(*ls)
    turns = [Restrict(IrrepsRepresentation(f"{l}e"), SO(3), lambda g: g) for l in ls]
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(2 * l + 1, 4, generator=generator, dtype=torch.float64) for l in ls[:2])

    def couple(x, y):
        return torch.einsum("ijk,ic,jc->kc", w, x, y)

    def shuffled(x, y):
        return couple(x, y).flip(0)

    assert equivariance_error(couple, [x, y], turns[:2], turns[2], SO(3), generator=generator) < 1e-13
    assert equivariance_error(shuffled, [x, y], turns[:2], turns[2], SO(3), generator=generator) > 0.1


def test_two_vectors_couple_to_dot_and_cross_product():
    x, y = torch.randn(2, 3, dtype=torch.float64)
    dot = torch.einsum("ijk,i,j->k", wigner_3j(1, 1, 0), x, y)
    cross = torch.einsum("ijk,i,j->k", wigner_3j(1, 1, 1), x, y)
    assert torch.allclose(dot, (x @ y) / math.sqrt(3))
    assert torch.allclose(cross, torch.linalg.cross(x, y) / math.sqrt(6))


@pytest.mark.parametrize("ls", [(3, 4, 5), (2, 2, 3), (7, 5, 6)])
def test_swapping_two_legs_gives_the_sign_of_the_sum_of_degrees(ls):
    l1, l2, l3 = ls
    assert torch.allclose(wigner_3j(l2, l1, l3), (-1) ** sum(ls) * wigner_3j(*ls).transpose(0, 1), atol=1e-15)


def test_forbidden_entries_are_exactly_zero():
    w = wigner_3j(6, 5, 4)
    few = int((w != 0).sum())
    assert few < 0.2 * w.numel()
    assert not ((w != 0) & (w.abs() < 1e-8)).any()


def test_every_call_returns_a_tensor_of_its_own():
    wigner_3j(2, 2, 2).zero_()
    assert float(wigner_3j(2, 2, 2).norm()) == pytest.approx(1, abs=1e-15)
    assert wigner_3j(1, 1, 1, dtype=torch.float32).dtype == torch.float32


@pytest.mark.parametrize("ls", [(1, 1, 3), (2, 5, 2), (0, 0, 1), (-1, 1, 0)])
def test_degrees_that_do_not_couple_are_refused(ls):
    with pytest.raises(IrrepsError, match="Choose l3"):
        wigner_3j(*ls)
