"""Products of potentials by name: the decomposed one is exact without a fit."""

import warnings

import pytest
import torch

from intertwine.o3.irreps import Irreps
from intertwine.potentials.models.products import EDGE_PRODUCTS
from intertwine.tensor_products.cp.cp import CP


@pytest.mark.parametrize("irreps", [("0e+1o+2e",) * 3, ("0e", "0e+1o", "0e+1o")])
def test_the_decomposed_product_takes_no_fit_and_is_the_fitted_one(irreps):
    types = [Irreps(each) for each in irreps]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        direct = EDGE_PRODUCTS["cp"](*types, weights="external").filter_form()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = CP(*types, weights="external").filter_form()
    x, y, weight = (torch.randn(5, size, 1, dtype=torch.float64) for size in (types[0].dim, types[1].dim, 1))
    torch.testing.assert_close(direct(x, y, weight), fitted(x, y, weight), rtol=0, atol=1e-10)
