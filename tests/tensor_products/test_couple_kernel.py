import pytest
import torch
from compiled import HERE, distance, needs_kernels, on_eight_threads, with_threads
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.clebsch_gordan import ClebschGordan, full_paths
from intertwine.tensor_products.kernels.coupling_table import coupling_table
from intertwine.tensor_products.kernels.library import using

pytestmark = needs_kernels
IRREPS = st.lists(st.sampled_from(["0e", "0o", "1o", "1e", "2e", "2o", "3o", "4e"]), min_size=1, max_size=4).map(
    "+".join
)
SIZES = st.tuples(st.sampled_from([0, 1, 3, 33]), st.sampled_from([1, 2, 5, 16, 40]))


def draw(product: ClebschGordan, batch: int, channels: int, *, one: bool, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    shapes = [
        (batch, product.irreps_in1.dim, channels),
        (batch, product.irreps_in2.dim, 1 if one else channels),
        (batch, product.weight_count, channels),
    ]
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def gradients(product, inputs):
    """The result, its gradients, and the gradients of these."""
    inputs = [each.detach().clone().requires_grad_() for each in inputs]
    z = product(*inputs)
    first = torch.autograd.grad(z.sin().sum(), inputs, create_graph=True)
    second = torch.autograd.grad(sum(each.cos().sum() for each in first), inputs)
    return [z, *first, *second]


@given(IRREPS, IRREPS, SIZES, st.booleans())
@settings(max_examples=40, deadline=None)
def test_kernel_and_twin_agree_in_float64_to_second_derivatives(irreps1, irreps2, sizes, one):
    product = ClebschGordan(irreps1, irreps2, weights="external")
    inputs = draw(product, *sizes, one=one)
    with using(None):
        expected = gradients(product, inputs)
    for found, readable in zip(gradients(product, inputs), expected, strict=True):
        assert found.shape == readable.shape
        assert distance(found, readable) < 1e-12


@given(IRREPS, IRREPS, SIZES)
@settings(max_examples=20, deadline=None)
def test_float32_stays_close_to_float64(irreps1, irreps2, sizes):
    product = ClebschGordan(irreps1, irreps2, weights="external")
    inputs = [each.float() for each in draw(product, *sizes, one=False)]
    assert distance(product(*inputs).double(), product(*(each.double() for each in inputs))) < 5e-6


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("channels", [1, 3, 16, 64])
def test_every_instruction_set_computes_the_same(isa, channels):
    product = ClebschGordan("0e+1o+2e+3o", "0e+1o+1e", weights="external")
    inputs = draw(product, 37, channels, one=channels == 3)
    with using(None):
        expected = gradients(product, inputs)
    with using(isa):
        assert all(distance(a, b) < 1e-12 for a, b in zip(gradients(product, inputs), expected, strict=True))


def test_full_product_of_high_degrees_agrees():
    irreps = Irreps.spherical_harmonics(7)
    product = ClebschGordan(irreps, irreps)
    x, y = torch.randn(2, 5, irreps.dim, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with using(None):
        expected = product(x, y)
    assert distance(product(x, y), expected) < 1e-13


@pytest.mark.parametrize("weights", ["none", "internal", "external"])
@pytest.mark.parametrize("one", [True, False])
def test_first_and_second_derivatives_match_finite_differences(weights, one):
    product = ClebschGordan("0e+1o+1e", "1o+2e", "0e+1o+1e+2x1o", weights=weights, channels=2).double()
    x, y, w = (each.requires_grad_() for each in draw(product, 2, 2, one=one))
    inputs = (x, y, w) if weights == "external" else (x, y)
    assert gradcheck(product, inputs)
    assert gradgradcheck(product, inputs)


def test_weights_may_be_shared_by_samples_and_channels():
    product = ClebschGordan("0e+1o", "0e+1o", weights="external")
    x, y, _ = draw(product, 6, 8, one=False)
    for shape in [(1, 6, 8), (6, 6, 1), (1, 6, 1), (6, 8)]:
        w = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        with using(None):
            expected = gradients(product, (x, y, w))
        assert all(distance(a, b) < 1e-12 for a, b in zip(gradients(product, (x, y, w)), expected, strict=True))


def test_non_contiguous_and_expanded_inputs_are_read_rightly():
    product = ClebschGordan("0e+1o+2e", "0e+1o", weights="external")
    x, y, w = draw(product, 12, 6, one=False)
    views = (x.transpose(1, 2).contiguous().transpose(1, 2)[::2], y[:1].expand(6, -1, -1), w.flip(0)[::2])
    with using(None):
        expected = product(*views)
    assert distance(product(*views), expected) < 1e-13


def test_two_batch_axes_and_none():
    product = ClebschGordan("0e+1o", "0e+1o")
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(product(x, x)[1, 2], product(x[1, 2], x[1, 2]))


def test_results_do_not_depend_on_threads():
    product = ClebschGordan("0e+1o+2e", "0e+1o+2e")
    x, y, _ = draw(product, 300, 3, one=False)
    alone = with_threads(1, lambda: product(x, y))
    assert torch.equal(alone, with_threads(2, lambda: product(x, y)))
    assert all(torch.equal(alone, each) for each in on_eight_threads(lambda: product(x, y)))


def test_a_third_derivative_is_refused_with_a_way_out():
    product = ClebschGordan("1o", "1o", "0e")
    x = torch.randn(1, 3, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    energy = product(x, x).pow(3).sum()
    (first,) = torch.autograd.grad(energy, x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match=r"using\(None\)"):
        torch.autograd.grad(second.sum(), x)


def test_butterflies_halve_the_couplings():
    irreps = Irreps.spherical_harmonics(6)
    out, _ = full_paths(irreps, irreps)
    product = ClebschGordan(irreps, irreps)
    numbers = sum(int((term.coefficients != 0).sum()) for term in product.couplings)
    table = coupling_table((irreps, irreps, out), product.couplings)
    assert table.coefficients.count_nonzero() < 0.6 * numbers
