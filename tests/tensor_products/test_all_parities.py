"""One `Gaunt` with entries of both parities is the four products (+,+), (+,-), (-,+), (-,-) of functions at once."""

import pytest
import torch

from intertwine.groups.error import relative_error
from intertwine.o3.irreps import Irrep, Irreps, IrrepsError
from intertwine.tensor_products.sphere.gaunt import Gaunt

NATURAL = Irreps("0e+1o+2e")
OTHER = Irreps("0o+1e+2o")


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def both(functions: torch.Tensor, pseudo: torch.Tensor) -> torch.Tensor:
    """Degrees in turn: 0e, 0o, 1o, 1e, 2e, 2o."""
    parts = zip(functions.split([1, 3, 5], -2), pseudo.split([1, 3, 5], -2))
    return torch.cat([each for pair in parts for each in pair], -2)


MIXED = Irreps("0e+0o+1o+1e+2e+2o")


@pytest.mark.parametrize("method", ["grid", "fourier"])
def test_product_of_functions_and_pseudo_functions(method):
    plain = Gaunt(NATURAL, NATURAL, NATURAL, normalization="none").double()
    every = Gaunt(MIXED, MIXED, MIXED, normalization="none", method=method).double()
    f, p, g, q = (random(5, 9, 2, seed=seed) for seed in range(4))
    expected = both(plain(f, g) + plain(p, q), plain(f, q) + plain(p, g))
    assert relative_error(every(both(f, p), both(g, q)), expected) < 1e-12


@pytest.mark.parametrize("method", ["grid", "fourier"])
def test_bracket_of_functions_and_pseudo_functions(method):
    """The bracket of two functions is a pseudo-function: it changes sides."""
    plain = Gaunt(NATURAL, NATURAL, NATURAL + OTHER[1:], normalization="none", odd="bracket").double()
    every = Gaunt(MIXED, MIXED, MIXED, normalization="none", odd="bracket", method=method).double()
    f, p, g, q = (random(5, 9, 2, seed=seed) for seed in range(4))

    def product_and_bracket(x, y):
        z = plain(x, y)
        return z[:, :9], torch.cat([torch.zeros_like(z[:, :1]), z[:, 9:]], 1)

    (fg, fg_bent), (pq, pq_bent), (fq, fq_bent), (pg, pg_bent) = (
        product_and_bracket(*pair) for pair in ((f, g), (p, q), (f, q), (p, g))
    )
    expected = both(fg + pq + fq_bent + pg_bent, fq + pg + fg_bent + pq_bent)
    assert relative_error(every(both(f, p), both(g, q)), expected) < 1e-12


@pytest.mark.parametrize(("p1", "p2"), [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_each_pair_of_parities_reaches_its_own_side_alone(p1, p2):
    """(p1, p2) says whether each factor is a function, +1, or a pseudo-function, -1."""
    one, two = (NATURAL if p == 1 else OTHER for p in (p1, p2))
    own, wrong = (NATURAL, OTHER) if p1 == p2 else (OTHER, NATURAL)
    assert all(ir in own for ir in Gaunt(one, two).irreps_out.filter(lambda ir: ir.l <= 2))
    assert Gaunt(one, two, own)(random(9, 1).float(), random(9, 1).float()).abs().min() > 0
    with pytest.raises(IrrepsError, match=str(wrong[0])):
        Gaunt(one, two, wrong)
    bracketed = Gaunt(one, two, odd="bracket").irreps_out
    assert all(Irrep(l, own[l].p * sign) in bracketed for l in (1, 2) for sign in (1, -1))


def test_reading_pseudo_functions_as_functions_is_another_map():
    """Negative control."""
    f, p, g, q = (random(5, 9, 2, seed=seed) for seed in range(4))
    blind = Gaunt(NATURAL, NATURAL, NATURAL, normalization="none").double()(f + p, g + q)
    every = Gaunt(MIXED, MIXED, NATURAL, normalization="none").double()(both(f, p), both(g, q))
    assert relative_error(every, blind) > 0.1
