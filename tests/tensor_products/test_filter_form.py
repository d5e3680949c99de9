"""Filter forms: how terms are grouped, what the weight may be, and what they refuse."""

import pytest
import torch

from intertwine.groups.error import relative_error
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.sphere.gaunt import Gaunt


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def check(product, groups: int) -> None:
    form = product.filter_form()
    assert len(getattr(form, "form", form).groups) == groups
    x, y = random(5, product.irreps_in1.dim, 3), random(5, product.irreps_in2.dim, 1, seed=1)
    weight = random(5, product.weight_count, 3, seed=2)
    assert relative_error(form(x, y, weight), product(x, y, weight)) < 1e-13


def test_weights_in_runs_per_entry_of_x_give_a_matrix_each():
    check(ClebschGordan("0e+1o", "0e+1o+2e", "0e+1o+1e+2e", weights="external"), groups=2)


def test_weights_out_of_order_share_one_matrix():
    product = ClebschGordan("0e+1o", "0e+1o", "0e+1o", weights="external")
    shuffled = [product.paths[i] for i in (2, 0, 3, 1)]
    check(ClebschGordan("0e+1o", "0e+1o", "0e+1o", paths=shuffled, weights="external"), groups=1)
    check(Gaunt("0e+1o", "0e+1o", odd="bracket", weights="external", legs=(3, 2, 1)), groups=1)


def test_weights_sorted_by_result_share_one_matrix():
    check(ClebschGordan("0e+1o", "0e+1o+2e", weights="external"), groups=1)


def test_entries_of_x_without_a_path_are_left_out():
    check(ClebschGordan("0e+3o+1o", "0e", "0e+1o", weights="external"), groups=2)


@pytest.mark.parametrize("make", [ClebschGordan, Gaunt])
def test_weights_where_none_belong_and_none_where_they_do_are_refused(make):
    x, y = random(5, 4, 3), random(5, 4, 1)
    weighted, plain = make("0e+1o", "0e+1o", weights="external"), make("0e+1o", "0e+1o")
    with pytest.raises(ValueError, match=r"expected a weight.*came none"):
        weighted.filter_form()(x, y)
    with pytest.raises(ValueError, match=r"expected no weight|expected a weight of 0 rows"):
        plain.filter_form()(x, y, random(5, 1, 3))
    with pytest.raises(ValueError, match="a filter form keeps no weights"):
        make("0e+1o", "0e+1o", weights="internal", channels=3).filter_form()
