"""Unit variance at initialisation: components of every entry, for random features and freshly drawn weights."""

import pytest
import torch
from torch import Tensor, nn

from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.cg_contraction import ClebschGordanContraction
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.tensor_products.sphere.gaunt_contraction import GauntContraction

CHANNELS, BATCH = 10_000, 8
INSIDE = {"weights": "internal", "channels": CHANNELS}
MIXED, NATURAL = "0e+1o+1e+2e", "0e+1o+2e"

PRODUCTS = {
    "clebsch-gordan": lambda: ClebschGordan(NATURAL, MIXED),
    "clebsch-gordan, weights": lambda: ClebschGordan(MIXED, NATURAL, MIXED, **INSIDE),
    "gaunt": lambda: Gaunt(NATURAL, NATURAL),
    "gaunt, repeated": lambda: Gaunt("2x0e+2x1o", NATURAL, NATURAL),
    "gaunt, three legs": lambda: Gaunt(NATURAL, NATURAL, **INSIDE),
    "gaunt, one leg": lambda: Gaunt(NATURAL, NATURAL, legs=(2,), **INSIDE),
    "bracket": lambda: Gaunt(MIXED, MIXED, odd="bracket"),
    "bracket, three legs": lambda: Gaunt(NATURAL, NATURAL, odd="bracket", **INSIDE),
    "fourier": lambda: Gaunt(NATURAL, NATURAL, method="fourier", odd="bracket", legs=(2,), **INSIDE),
}
CONTRACTIONS = {
    "clebsch-gordan": lambda **sizes: ClebschGordanContraction(NATURAL, NATURAL, **sizes),
    "clebsch-gordan, mixed": lambda **sizes: ClebschGordanContraction("0o+1o+1e", "0e+1e", **sizes),
    "gaunt": lambda **sizes: GauntContraction(NATURAL, NATURAL, **sizes),
    "gaunt + bracket": lambda **sizes: GauntContraction(NATURAL, NATURAL, bracket=True, **sizes),
    "gaunt, degree 3": lambda **sizes: GauntContraction("0e+1o+2e+3o", "0e+1o", **sizes),
}


@pytest.fixture(autouse=True)
def seeded_weights():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def light_tailed(module: nn.Module) -> nn.Module:
    """The same module with random signs times the size of each weight: equal variances, far fewer outliers."""
    for parameter in module.parameters():
        parameter.copy_(parameter.sign() * parameter.square().mean(-1, keepdim=True).sqrt())
    return module


def check_unit_variance(z: Tensor, irreps_out: Irreps) -> None:
    """Channels are independent draws of features: their spread gives the error of the mean.

    The 5 % are for the weights: the square of a leg's size is known to 1.4 % from 10 000 of them.
    """
    for ir, rows in zip(irreps_out, irreps_out.slices(), strict=True):
        squares = z[:, rows].square().mean((0, 1))
        error = float(squares.std()) / CHANNELS**0.5
        deviation = abs(float(squares.mean()) - 1)
        assert error < 0.03
        assert deviation < 4 * error + 0.05, f"{ir}: {squares.mean():.3f} +- {error:.3f}"


@pytest.mark.parametrize("name", PRODUCTS)
@torch.no_grad()
def test_products_keep_unit_variance(name):
    product = light_tailed(PRODUCTS[name]())
    x, y = (torch.randn(BATCH, each.dim, CHANNELS) for each in (product.irreps_in1, product.irreps_in2))
    check_unit_variance(product(x, y), product.irreps_out)


@pytest.mark.parametrize("name", CONTRACTIONS)
@torch.no_grad()
def test_contractions_keep_unit_variance(name):
    contraction = light_tailed(CONTRACTIONS[name](channels=CHANNELS, correlation=3, elements=1))
    x = torch.randn(BATCH, contraction.irreps_in.dim, CHANNELS)
    check_unit_variance(contraction(x, torch.zeros(BATCH, dtype=torch.long)), contraction.irreps_out)
