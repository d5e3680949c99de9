"""Equivariant polynomials: as many as characters count, equivariant, uncorrelated, the same on every machine."""

from math import pi

import pytest
import torch

from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error
from intertwine.o3.irreps import Irrep, Irreps
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.tensor_products.symmetric_power import Monomials, exponents, symmetric_power

CASES = [("0e+1o", 4), ("0e+1o+2e", 3), ("0e+1o+2e+3o", 3), ("0o+1e+2o", 3), ("2x1o", 4)]


def count_by_characters(irreps: Irreps, order: int, target: Irrep) -> int:
    r"""Multiplicity of an irrep in the symmetric power, by the integral of characters over O(3).

    h_n(g) = 1/n sum_k p_k(g) h_(n-k)(g),    p_k(g) = character of g^k;  classes: angle, and inversion or not
    """
    steps = 512
    angle = 2 * pi * (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    weight = (1 - angle.cos()) / steps

    def character(ir: Irrep, times: int, inverted: bool) -> torch.Tensor:
        turn = sum(torch.cos(m * times * angle) for m in range(-ir.l, ir.l + 1))
        return turn * (ir.p**times if inverted else 1)

    total = torch.zeros(())
    for inverted in (False, True):
        powers = [torch.ones(steps, dtype=torch.float64)]
        for n in range(1, order + 1):
            terms = [sum(character(ir, k, inverted) for ir in irreps) * powers[n - k] for k in range(1, n + 1)]
            powers.append(sum(terms) / n)
        total = total + (weight * powers[order] * character(target, 1, inverted)).sum() / 2
    assert abs(total - total.round()) < 1e-9
    return int(total.round())


@pytest.mark.parametrize(("irreps", "highest"), CASES)
def test_dimension_is_what_characters_count(irreps, highest):
    for order in range(1, highest + 1):
        power = symmetric_power(Irreps(irreps), order, 3)
        for target in [Irrep(l, p) for l in range(4) for p in (1, -1)]:
            assert len(power.get(target, [])) == count_by_characters(Irreps(irreps), order, target), (order, target)


def test_known_counts_of_one_vector():
    """Powers of a vector are its harmonics times |x|^2k."""
    for order in range(1, 6):
        found = {str(ir): len(basis) for ir, basis in symmetric_power(Irreps("1o"), order, 6).items()}
        assert found == {f"{l}{'o' if l % 2 else 'e'}": 1 for l in range(order % 2, order + 1, 2)}


@pytest.mark.parametrize(("irreps", "highest"), CASES)
def test_whole_power_is_spanned(irreps, highest):
    """Dimensions of all irreps add up to the number of monomials."""
    irreps = Irreps(irreps)
    power = symmetric_power(irreps, highest, highest * irreps.lmax)
    total = sum(len(basis) * ir.dim for ir, basis in power.items())
    assert total == len(exponents(irreps.dim, highest))


@pytest.mark.parametrize(("irreps", "order"), CASES)
def test_polynomials_are_equivariant(irreps, order):
    irreps = Irreps(irreps)
    monomials = Monomials(irreps.dim, order)
    first = sum(monomials.counts[:-1])
    x = torch.randn(4, irreps.dim, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for ir, basis in symmetric_power(irreps, order, 2).items():
        f = lambda x, basis=basis: torch.einsum("pka,nac->pnkc", basis, monomials(x)[:, first:])  # noqa: E731
        reps = [IrrepsRepresentation(irreps)], IrrepsRepresentation(Irreps(ir))
        assert equivariance_error(f, [x], *reps, O(3), generator=torch.Generator().manual_seed(1)) < 1e-12
        swapped = IrrepsRepresentation(Irreps(Irrep(ir.l, -ir.p)))
        assert equivariance_error(f, [x], reps[0], swapped, O(3), generator=torch.Generator().manual_seed(1)) > 0.1


@pytest.mark.parametrize("order", [1, 2, 3])
def test_polynomials_of_random_features_are_uncorrelated(order):
    irreps, samples = Irreps("0e+1o+2e"), 200_000
    x = torch.randn(irreps.dim, samples, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    monomials = Monomials(irreps.dim, order)
    values = monomials(x)[sum(monomials.counts[:-1]) :]
    for basis in symmetric_power(irreps, order, 2).values():
        polynomials = basis @ values  # [basis, dim, sample]
        products = torch.einsum("pks,qks->pqs", polynomials, polynomials) / basis.shape[1]
        spread = products.std(-1) / samples**0.5
        deviation = (products.mean(-1) - torch.eye(len(basis))).abs()
        assert (deviation < 5 * spread).all()
        assert spread.max() < 0.05


def test_basis_does_not_hang_on_the_machine():
    """Order and signs follow the couplings: s s of the scalar, then v . v of the vector made independent of it."""
    first, second = symmetric_power(Irreps("0e+1o"), 2, 0)[Irrep(0, 1)][:, 0]
    place = {term: row for row, term in enumerate(exponents(4, 2))}
    squares = torch.tensor([place[i, i] for i in range(4)])
    assert torch.allclose(first[squares], torch.tensor([1.0, 0, 0, 0]).double() / 3**0.5, atol=1e-14)
    assert torch.allclose(second[squares], torch.tensor([-1.0, 1, 1, 1]).double() / 12**0.5, atol=1e-14)
    assert first.abs().sum() + second.abs().sum() == pytest.approx(1 / 3**0.5 + 4 / 12**0.5)


def test_monomials_are_products_of_components():
    x = torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = Monomials(3, 3)(x)
    expected = [x[:, list(term)].prod(1) for n in (1, 2, 3) for term in exponents(3, n)]
    assert torch.allclose(found, torch.stack(expected, 1))
    assert Monomials(3, 3).padding(2) == (3, 10)
