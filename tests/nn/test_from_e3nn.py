"""Converted modules are the same maps as e3nn's, to rounding; what cannot be expressed is refused by name."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from e3nn import o3 as e3nn

from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error
from intertwine.nn.from_e3nn import from_e3nn, weights_from_e3nn
from intertwine.nn.fully_connected import FullyConnected
from intertwine.nn.linear import Linear
from intertwine.o3 import layout
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.o3.spherical_harmonics import SphericalHarmonics
from intertwine.tensor_products.clebsch_gordan import ClebschGordan


@contextmanager
def float64_by_default() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def build(make: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    torch.manual_seed(0)
    with float64_by_default():
        return make()


def flat_inputs(old) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    return tuple(
        torch.randn(7, irreps.dim, generator=draw, dtype=torch.float64) for irreps in (old.irreps_in1, old.irreps_in2)
    )


def agree(new, old, weight: torch.Tensor | None = None) -> None:
    x, y = flat_inputs(old)
    expected = old(x, y) if weight is None else old(x, y, weight)
    product = new.product if isinstance(new, FullyConnected) else new
    irreps_out = new.linear.irreps_out if isinstance(new, FullyConnected) else new.irreps_out
    ours = layout.from_e3nn(x, product.irreps_in1), layout.from_e3nn(y, product.irreps_in2)
    z = new(*ours) if weight is None else new(*ours, weights_from_e3nn(old, weight))
    torch.testing.assert_close(layout.to_e3nn(z, irreps_out), expected, rtol=1e-12, atol=1e-12)


PRODUCTS = {
    "full": lambda: e3nn.FullTensorProduct("0e+1o+2e", "0e+1o"),
    "full, channels of x": lambda: e3nn.FullTensorProduct("4x0e+8x1o", "0e+1o"),
    "full, all with all": lambda: e3nn.FullTensorProduct("2x0e+3x1o", "2x0e+2x1o"),
    "full, norm": lambda: e3nn.FullTensorProduct("0e", "0e+1o", irrep_normalization="none"),
    "elementwise": lambda: e3nn.ElementwiseTensorProduct("4x0e+2x1o", "4x1o+2x1e"),
    "uvu": lambda: e3nn.TensorProduct(
        "4x0e+4x1o", "0e+1o", "4x0e+4x1o+4x1o", [(0, 0, 0, "uvu", True), (1, 1, 0, "uvu", True), (1, 0, 2, "uvu", True),
                                                 (0, 1, 1, "uvu", True)]
    ),
    "uvu, several filters": lambda: e3nn.TensorProduct(
        "4x1o", "3x0e+2x1o", "4x1o+4x1e", [(0, 0, 0, "uvu", True), (0, 1, 1, "uvu", True)]
    ),
    "uvu, other scales": lambda: e3nn.TensorProduct(
        "4x1o+4x0e", "0e+1o", "4x1o", [(0, 0, 0, "uvu", True, 3.0), (1, 1, 0, "uvu", True)],
        in1_var=[2.0, 1.0], irrep_normalization="norm", path_normalization="path",
    ),
    "uuu": lambda: e3nn.TensorProduct(
        "8x0e+4x1o", "8x1o+4x1o", "8x1o+4x0e", [(0, 0, 0, "uuu", True), (1, 1, 1, "uuu", True)]
    ),
    "uvw": lambda: e3nn.FullyConnectedTensorProduct("4x0e+8x1o", "2x0e+1o", "6x0e+3x1o+3x1e"),
    "uvw, repeated results": lambda: e3nn.FullyConnectedTensorProduct(
        "2x1o+2x0e+2x1o", "1o", "2x0e+4x1o+2x0e", path_normalization="path"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_converted_product_is_the_same_map(name):
    old = build(PRODUCTS[name])
    agree(from_e3nn(old), old)


@pytest.mark.parametrize("filters", ["0e+1o", "2x0e+1o"])
def test_weights_from_outside_are_converted_too(filters):
    instructions = [(0, 0, 0, "uvu", True), (1, 0, 1, "uvu", True), (1, 1, 0, "uvu", True)]
    old = build(lambda: e3nn.TensorProduct("8x0e+4x1o", filters, "8x0e+4x1o", instructions[:2], shared_weights=False))
    weight = torch.randn(7, old.weight_numel, dtype=torch.float64)
    new = from_e3nn(old)
    assert new.weights == "external"
    agree(new, old, weight)


def test_weights_keep_their_order_where_filters_come_once():
    old = build(lambda: e3nn.TensorProduct("8x1o", "0e", "8x1o", [(0, 0, 0, "uvu", True)], shared_weights=False))
    assert torch.equal(weights_from_e3nn(old, torch.arange(8.0)), torch.arange(8.0)[None])


def test_a_converted_product_shares_no_memory():
    old = build(PRODUCTS["uvu"])
    new = from_e3nn(old)
    before = new.weight.detach().clone()
    old.weight.data.zero_()
    assert torch.equal(new.weight, before)


def test_a_wrong_weight_would_be_noticed():
    old = build(PRODUCTS["uvw"])
    new = from_e3nn(old)
    new.linear.weights[0].data[0, 0] += 1e-6
    with pytest.raises(AssertionError):
        agree(new, old)


LINEARS = {
    "one irrep": lambda: e3nn.Linear("8x1o", "4x1o"),
    "repeated": lambda: e3nn.Linear("4x0e+8x1o+4x0e", "6x0e+3x1o+6x0e"),
    "reordered, by path": lambda: e3nn.Linear("2x1o+2x0e+4x1o", "4x0e+2x1o", path_normalization="path"),
}


@pytest.mark.parametrize("name", LINEARS)
def test_a_converted_linear_is_the_same_map(name):
    old = build(LINEARS[name])
    new = from_e3nn(old)
    x = torch.randn(5, old.irreps_in.dim, dtype=torch.float64)
    found = layout.to_e3nn(new(layout.from_e3nn(x, new.irreps_in)), new.irreps_out)
    torch.testing.assert_close(found, old(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("normalization", ["integral", "component", "norm"])
def test_converted_harmonics_are_the_same(normalization):
    old = build(lambda: e3nn.SphericalHarmonics("0e+2x1o+3o", True, normalization))
    new = from_e3nn(old)
    assert isinstance(new, SphericalHarmonics)
    x = torch.randn(5, 3, dtype=torch.float64)
    torch.testing.assert_close(new(x), old(x), rtol=1e-12, atol=1e-12)


REFUSED = {
    "sums over channels": (
        lambda: e3nn.TensorProduct("4x0e+4x1o", "1o", "4x1o+2x0e", [(0, 0, 0, "uvu", True), (1, 0, 1, "uvw", True)]),
        "instruction 1 of .* 4x1o x 1x1o -> 2x0e with 'uvw'",
    ),
    "channels of y": (
        lambda: e3nn.TensorProduct("4x1o", "4x1o", "4x1o+4x0e", [(0, 0, 1, "uvv", True)]), "instruction 0 .* 'uvv'"
    ),
    "both kinds of y": (
        lambda: e3nn.TensorProduct("4x1o", "4x1o", "4x0e", [(0, 0, 0, "uuu", True), (0, 0, 0, "uvu", True)]),
        "instruction 1 .* y has one channel",
    ),
    "weights here and there": (
        lambda: e3nn.TensorProduct("4x1o", "1o", "4x0e+4x1e", [(0, 0, 0, "uvu", True), (0, 0, 1, "uvu", False)]),
        "instruction 1 .* give all of them weights",
    ),
    "a scale without a weight": (
        lambda: e3nn.TensorProduct("4x1o", "1o", "4x0e", [(0, 0, 0, "uvu", False, 5.0)]), "instruction 0 .* scaled by"
    ),
    "uvw from outside": (
        lambda: e3nn.FullyConnectedTensorProduct("2x0e", "0e", "2x0e", shared_weights=False), "weights come from"
    ),
    "uvw with holes": (
        lambda: e3nn.TensorProduct("2x0e+2x0e", "0e", "2x0e+2x0e", [(0, 0, 0, "uvw", True), (1, 0, 1, "uvw", True)]),
        "no instruction for 0e from copy 0 to copy 1",
    ),
    "linear with holes": (
        lambda: e3nn.Linear("2x0e+2x0e", "2x0e+2x0e", instructions=[(0, 0), (1, 1)]), "no instruction for 0e"
    ),
    "linear with a bias": (lambda: e3nn.Linear("2x0e", "2x0e", biases=True), "instruction 1 .* bias"),
    "a square": (lambda: e3nn.TensorSquare("2x0e+1o"), "came e3nn.*TensorSquare"),
    "torch's own linear": (lambda: torch.nn.Linear(2, 2), "came torch"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_expressed_is_named(name):
    make, words = REFUSED[name]
    with pytest.raises(IrrepsError, match=words):
        from_e3nn(build(make))


def test_e3nn_is_not_imported():
    code = "import sys, intertwine.nn.from_e3nn; sys.exit('e3nn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_fully_connected_commutes_with_rotations_and_mirrors():
    torch.manual_seed(0)
    layer = FullyConnected(ClebschGordan("0e+1o", "0e+1o"), "0e+1o+1e", 3, 4).double()
    x, y = torch.randn(6, 4, 3).double(), torch.randn(6, 4, 1).double()
    reps = IrrepsRepresentation(Irreps("0e+1o"))

    def error(f) -> float:
        return equivariance_error(f, (x, y), (reps, reps), IrrepsRepresentation(Irreps("0e+1o+1e")), O(3), samples=4)

    assert error(layer) < 1e-10
    assert error(lambda x, y: layer(x, y) + 0.1) > 1e-3


def test_fully_connected_wants_what_the_product_makes():
    with pytest.raises(IrrepsError, match="2e"):
        FullyConnected(ClebschGordan("0e", "0e+1o"), "0e+2e", 3, 4)
    assert isinstance(FullyConnected(ClebschGordan("0e", "0e+1o"), "1o", 3, 4).linear, Linear)
