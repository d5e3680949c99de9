"""Products inside a model change places with others of the same types; nothing changes when one does not fit."""

import pytest
import torch
from torch import nn

from intertwine.o3.irreps import IrrepsError
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.tensor_products.swap import swap_tensor_products


class Model(nn.Module):
    def __init__(self, **options) -> None:
        super().__init__()
        self.first = ClebschGordan("0e+1o", "0e+1o", "0e+1o", **options)
        self.rest = nn.ModuleList([ClebschGordan("0e+1o", "1o", "0e+1o+2e"), nn.SiLU()])

    def forward(self, x, y):
        return self.rest[0](self.first(x, y), y[..., 1:, :])


def test_every_product_is_swapped_and_named():
    model = Model(weights="internal", channels=3).double()
    swaps = swap_tensor_products(model, "gaunt")
    assert [swap.place for swap in swaps] == ["first", "rest.0"]
    assert isinstance(model.first, Gaunt) and isinstance(model.rest[0], Gaunt)
    assert str(swaps[1]).startswith("rest.0: ClebschGordan(0e+1o x 1o")
    assert model.first.weight.dtype == torch.float64
    x = torch.randn(5, 4, 3).double()
    torch.testing.assert_close(model(x, x), swaps[1].new(swaps[0].new(x, x), x[:, 1:]))


def test_the_rule_decides_and_none_keeps():
    model = Model()
    kept = model.rest[0]
    swaps = swap_tensor_products(
        model, lambda old: Gaunt(*(old.irreps_in1, old.irreps_in2, old.irreps_out)) if len(old.irreps_in2) > 1 else None
    )
    assert [swap.place for swap in swaps] == ["first"] and model.rest[0] is kept


def test_a_shared_product_stays_shared():
    model = Model()
    model.again = model.first
    assert len(swap_tensor_products(model, "gaunt")) == 3
    assert model.again is model.first


def test_a_round_trip_gives_the_same_map():
    model = Model()
    x = torch.randn(5, 4, 3)
    before = model(x, x)
    swap_tensor_products(model, "gaunt+bracket")
    assert not torch.allclose(model(x, x), before)
    swap_tensor_products(model, "clebsch-gordan")
    torch.testing.assert_close(model(x, x), before)


REFUSED = {
    "other types": (Model(), lambda old: ClebschGordan("0e", "0e"), "irreps_in1 0e[+]1o, as in"),
    "rows of weights": (Model(weights="external"), "gaunt", "first expected .* weight_count 4, .* came 6"),
    "weights": (Model(weights="external"), lambda old: ClebschGordan("0e+1o", "0e+1o", "0e+1o"), "weights external"),
    "out of reach": (nn.ModuleList([ClebschGordan("1o", "1o", "1e")]), "gaunt", "0, ClebschGordan.*1e"),
    "no place": (ClebschGordan("1o", "1o", "0e"), "gaunt", "no place"),
    "no such member": (Model(), "gant", "gant"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_changes_nothing(name):
    model, rule, words = REFUSED[name]
    before = list(model.modules())
    with pytest.raises(IrrepsError, match=words):
        swap_tensor_products(model, rule)
    assert list(model.modules()) == before
