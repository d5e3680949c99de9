import pytest
import torch
from compiled import HERE, distance, needs_kernels, on_eight_threads, with_threads
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from intertwine.tensor_products.cg_contraction import ClebschGordanContraction
from intertwine.tensor_products.kernels.library import using
from unchecked import unchecked

pytestmark = needs_kernels
IRREPS = st.lists(st.sampled_from(["0e", "0o", "1o", "1e", "2e"]), max_size=3).map(lambda some: "+".join(["1o", *some]))
SIZES = st.tuples(st.sampled_from([0, 1, 3, 9]), st.sampled_from([1, 5, 16, 20]), st.sampled_from([1, 3]))


def case(irreps="0e+1o+2e", out="0e+1o", correlation=3, nodes=7, channels=5, elements=2):
    module = ClebschGordanContraction(irreps, out, channels=channels, correlation=correlation, elements=elements)
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(nodes, module.irreps_in.dim, channels, generator=draw, dtype=torch.float64)
    return module.double(), x, torch.randint(elements, (nodes,), generator=draw)


def gradients(module, x, element):
    """The result, its gradients by features and weights, and the gradients of these."""
    inputs = [x.detach().clone().requires_grad_(), module.weights]
    z = module(inputs[0], element)
    first = torch.autograd.grad(z.sin().sum(), inputs, create_graph=True)
    return [z, *first, *torch.autograd.grad(sum(each.cos().sum() for each in first), inputs)]


def by_twin(module, *inputs):
    with using(None):
        return gradients(module, *inputs)


@given(IRREPS, st.sampled_from(["0e", "0e+1o", "2e"]), st.integers(2, 4), SIZES)
@settings(max_examples=25, deadline=None)
def test_kernel_and_twin_agree_in_float64_to_second_derivatives(irreps, out, correlation, sizes):
    nodes, channels, elements = sizes
    module, *inputs = case(irreps, out, correlation, nodes, channels, elements)
    for found, readable in zip(gradients(module, *inputs), by_twin(module, *inputs), strict=True):
        assert found.shape == readable.shape
        assert distance(found, readable) < 1e-11  # cubes of gradients; the contraction itself is held to 1e-13 below


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_every_instruction_set_computes_the_same(isa, dtype):
    module, x, element = case(nodes=37, channels=19, elements=3)
    with using(None):
        expected = module(x, element)
    with using(isa):
        found = module.to(dtype)(x.to(dtype), element)
    assert distance(found.double(), expected) < (1e-13 if dtype == torch.float64 else 5e-6)


def test_more_nodes_than_one_chunk_and_elements_without_nodes():
    module, x, _ = case(nodes=400, elements=5)
    element = torch.arange(400) % 2 * 3
    for found, readable in zip(gradients(module, x, element), by_twin(module, x, element), strict=True):
        assert distance(found, readable) < 1e-12


def test_correlation_one_is_a_linear_map():
    module, x, element = case(correlation=1)
    assert torch.allclose(module(2 * x, element), 2 * module(x, element))
    assert distance(module(x, element), by_twin(module, x, element)[0]) < 1e-14


def test_derivatives_match_finite_differences():
    module, x, element = case("0e+1o", nodes=3, channels=2)

    def contract(x, w):
        return torch.func.functional_call(module, {"weights": w}, (x, element))

    inputs = (x.requires_grad_(), module.weights)
    assert gradcheck(contract, inputs) and gradgradcheck(contract, inputs)


def test_results_do_not_depend_on_threads():
    module, x, element = case(nodes=300)

    def everything():
        return torch.cat([each.flatten() for each in gradients(module, x, element)])

    alone = with_threads(1, everything)
    assert torch.equal(alone, with_threads(2, everything))
    assert all(torch.equal(alone, each) for each in on_eight_threads(everything))


def test_non_contiguous_and_expanded_inputs_are_read_rightly():
    module, x, element = case(nodes=8)
    views = (x.transpose(1, 2).contiguous().transpose(1, 2)[::2], element[:1].expand(4))
    assert distance(module(*views), by_twin(module, *views)[0]) < 1e-13


def test_an_element_without_weights_is_refused():
    module, x, element = case()
    for wrong in (element + 1, element - 1):
        with pytest.raises(IndexError, match="from 0 to 1"):
            module(x, wrong)


def test_features_of_the_wrong_shape_are_left_to_the_twin_which_refuses():
    module = ClebschGordanContraction("0e+1o", "0e+1o", channels=4, correlation=3, elements=2)
    x, element = torch.randn(5, 4, 4), torch.tensor([0, 1, 1, 0, 0])
    for wrong in ((x[:, 1:], element), (x[..., 1:], element), (x, element[1:])):
        with unchecked(), pytest.raises((RuntimeError, IndexError)):
            module(*wrong)
