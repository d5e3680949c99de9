"""The products a potential can be built from, by the names that configuration files use."""

from collections.abc import Callable
from functools import partial
from typing import Literal

from torch import nn

from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.base import TensorProduct
from intertwine.tensor_products.cg_contraction import ClebschGordanContraction
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.tensor_products.sphere.gaunt_contraction import GauntContraction

ProductName = Literal["clebsch-gordan", "gaunt", "gaunt+bracket"]

EDGE_PRODUCTS: dict[ProductName, Callable[..., TensorProduct]] = {
    "clebsch-gordan": ClebschGordan,
    "gaunt": partial(Gaunt, legs=(2,)),
    "gaunt+bracket": partial(Gaunt, odd="bracket", legs=(2,)),
}
"""Sender times filter along an edge: `(irreps_in1, irreps_in2, irreps_out, weights="external")`.

Clebsch-Gordan takes a radial weight a path. Gaunt takes one a degree of the filter; sender and result are weighted by
the linear maps before and after, which is the factorised scheme of the paper with two of its legs on the nodes.
"""

CONTRACTIONS: dict[ProductName, Callable[..., nn.Module]] = {
    "clebsch-gordan": ClebschGordanContraction,
    "gaunt": GauntContraction,
    "gaunt+bracket": partial(GauntContraction, bracket=True),
}
"""Products of a node feature with itself: `(irreps_in, irreps_out, channels=, correlation=, elements=)`."""


def message_irreps(name: ProductName, irreps_in: Irreps, filters: Irreps) -> Irreps:
    """What an edge product hands on: an entry a path for Clebsch-Gordan, one an irrep for Gaunt.

    Degrees end where those of the filters do. Unnatural parities are left out: contractions read spherical functions.
    """
    full = EDGE_PRODUCTS[name](irreps_in, filters).irreps_out
    return full.filter(lambda ir: ir.l <= filters.lmax and ir.natural)
