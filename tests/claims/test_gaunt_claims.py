"""Central claims of the Gaunt product (Luo et al., 2024, arXiv:2401.10216), at toy scale, and where they end."""

import math

import pytest
import torch

from intertwine.o3 import Irreps, spherical_harmonics
from intertwine.tensor_products import ClebschGordan, Gaunt


def values(x: torch.Tensor, irreps: Irreps, points: torch.Tensor) -> torch.Tensor:
    """The feature as a function on the sphere, at points that no grid of the library knows."""
    return spherical_harmonics(irreps, points, normalize=True, normalization="integral") @ x


@pytest.mark.parametrize("method", ["grid", "fourier"])
def test_the_product_of_features_is_the_product_of_functions(method):
    generator = torch.Generator().manual_seed(0)
    one, two = Irreps.spherical_harmonics(3), Irreps.spherical_harmonics(2)
    product = Gaunt(one, two, method=method, normalization="none").double()
    x, y = (torch.randn(irreps.dim, 4, generator=generator, dtype=torch.float64) for irreps in (one, two))
    points = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    expected = values(x, one, points) * values(y, two, points)
    assert torch.allclose(values(product(x, y), product.irreps_out, points), expected, atol=1e-12)
    wrong = values(product(x, y.flip(0)), product.irreps_out, points)
    assert not torch.allclose(wrong, expected, atol=1e-2)


def stored(product: torch.nn.Module) -> int:
    """Numbers in the constant tables: the multiplications per channel of a product that applies them all."""
    return sum(buffer.numel() for buffer in product.buffers() if buffer.is_floating_point())


def slope(make, degrees: tuple[int, int]) -> float:
    """Exponent of the growth of the work with the degree."""
    work = [stored(make(Irreps.spherical_harmonics(degree))) for degree in degrees]
    return math.log(work[1] / work[0]) / math.log((degrees[1] + 1) / (degrees[0] + 1))


def test_work_grows_by_two_powers_of_the_degree_less_than_for_all_clebsch_gordan_paths():
    gaunt = slope(lambda irreps: Gaunt(irreps, irreps, irreps), (3, 7))
    clebsch_gordan = slope(lambda irreps: ClebschGordan(irreps, irreps), (3, 7))
    assert gaunt < 4.5
    assert clebsch_gordan > 5.5


def test_the_price_is_the_antisymmetric_half_and_the_bracket_pays_it_back():
    irreps = Irreps("0e+1o+2e")
    every = set(ClebschGordan(irreps, irreps).irreps_out)
    assert set(Gaunt(irreps, irreps).irreps_out) < every
    assert set(Gaunt(irreps, irreps, odd="bracket").irreps_out) == every
