"""Sizes of powers and brackets of one function: against pairings summed by hand."""

from itertools import permutations, product
from math import pi

import pytest
import torch

from intertwine.o3.gaunt import gaunt, poisson_bracket
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.sphere.gaunt_moments import double_bracket_moment, power_moment

IRREPS = Irreps("0e+1o+2e")


def pairings(slots: tuple[int, ...]):
    """All ways to pair six slots."""
    if not slots:
        yield ()
        return
    for place in range(1, len(slots)):
        rest = slots[1:place] + slots[place + 1 :]
        for pairs in pairings(rest):
            yield ((slots[0], slots[place]), *pairs)


def second_moment(form: torch.Tensor, entries: torch.Tensor) -> float:
    """Mean over m of E[(sum v_i v_j v_k T_abcm x_a x_b x_c)^2] for independent N(0, 1) weights per entry and leg."""
    total = 0.0
    for i, j, k in product(range(3), repeat=3):
        one, two, three = (torch.nonzero(entries == e).flatten() for e in (i, j, k))
        part = form[one][:, two][:, :, three]
        owners = (i, j, k, i, j, k)
        for pairs in pairings(tuple(range(6))):
            if all(owners[a] == owners[b] for a, b in pairs):
                letters = [""] * 6
                for letter, (a, b) in zip("abc", pairs):
                    letters[a] = letters[b] = letter
                total += float(torch.einsum(f"{''.join(letters[:3])}m,{''.join(letters[3:])}m->", part, part))
    return total / form.shape[-1]


def trilinear(first, second, l: int) -> torch.Tensor:
    """T[a, b, c, m] of two maps of functions, one after the other, over all harmonics up to degree 2."""
    degrees, size = range(3), 9
    inner = torch.zeros(size, size, 25, dtype=torch.float64)
    outer = torch.zeros(25, size, 2 * l + 1, dtype=torch.float64)
    rows = [slice(n * n, (n + 1) ** 2) for n in range(5)]
    for a, b in product(degrees, repeat=2):
        for n in range(abs(a - b), a + b + 1):
            inner[rows[a], rows[b], rows[n]] = first(a, b, n)
    for n, c in product(range(5), degrees):
        if abs(n - c) <= l <= n + c:
            outer[rows[n], rows[c]] = second(n, c, l)
    return torch.einsum("abn,ncm->abcm", inner, outer)


@pytest.mark.parametrize("l", [0, 1, 2])
def test_third_power_and_double_bracket_equal_the_sum_over_all_pairings(l):
    entries = torch.repeat_interleave(torch.arange(3), torch.tensor([1, 3, 5]))
    power = second_moment(trilinear(gaunt, gaunt, l), entries)
    assert power_moment(IRREPS, 3, l) == pytest.approx(power, rel=1e-12)
    bracket = second_moment(trilinear(poisson_bracket, poisson_bracket, l), entries)
    assert double_bracket_moment(IRREPS, l) == pytest.approx(bracket, rel=1e-12, abs=1e-15)


def test_square_of_a_vector():
    """f = v . r sqrt(3 / 4 pi): E[(int f f Y_0)^2] = E[|x|^4] / 4 pi = 15 / 4 pi."""
    assert power_moment(Irreps("1o"), 2, 0) == pytest.approx(15 / (4 * pi))
    assert power_moment(Irreps("1o"), 2, 1) == pytest.approx(0, abs=1e-15)


def test_repeated_entries_count_one_by_one():
    assert power_moment(Irreps("2x1o"), 1, 1) == pytest.approx(2)
    assert double_bracket_moment(Irreps("1o"), 1) == 0
    assert double_bracket_moment(Irreps("2x1o"), 1) > 0
    assert len({round(double_bracket_moment(Irreps(list(order)), 1), 12) for order in permutations(IRREPS)}) == 1
