import pytest
import torch
from compiled import HERE, distance, needs_kernels, on_eight_threads, with_threads
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from intertwine.o3.grid import smallest_grid
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.kernels.library import using
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.tensor_products.sphere.gaunt_reach import reached_irreps

pytestmark = needs_kernels
NATURAL, PSEUDO = ["0e", "1o", "2e", "3o", "4e"], ["0o", "1e", "2o", "3e"]
IRREPS = st.sampled_from([NATURAL, PSEUDO]).flatmap(
    lambda kind: st.lists(st.sampled_from(kind), min_size=1, max_size=4).map("+".join)
)
SIZES = st.tuples(st.sampled_from([0, 1, 3, 33]), st.sampled_from([1, 2, 5, 16, 40]))


def draw(product, batch, channels, *, one=False):
    generator = torch.Generator().manual_seed(0)
    shapes = (batch, product.irreps_in1.dim, channels), (batch, product.irreps_in2.dim, 1 if one else channels)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def gradients(product, inputs):
    """The result, its gradients, and the gradients of these."""
    inputs = [each.detach().clone().requires_grad_() for each in inputs]
    z = product(*inputs)
    first = torch.autograd.grad(z.sin().sum(), inputs, create_graph=True)
    return [z, *first, *torch.autograd.grad(sum(each.cos().sum() for each in first), inputs)]


@given(IRREPS, IRREPS, SIZES, st.booleans())
@settings(max_examples=40, deadline=None)
def test_kernel_and_twin_agree_in_float64_to_second_derivatives(irreps1, irreps2, sizes, one):
    if not reached_irreps(Irreps(irreps1), Irreps(irreps2), bracket=False):
        return
    product = Gaunt(irreps1, irreps2)
    inputs = draw(product, *sizes, one=one)
    with using(None):
        expected = gradients(product, inputs)
    assert product.separable
    for found, readable in zip(gradients(product, inputs), expected, strict=True):
        assert found.shape == readable.shape
        assert distance(found, readable) < 1e-12


def test_a_result_of_repeated_and_of_few_entries_agrees():
    product = Gaunt("0e+1o+2e", "1o+3o+3o", "2e+4e+2e")
    inputs = draw(product, 7, 3)
    with using(None):
        expected = gradients(product, inputs)
    assert all(distance(a, b) < 1e-13 for a, b in zip(gradients(product, inputs), expected, strict=True))


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("degree", [2, 9])
def test_every_instruction_set_computes_the_same(isa, dtype, degree):
    irreps = Irreps.spherical_harmonics(degree)
    product = Gaunt(irreps, irreps)
    inputs = draw(product, 5, 7)
    with using(None):
        expected = product(*inputs)
    with using(isa):
        found = product.to(dtype)(*(each.to(dtype) for each in inputs))
    assert distance(found.double(), expected) < (1e-12 if dtype == torch.float64 else 5e-6)


@pytest.mark.parametrize("one", [True, False])
def test_derivatives_match_finite_differences(one):
    product = Gaunt("0e+1o", "0e+1o+2e").double()
    inputs = [each.requires_grad_() for each in draw(product, 2, 2, one=one)]
    assert gradcheck(product, inputs) and gradgradcheck(product, inputs)


def test_third_derivatives_are_there_too():
    product = Gaunt("0e+1o", "0e+1o").double()
    (x,) = draw(product, 3, 2)[:1]
    found = []
    for isa in (HERE[0], None):
        with using(isa):
            leaf = x.clone().requires_grad_()
            energy = product(product(leaf, leaf)[:, :4], leaf).sin().sum()
            for _ in range(3):
                (slope,) = torch.autograd.grad(energy, leaf, create_graph=True)
                energy = slope.cos().sum()
            found.append(slope.detach())
    assert distance(*found) < 1e-11


def test_mixed_parities_brackets_and_grids_of_ones_own_stay_on_points():
    assert not Gaunt("0e+0o+1o", "1o").separable
    assert not Gaunt("1o", "1o", odd="bracket").separable
    assert not Gaunt("1o", "1o", grid=smallest_grid(5)).separable
    assert not Gaunt("1o", "1o", method="fourier").separable


def test_results_do_not_depend_on_threads():
    product = Gaunt("0e+1o+2e", "0e+1o+2e")
    inputs = draw(product, 300, 3)
    alone = with_threads(1, lambda: product(*inputs))
    assert torch.equal(alone, with_threads(2, lambda: product(*inputs)))
    assert all(torch.equal(alone, each) for each in on_eight_threads(lambda: product(*inputs)))


def test_non_contiguous_expanded_and_batched_inputs_are_read_rightly():
    product = Gaunt("0e+1o+2e", "0e+1o")
    x, y = draw(product, 12, 6)
    views = (x.transpose(1, 2).contiguous().transpose(1, 2)[::2], y[:1].expand(6, -1, -1))
    batched = (x.reshape(3, 4, 9, 6), y.reshape(3, 4, 4, 6))
    with using(None):
        expected = [product(*each) for each in (views, batched, (x[0], y[0]))]
    for inputs, readable in zip((views, batched, (x[0], y[0])), expected, strict=True):
        assert distance(product(*inputs), readable) < 1e-13
