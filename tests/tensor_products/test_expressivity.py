"""Dimensions and live paths of products: the hand counts of the literature, and counts of our own."""

import pytest
import torch

from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.analysis.expressivity import Triple, expressivity, interactability
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.sphere.gaunt import Gaunt

DEGREES = (1, 2, 3, 4)
ALL_PATHS = (6, 19, 44, 85)
EVEN_PATHS = (5, 14, 30, 55)


def harmonics(lmax: int) -> Irreps:
    return Irreps.spherical_harmonics(lmax)


def bracket_alone(lmax: int) -> Gaunt:
    """To the other parity only: the pointwise product cannot get there, the bracket does."""
    odd = Gaunt(harmonics(lmax), harmonics(lmax), odd="bracket").irreps_out.filter(lambda ir: not ir.natural)
    return Gaunt(harmonics(lmax), harmonics(lmax), odd, odd="bracket")


@pytest.mark.parametrize(("lmax", "paths"), zip(DEGREES, ALL_PATHS, strict=True))
def test_clebsch_gordan_spans_all_paths(lmax, paths):
    assert paths == (lmax + 1) * (2 * (lmax + 1) ** 2 + 1) // 3
    found = expressivity(ClebschGordan(harmonics(lmax), harmonics(lmax)))
    assert found.dim == found.live_paths == found.full_dim == paths
    assert found.odd_live == found.odd_full == paths - EVEN_PATHS[lmax - 1]


@pytest.mark.parametrize(
    ("lmax", "one", "two", "four"), [(1, 5, 5, 5), (2, 9, 14, 14), (3, 13, 25, 30), (4, 17, 33, 55)]
)
def test_gaunt_has_one_dimension_a_leg_weight_and_buys_more_with_replicas(lmax, one, two, four):
    assert one == 4 * lmax + 1 and EVEN_PATHS[lmax - 1] == (lmax + 1) * (lmax + 2) * (2 * lmax + 3) // 6
    product = Gaunt(harmonics(lmax), harmonics(lmax))
    found = [expressivity(product, replicas=replicas) for replicas in (1, 2, 4)]
    assert [each.dim for each in found] == [one, two, four]
    assert {each.live_paths for each in found} == {EVEN_PATHS[lmax - 1]}
    assert all(each.odd_live == 0 and each.full_dim == ALL_PATHS[lmax - 1] for each in found)


@pytest.mark.parametrize(
    ("lmax", "one", "two", "four"), [(1, 6, 6, 6), (2, 14, 19, 19), (3, 22, 39, 44), (4, 30, 58, 85)]
)
def test_product_and_bracket_with_legs_of_their_own_reach_everything(lmax, one, two, four):
    products = Gaunt(harmonics(lmax), harmonics(lmax)), bracket_alone(lmax)
    assert [expressivity(*products, replicas=replicas).dim for replicas in (1, 2, 4)] == [one, two, four]


@pytest.mark.parametrize(("lmax", "one", "two", "four"), [(1, 6, 6, 6), (2, 12, 19, 19), (3, 18, 34, 44)])
def test_product_and_bracket_that_share_their_legs_need_more_replicas(lmax, one, two, four):
    assert one == 6 * lmax
    product = Gaunt(harmonics(lmax), harmonics(lmax), odd="bracket")
    found = [expressivity(product, replicas=replicas) for replicas in (1, 2, 4)]
    assert [each.dim for each in found] == [one, two, four]
    assert all(each.live_paths == ALL_PATHS[lmax - 1] for each in found)


def test_grid_and_fourier_forms_and_normalization_do_not_matter():
    plain = expressivity(Gaunt(harmonics(2), harmonics(2)))
    assert expressivity(Gaunt(harmonics(2), harmonics(2), method="fourier")) == plain
    assert expressivity(Gaunt(harmonics(2), harmonics(2), normalization="none")) == plain


def test_leg_weights_add_nothing_to_linear_maps_and_path_weights_do():
    types = (harmonics(2), harmonics(2), harmonics(2))
    for weights in ("external", "internal"):
        options = {"weights": weights, "channels": 2}
        assert expressivity(Gaunt(*types, **options)).dim == expressivity(Gaunt(*types)).dim == 7
        assert expressivity(ClebschGordan(*types, **options)).dim == 11
    assert expressivity(ClebschGordan(*types)).dim == 7


def test_repeated_entries_of_a_gaunt_product_add_up_and_give_nothing():
    once, twice = Gaunt("0e+1o+2e", "0e+1o+2e"), Gaunt("2x0e+2x1o+2x2e", "0e+1o+2e")
    assert expressivity(twice).dim == expressivity(once).dim == 9


def test_dimension_of_a_family_counted_by_hand():
    # 1o x 1o -> 0e, 2e: c0 = a b c_0 t0 and c2 = a b c_2 t2 are free; with both results tied there is one number
    assert expressivity(ClebschGordan("1o", "1o", "0e+2e")).dim == 2
    assert expressivity(ClebschGordan("1o", "1o", "1e")).dim == 1


def test_table_of_a_gaunt_product_marks_what_cannot_interact():
    found = interactability(Gaunt("0e+1o", "0e+1o"))
    cross = Triple(*Irreps("1o+1o+1e"))
    assert found.dead == (cross,) and not cross.symmetric
    assert repr(found).splitlines() == ["      0e  1o", "  0e  0e  1o", "  1o  1o  0e (1e-) 2e"]
    complete = interactability(Gaunt("0e+1o", "0e+1o", odd="bracket"))
    assert cross in complete.live and not complete.dead and "1e-" in repr(complete)


def test_marks_say_what_exchange_does():
    for triple in interactability(ClebschGordan("1o", "1o")).live:
        x, y = torch.randn(3, 1).double(), torch.randn(3, 1).double()
        product = ClebschGordan("1o", "1o", str(triple.out))
        sign = 1 if triple.symmetric else -1
        assert torch.allclose(product(x, y), sign * product(y, x), atol=1e-12)


def test_measuring_changes_neither_the_product_nor_the_global_generator():
    product = Gaunt("0e+1o", "0e+1o", weights="internal", channels=2)
    before, state = product.weight.detach().clone(), torch.random.get_rng_state()
    expressivity(product, replicas=2)
    assert torch.equal(product.weight, before) and product.weight.grad is None and product.weight.dtype == before.dtype
    assert torch.equal(state, torch.random.get_rng_state())


def test_refuses_no_replicas_and_no_products():
    with pytest.raises(ValueError, match="replicas >= 1"):
        expressivity(Gaunt("0e", "0e"), replicas=0)
    with pytest.raises(ValueError, match="expected products"):
        expressivity()
