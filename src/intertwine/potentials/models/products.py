"""The products a potential can be built from, by the names that configuration files use."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import nn

from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.base import TensorProduct, Weights
from intertwine.tensor_products.cg_contraction import ClebschGordanContraction
from intertwine.tensor_products.clebsch_gordan import ClebschGordan, Path, full_paths
from intertwine.tensor_products.cp.coupling import SummedCoupling
from intertwine.tensor_products.cp.cp import CP
from intertwine.tensor_products.cp.gauss_newton import Factors
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.tensor_products.sphere.gaunt_contraction import GauntContraction
from intertwine.tensor_products.sphere.gaunt_reach import reached_irreps

EdgeProductName = Literal["clebsch-gordan", "gaunt", "gaunt+bracket", "cp"]
ContractionName = Literal["clebsch-gordan", "gaunt", "gaunt+bracket"]


def coupled_by_path(irreps_in1: Irreps, irreps_in2: Irreps, irreps_out: Irreps, *, weights: Weights) -> ClebschGordan:
    """The Clebsch-Gordan product in which every path has an entry and a weight of its own, as far as it is wanted.

    The linear map that follows adds paths up as it likes. (Every path to every entry of its type would take more than
    twice the weights of each edge for sums of the same terms.)

    Example:
        >>> messages = message_irreps("clebsch-gordan", Irreps("0e+1o"), Irreps("0e+1o"), kept=Irreps("0e+1o"))
        >>> messages, coupled_by_path(Irreps("0e+1o"), Irreps("0e+1o"), messages, weights="external").weight_count
        (2x0e+2x1o, 4)
    """
    every, paths = full_paths(irreps_in1, irreps_in2)
    wanted = [path for path in paths if every[path.out] in irreps_out]
    paths = [Path(path.in1, path.in2, entry) for entry, path in enumerate(wanted)]
    return ClebschGordan(irreps_in1, irreps_in2, irreps_out, paths=paths, weights=weights)


def sum_of_paths(irreps_in1: Irreps, irreps_in2: Irreps, irreps_out: Irreps, *, weights: Weights) -> CP:
    """The decomposed product in its exact form, without a fit: a term for every pair of rows.

    Messages never see the factors, only the tensor that they make (`CP.filter_form`), so that more terms cost nothing.

    Example:
        >>> product = sum_of_paths(Irreps("0e+1o"), Irreps("0e+1o+2e"), Irreps("0e+1o"), weights="external")
        >>> product.weight_count, product.error_bound().measured < 1e-12
        (1, True)
    """
    tensor = SummedCoupling.of((irreps_in1, irreps_in2, irreps_out), component=True).tensor()
    rows1, rows2 = (torch.eye(side, dtype=torch.float64) for side in tensor.shape[:2])
    factors = Factors(rows1.repeat_interleave(len(rows2), dim=0), rows2.repeat(len(rows1), 1), tensor.flatten(0, 1))
    return CP(irreps_in1, irreps_in2, irreps_out, rank=factors, weights=weights)


EDGE_PRODUCTS: dict[EdgeProductName, Callable[..., TensorProduct]] = {
    "clebsch-gordan": coupled_by_path,
    "gaunt": partial(Gaunt, legs=(2,)),
    "gaunt+bracket": partial(Gaunt, odd="bracket", legs=(2,)),
    "cp": sum_of_paths,
}
"""Sender times filter along an edge: `(irreps_in1, irreps_in2, irreps_out, weights="external")`.

Clebsch-Gordan takes a radial weight a path, each path to an entry of its own. Gaunt takes one a degree of the filter;
sender and result are weighted by the linear maps before and after, which is the factorised scheme of the paper with two
of its legs on the nodes. CP is the sum of all paths with one weight for them together, exact.
"""

CONTRACTIONS: dict[ContractionName, Callable[..., nn.Module]] = {
    "clebsch-gordan": ClebschGordanContraction,
    "gaunt": GauntContraction,
    "gaunt+bracket": partial(GauntContraction, bracket=True),
}
"""Products of a node feature with itself: `(irreps_in, irreps_out, channels=, correlation=, elements=)`."""


def reached(name: EdgeProductName, irreps_in: Irreps, filters: Irreps) -> Irreps:
    """Every irrep that an edge product makes, once: all of Clebsch-Gordan's, but for Gaunt without its bracket.

    Example:
        >>> reached("gaunt", Irreps("1o"), Irreps("1o")), reached("cp", Irreps("1o"), Irreps("1o"))
        (0e+2e, 0e+1e+2e)
    """
    return Irreps(reached_irreps(irreps_in, filters, bracket=name != "gaunt"))


def message_irreps(name: EdgeProductName, irreps_in: Irreps, filters: Irreps, *, kept: Irreps) -> Irreps:
    """What an edge product hands on, of the irreps in `kept`: an entry a path for Clebsch-Gordan, else one an irrep."""
    every = full_paths(irreps_in, filters)[0] if name == "clebsch-gordan" else reached(name, irreps_in, filters)
    return every.filter(kept)
