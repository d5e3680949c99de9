import pytest
import torch
from compiled import HERE, distance, needs_kernels, on_eight_threads, with_threads
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from intertwine.tensor_products.kernels.decompose import decompose
from intertwine.tensor_products.kernels.library import using

pytestmark = needs_kernels
DIMS = st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20))
SIZES = st.tuples(st.sampled_from([0, 1, 3, 33]), st.sampled_from([1, 2, 5, 16, 40, 70]))


def case(dims, rank, batch, channels, *, one=False, dtype=torch.float64):
    """The product in the kernel, the same in torch's own operations, and inputs."""
    draw = torch.Generator().manual_seed(0)
    factors = [torch.randn(rank, dim, generator=draw, dtype=torch.float64) / dim**0.5 for dim in dims]
    shapes = (batch, dims[0], channels), (batch, dims[1], 1 if one else channels)
    inputs = [torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes]

    def product(x, y):
        return decompose(x, y, *(each.to(x) for each in factors)) / rank**0.5

    def twin(x, y):
        a, b, c = factors
        return c.T @ ((a @ x) * (b @ y)) / rank**0.5

    return product, twin, inputs


def gradients(product, inputs):
    """The result, its gradients, and the gradients of these."""
    inputs = [each.detach().clone().requires_grad_() for each in inputs]
    z = product(*inputs)
    first = torch.autograd.grad(z.sin().sum(), inputs, create_graph=True)
    return [z, *first, *torch.autograd.grad(sum(each.cos().sum() for each in first), inputs)]


@given(DIMS, st.integers(1, 120), SIZES, st.booleans())
@settings(max_examples=40, deadline=None)
def test_kernel_and_twin_agree_in_float64_to_second_derivatives(dims, rank, sizes, one):
    product, twin, inputs = case(dims, rank, *sizes, one=one)
    for found, readable in zip(gradients(product, inputs), gradients(twin, inputs), strict=True):
        assert found.shape == readable.shape
        assert distance(found, readable) < 1e-12


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_every_instruction_set_computes_the_same(isa, dtype):
    product, twin, inputs = case((16, 9, 25), 130, 37, 5)
    with using(isa):
        found = product(*(each.to(dtype) for each in inputs))
    assert distance(found.double(), twin(*inputs)) < (1e-12 if dtype == torch.float64 else 5e-6)


@pytest.mark.parametrize("one", [True, False])
def test_derivatives_match_finite_differences(one):
    product, _, inputs = case((4, 3, 5), 7, 2, 2, one=one)
    inputs = [each.requires_grad_() for each in inputs]
    assert gradcheck(product, inputs) and gradgradcheck(product, inputs)


def test_results_do_not_depend_on_threads():
    product, _, inputs = case((9, 9, 9), 50, 300, 3)
    alone = with_threads(1, lambda: product(*inputs))
    assert torch.equal(alone, with_threads(2, lambda: product(*inputs)))
    assert all(torch.equal(alone, each) for each in on_eight_threads(lambda: product(*inputs)))


def test_non_contiguous_and_expanded_inputs_are_read_rightly():
    product, twin, (x, y) = case((9, 4, 9), 20, 12, 6)
    views = (x.transpose(1, 2).contiguous().transpose(1, 2)[::2], y[:1].expand(6, -1, -1))
    assert distance(product(*views), twin(*views)) < 1e-13
