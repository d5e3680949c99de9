"""The Clebsch-Gordan product: against e3nn, by hand for vectors, and clear about what it refuses."""

import pytest
import torch
from jaxtyping import TypeCheckError
from oracle import channelwise_product, full_product

from intertwine.groups.error import relative_error
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.base import check_choice
from intertwine.tensor_products.clebsch_gordan import ClebschGordan, allowed_paths
from intertwine.tensor_products.sphere.gaunt import Gaunt


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("irreps", [("0e+1o+2e", "0e+1o+2e"), ("0e+1o+1e+2o", "0o+1o+3o"), ("2x1o+0e", "1o+1e")])
def test_equals_the_full_tensor_product_of_e3nn(irreps):
    product = ClebschGordan(*irreps)
    x, y = random(7, product.irreps_in1.dim, 1), random(7, product.irreps_in2.dim, 1, seed=1)
    expected = full_product(*irreps)(x, y)
    assert expected.shape == product(x, y).shape
    assert relative_error(product(x, y), expected) < 1e-12


def test_equals_a_uuu_product_of_e3nn_with_several_channels_and_paths_that_meet():
    irreps = (Irreps("0e+1o+2e"), Irreps("0e+1o"), Irreps("1o+0e+2e"))
    product = ClebschGordan(*irreps)
    paths = [(*path, 1.0) for path in allowed_paths(*irreps)]
    x, y = random(7, irreps[0].dim, 4), random(7, irreps[1].dim, 4, seed=1)
    expected = channelwise_product(irreps, paths, 4, path_normalization="path")(x, y)
    assert relative_error(product(x, y), expected) < 1e-12


def test_products_of_vectors_are_dot_cross_and_symmetric():
    x, y = random(5, 3, 2), random(5, 3, 2, seed=1)
    z = ClebschGordan("1o", "1o")(x, y)
    assert relative_error(z[:, :1], (x * y).sum(1, keepdim=True) / 3**0.5) < 1e-14
    assert relative_error(z[:, 1:4], torch.linalg.cross(x, y, dim=1) / 2**0.5) < 1e-14
    outer = x[:, :, None] * y[:, None]
    assert relative_error(z.square().sum(1), outer.square().sum((1, 2))) < 1e-14


def test_weights_scale_paths():
    product = ClebschGordan("0e+1o", "0e+1o", "1o", weights="external")
    assert product.paths == [(0, 1, 0), (1, 0, 0)]
    x, y = random(5, 4, 2), random(5, 4, 2, seed=1)
    weight = torch.tensor([[2.0], [0.0]], dtype=torch.float64)
    assert relative_error(product(x, y, weight), 2 * x[:, :1] * y[:, 1:] / 2**0.5) < 1e-14


def test_chosen_paths_are_the_whole_map():
    everything = ClebschGordan("0e+1o", "0e+1o", "0e+1o", normalization="none")
    parts = [
        ClebschGordan("0e+1o", "0e+1o", "0e+1o", paths=paths, normalization="none")
        for paths in ([(0, 0, 0), (0, 1, 1)], [(1, 1, 0), (1, 0, 1)])
    ]
    x, y = random(5, 4, 2), random(5, 4, 2, seed=1)
    assert relative_error(sum(part(x, y) for part in parts), everything(x, y)) < 1e-14


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("0e+1o", "0e+1o", "0e+3o"), {}, r"irreps_out asks for 3o, entry 1.*Drop the entry"),
        (("1o", "1o", "1o"), {}, "irreps_out asks for 1o"),
        (("1o", "1o", "1e"), {"paths": []}, "irreps_out asks for 1e"),
        (("1o", "1o", "1e"), {"paths": [(0, 0, 0), (0, 1, 0)]}, r"path \(0, 1, 0\) is not allowed"),
        (("1o", "1o", "1e"), {"paths": [(0, 0, 0), (0, 0, 0)]}, r"path \(0, 0, 0\) comes 2 times"),
        (("1o", "1o"), {"weights": "internal"}, "need channels="),
        (("", "1o"), {}, "at least one path"),
        (("1o", "1x"), {}, '"1x"'),
    ],
)
def test_refusals_name_the_entry_and_the_remedy(arguments, options, message):
    with pytest.raises(IrrepsError, match=message):
        ClebschGordan(*arguments, **options)


def test_wrong_words_are_refused_with_the_right_ones():
    with pytest.raises(IrrepsError, match="Gaunt: expected weights 'none', 'internal' or 'external', came 'inside'"):
        check_choice("Gaunt", "weights", "inside", ("none", "internal", "external"))
    for wrong in ({"weights": "inside"}, {"normalization": "norm"}):
        with pytest.raises((IrrepsError, TypeCheckError)):  # in these tests the annotations speak first
            ClebschGordan("1o", "1o", **wrong)
    for wrong in ({"method": "gird"}, {"odd": True}, {"normalization": "norm"}):
        with pytest.raises((IrrepsError, TypeCheckError)):
            Gaunt("1o", "1o", **wrong)


def test_forward_says_which_weight_it_expected():
    x = torch.ones(2, 3, 4)
    with pytest.raises(ValueError, match="weights='external' expected one of shape"):
        ClebschGordan("1o", "1o", weights="external")(x, x)
    with pytest.raises(ValueError, match="expected no weight, came one of shape"):
        ClebschGordan("1o", "1o")(x, x, torch.ones(2, 3, 4))
