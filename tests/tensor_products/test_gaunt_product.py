"""The Gaunt product: against e3nn, sums over Gaunt tensors, and the bracket that completes it."""

import pytest
import torch
from oracle import channelwise_product

from intertwine.groups.error import relative_error
from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.gaunt import bracket_factor, gaunt, gaunt_factor, poisson_bracket
from intertwine.o3.grid import gauss_legendre, smallest_grid
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.sphere.gaunt import Gaunt

LMAX = 8


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def inputs(product, channels: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    return random(5, product.irreps_in1.dim, channels), random(5, product.irreps_in2.dim, channels, seed=1)


def triples(*irreps: Irreps):
    return [
        (in1, in2, out)
        for in1, ir1 in enumerate(irreps[0])
        for in2, ir2 in enumerate(irreps[1])
        for out, ir3 in enumerate(irreps[2])
        if ir3 in ir1 * ir2
    ]


def sum_over_tensors(x, y, irreps: tuple[Irreps, Irreps, Irreps], *, bracket: bool) -> torch.Tensor:
    z = x.new_zeros(*x.shape[:-2], irreps[2].dim, x.shape[-1])
    one, two, three = (each.slices() for each in irreps)
    for in1, in2, out in triples(*irreps):
        degrees = irreps[0][in1].l, irreps[1][in2].l, irreps[2][out].l
        table = gaunt(*degrees) + (poisson_bracket(*degrees) if bracket else 0)
        z[..., three[out], :] += torch.einsum("...ac,...bc,abk->...kc", x[..., one[in1], :], y[..., two[in2], :], table)
    return z


@pytest.mark.parametrize("lmax", [2, 4])
def test_equals_a_uuu_product_of_e3nn_with_squared_gaunt_factors_as_path_weights(lmax):
    natural = Irreps.spherical_harmonics(lmax)
    product = Gaunt(natural, natural, natural, normalization="none")
    irreps = (natural, natural, natural)
    paths = [(*t, gaunt_factor(*t) ** 2) for t in triples(*irreps) if gaunt_factor(*t)]
    e3nn = channelwise_product(irreps, paths, 2, irrep_normalization="none", path_normalization="none")
    x, y = inputs(product)
    assert relative_error(product(x, y), e3nn(x, y)) < 1e-12


@pytest.mark.parametrize("odd", ["none", "bracket"])
@pytest.mark.parametrize("types", [("0e+1o+2e+3o",) * 2, ("0e+1o+1e+2e", "0o+2x1o+2e"), ("4e", "3o+3e")])
def test_grid_fourier_and_the_sum_over_tensors_are_one_map(types, odd):
    product = Gaunt(*types, odd=odd, normalization="none")
    irreps = (product.irreps_in1, product.irreps_in2, product.irreps_out)
    x, y = inputs(product)
    expected = sum_over_tensors(x, y, irreps, bracket=odd == "bracket")
    assert relative_error(product(x, y), expected) < 1e-12
    assert relative_error(Gaunt(*irreps, method="fourier", odd=odd, normalization="none")(x, y), expected) < 1e-12
    rule = gauss_legendre(sum(each.lmax for each in irreps))
    assert relative_error(Gaunt(*irreps, grid=rule, odd=odd, normalization="none")(x, y), expected) < 1e-12


@pytest.fixture(scope="module")
def every_pair():
    """Result of a product with all degrees to 8 for x of one degree and y of one degree, for all pairs of degrees."""
    natural = Irreps.spherical_harmonics(LMAX)
    both = natural + Irreps(f"{l}{'e' if l % 2 else 'o'}" for l in range(1, LMAX + 1))
    x, y = random(natural.dim), random(natural.dim, seed=1)
    masks = torch.zeros(LMAX + 1, natural.dim, dtype=torch.float64)
    for l, rows in enumerate(natural.slices()):
        masks[l, rows] = 1
    pairs = (x * masks)[:, None].expand(-1, LMAX + 1, -1)[..., None], (y * masks).expand(LMAX + 1, -1, -1)[..., None]
    return (
        natural,
        both,
        (x, y),
        {
            "bracket": Gaunt(natural, natural, both, odd="bracket", normalization="none")(*pairs)[..., 0],
            "none": Gaunt(natural, natural, natural, normalization="none")(*pairs)[..., 0],
        },
    )


def paths_reached(every_pair, odd: str) -> set[tuple[int, int, int]]:
    natural, both, (x, y), results = every_pair
    rows, rows_out, reached = natural.slices(), both.slices(), set()
    for l1 in range(LMAX + 1):
        for l2 in range(LMAX + 1):
            for out, ir in enumerate(both if odd == "bracket" else natural):
                found = results[odd][l1, l2, rows_out[out]]
                if ir not in natural[l1] * natural[l2]:
                    assert found.abs().max() < 1e-12
                    continue
                coupled = torch.einsum("a,b,abk->k", x[rows[l1]], y[rows[l2]], wigner_3j(l1, l2, ir.l))
                factor = gaunt_factor(l1, l2, ir.l) if (l1 + l2 + ir.l) % 2 == 0 else bracket_factor(l1, l2, ir.l)
                if odd == "bracket" or (l1 + l2 + ir.l) % 2 == 0:
                    assert (found - factor * coupled).abs().max() < 1e-11
                if found.abs().max() > 1e-3:
                    reached.add((l1, l2, ir.l))
    return reached


def couplings() -> set[tuple[int, int, int]]:
    degrees = range(LMAX + 1)
    return {(a, b, c) for a in degrees for b in degrees for c in degrees if abs(a - b) <= c <= a + b}


def test_bracket_misses_no_clebsch_gordan_path_up_to_degree_8(every_pair):
    for path in couplings():
        assert (gaunt_factor(*path) != 0) != (bracket_factor(*path) != 0)
    assert paths_reached(every_pair, "bracket") == couplings()


def test_without_the_bracket_every_odd_path_is_missing(every_pair):
    assert paths_reached(every_pair, "none") == {path for path in couplings() if sum(path) % 2 == 0}


def test_gaunt_has_no_cross_product_and_the_bracket_is_one():
    with pytest.raises(IrrepsError, match=r"asks for 1e.*reaches 0e\+2e.*odd='bracket', which reaches it"):
        Gaunt("1o", "1o", "1e")
    x, y = random(5, 3, 2), random(5, 3, 2, seed=1)
    assert Gaunt("1o", "1o")(x, x).shape[-2] == 6
    cross = torch.linalg.cross(x, y, dim=1)
    factor = bracket_factor(1, 1, 1) / 6**0.5
    assert relative_error(Gaunt("1o", "1o", "1e", odd="bracket", normalization="none")(x, y), factor * cross) < 1e-13
    assert relative_error(Gaunt("1o", "1o", "1e", odd="bracket")(x, y), cross / 2**0.5) < 1e-13


def test_bracket_equals_the_clebsch_gordan_product_on_odd_paths_alone():
    x, y = random(5, 5, 2), random(5, 7, 2, seed=1)
    one = Gaunt("2e", "3o", "2o+4o", odd="bracket")(x, y)
    two = ClebschGordan("2e", "3o", "2o+4o")(x, y)
    assert relative_error(one.abs(), two.abs()) < 1e-12


def test_weights_on_legs_scale_entries():
    plain = Gaunt("0e+1o", "0e+2x1o", "0e+1o")
    product = Gaunt("0e+1o", "0e+2x1o", "0e+1o", weights="external", legs=(2, 3))
    assert product.weight_count == 5
    x, y = inputs(product)
    weight = random(5, 5, 2, seed=2)
    scaled = y * weight[:, torch.tensor([0, 1, 1, 1, 2, 2, 2])]
    expected = plain(x, scaled) * weight[:, torch.tensor([3, 4, 4, 4])]
    assert relative_error(product(x, y, weight), expected) < 1e-13


def test_result_is_sorted_by_degree_and_pseudo_functions_follow_the_sign_rule():
    assert Gaunt("0e+1o", "0e+1o").irreps_out == Irreps("0e+1o+2e")
    assert Gaunt("0e+1o", "0e+1o", odd="bracket").irreps_out == Irreps("0e+1o+1e+2e")
    assert Gaunt("1e", "1o").irreps_out == Irreps("0o+2o")
    assert Gaunt("1e", "1e").irreps_out == Irreps("0e+2e")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("0e+1o", "0e+1o", "0e+3o"), {}, r"asks for 3o, but 0e\+1o times 0e\+1o.*Drop it"),
        (("0e+1o", "0e+1o", "1e"), {}, "odd='bracket'"),
        (("0e+1o", "0e+1o", "0o"), {"odd": "bracket"}, "asks for 0o"),
        (("0e+1o", "0e+1o"), {"grid": smallest_grid(3)}, r"degree 4, came one of degree 3.*smallest_grid\(4\)"),
        (("0e+1o", "0e+1o"), {"grid": smallest_grid(9), "method": "fourier"}, "no grid with method='fourier'"),
        (("0e+1o", "0e+1o"), {"legs": (1, 4)}, r"legs: expected some of 1, 2.*came \(1, 4\)"),
        (("0e+1o", "0e+1o"), {"legs": (2, 2)}, "each once"),
        (("", "0e+1o"), {}, "irreps on every leg"),
        (("1e", "1e", ""), {}, "irreps on every leg"),
    ],
)
def test_refusals_name_the_entry_and_the_remedy(arguments, options, message):
    with pytest.raises(IrrepsError, match=message):
        Gaunt(*arguments, **options)
