import pytest
import torch
from compiled import HERE, distance, needs_kernels, on_eight_threads, with_threads
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.convolution import Convolution
from intertwine.tensor_products.kernels.library import using
from intertwine.tensor_products.sphere.gaunt import Gaunt

pytestmark = needs_kernels
IRREPS = st.lists(st.sampled_from(["0e", "0o", "1o", "1e", "2e", "3o"]), min_size=1, max_size=4).map("+".join)
FILTERS = st.integers(0, 3).map(Irreps.spherical_harmonics)
SIZES = st.tuples(st.integers(1, 7), st.sampled_from([0, 1, 5, 40]), st.sampled_from([1, 5, 16, 37]))


def draw(product, nodes, edges, channels, *, seed=0, sort=False):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(nodes, product.irreps_in1.dim, channels), (edges, product.irreps_in2.dim, 1)]
    shapes += [(edges, product.weight_count, channels)] if product.weight_count else []
    floats = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    senders, receivers = (torch.randint(0, nodes, (edges,), generator=generator) for _ in range(2))
    return floats, senders, receivers.sort()[0] if sort else receivers


def call(convolution, floats, senders, receivers):
    x, y, *w = floats
    return convolution(x, y, *(w or [None]), senders, receivers)


def gradients(convolution, floats, senders, receivers):
    floats = [each.detach().clone().requires_grad_() for each in floats]
    z = call(convolution, floats, senders, receivers)
    first = torch.autograd.grad(z.sin().sum(), floats, create_graph=True)
    return [z, *first, *torch.autograd.grad(sum(each.cos().sum() for each in first), floats)]


def agree(convolution, inputs):
    """The result to 1e-12; derivatives through sines and cosines of large sums keep a digit less."""
    with using(None):
        expected = gradients(convolution, *inputs)
    for order, (found, readable) in enumerate(zip(gradients(convolution, *inputs), expected, strict=True)):
        assert found.shape == readable.shape
        assert distance(found, readable) < (1e-11 if order else 1e-12)


@given(IRREPS, FILTERS, SIZES, st.booleans())
@settings(max_examples=40, deadline=None)
def test_kernel_and_twin_agree_in_float64_to_second_derivatives(irreps, filters, sizes, sort):
    product = ClebschGordan(irreps, filters, weights="external")
    agree(Convolution(product), draw(product, *sizes, sort=sort))


@given(IRREPS, FILTERS, SIZES)
@settings(max_examples=15, deadline=None)
def test_float32_stays_close_to_float64(irreps, filters, sizes):
    product = ClebschGordan(irreps, filters, weights="external")
    floats, *edges = draw(product, *sizes)
    singles = [each.float() for each in floats]
    convolution = Convolution(product)
    exact = call(convolution, [each.double() for each in singles], *edges)
    assert distance(call(convolution, singles, *edges).double(), exact) < 5e-6


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("channels", [1, 5, 16, 64, 100])
def test_every_instruction_set_computes_the_same(isa, channels):
    product = ClebschGordan("0e+1o+2e", "0e+1o+2e+3o", weights="external")
    inputs = draw(product, 6, 70, channels)
    with using(isa):
        agree(Convolution(product), inputs)


@pytest.mark.parametrize("odd", ["none", "bracket"])
@pytest.mark.parametrize("weights", ["none", "external"])
def test_gaunt_messages_run_in_the_kernel_too(odd, weights):
    product = Gaunt("0e+1o+1e", "0e+1o+2e", odd=odd, legs=(2,), weights=weights)
    convolution = Convolution(product)
    assert convolution.fused
    agree(convolution, draw(product, 5, 30, 6))


def test_messages_that_meet_in_one_entry_add_up():
    product = ClebschGordan("0e+2x1o", "0e+1o", "0e+1o", weights="external")
    agree(Convolution(product), draw(product, 4, 25, 3))


def test_first_and_second_derivatives_match_finite_differences():
    product = ClebschGordan("0e+1o", "0e+1o", weights="external")
    floats, *edges = draw(product, 3, 5, 2)
    floats = [each.requires_grad_() for each in floats]
    convolution = Convolution(product)
    assert gradcheck(lambda *given: call(convolution, given, *edges), floats)
    assert gradgradcheck(lambda *given: call(convolution, given, *edges), floats)


def test_nodes_without_edges_get_zero():
    product = ClebschGordan("0e+1o", "0e+1o", weights="external")
    floats, senders, receivers = draw(product, 9, 6, 4)
    z = call(Convolution(product), floats, senders, torch.full_like(receivers, 3))
    assert torch.equal(z.flatten(1).any(1), torch.arange(9) == 3)


def test_non_contiguous_and_expanded_inputs_are_read_rightly():
    product = ClebschGordan("0e+1o", "0e+1o", weights="external")
    (x, y, w), *edges = draw(product, 6, 10, 4)
    views = [x.transpose(1, 2).contiguous().transpose(1, 2), y[:1].expand(10, -1, -1), w[:, :, :1].expand(-1, -1, 4)]
    agree(Convolution(product), (views, *edges))


def test_connectivity_may_be_int32():
    product = ClebschGordan("0e+1o", "0e+1o", weights="external")
    floats, senders, receivers = draw(product, 6, 10, 4)
    convolution = Convolution(product)
    long = call(convolution, floats, senders, receivers)
    assert torch.equal(long, call(convolution, floats, senders.int(), receivers.int()))


@pytest.mark.parametrize("wrong", [-1, 6])
def test_an_edge_to_nowhere_is_refused(wrong):
    product = ClebschGordan("0e+1o", "0e+1o", weights="external")
    floats, senders, receivers = draw(product, 6, 10, 4)
    senders[3] = wrong
    with pytest.raises(IndexError, match=rf"from 0 to 5.*(from {wrong}|to {wrong})"):
        call(Convolution(product), floats, senders, receivers)


def test_bits_do_not_depend_on_threads():
    product = ClebschGordan("0e+1o+2e", "0e+1o+2e", weights="external")
    inputs = draw(product, 50, 600, 20)
    convolution = Convolution(product)

    def everything():
        return torch.cat([each.flatten() for each in gradients(convolution, *inputs)])

    alone = with_threads(1, everything)
    assert torch.equal(alone, with_threads(2, everything))
    assert all(torch.equal(alone, each) for each in on_eight_threads(everything))


def test_bits_do_not_depend_on_threads_where_gradients_are_added_up_part_by_part():
    product = ClebschGordan("0e+1o+2e", "0e+1o", weights="external")
    inputs = draw(product, 40, 1200, 256)  # 18 kB an edge: three parts of 8 MB, each with edges of every sender
    convolution = Convolution(product)

    def first():
        (x, y, w), *edges = inputs
        x, y = x.requires_grad_(), y.requires_grad_()
        found = torch.autograd.grad(convolution(x, y, w, *edges).square().sum(), (x, y))
        return torch.cat([each.flatten() for each in found])

    alone = with_threads(1, first)
    assert torch.equal(alone, with_threads(2, first)) and torch.equal(alone, with_threads(3, first))


class Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """The most numbers in one result."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor):
            self.count = max(self.count, found.numel())
        return found


def test_no_message_is_ever_stored():
    product = ClebschGordan("0e+1o+2e", "0e+1o+2e+3o", weights="external")
    floats, *edges = draw(product, 10, 400, 16)
    convolution = Convolution(product)
    messages, inputs = 400 * product.irreps_out.dim * 16, max(each.numel() for each in floats)
    largest = {}
    for kernels in (HERE[0], None):
        given = [each.clone().requires_grad_() for each in floats]
        with using(kernels), Largest() as watch:
            call(convolution, given, *edges).sum().backward()
        largest[kernels] = watch.count
    assert largest[HERE[0]] <= inputs < messages <= largest[None]


@pytest.mark.parametrize("isa", HERE)
def test_long_results_that_go_past_the_caches_are_the_same(isa):
    """More than 8 MB of gradients by weights, edge by edge and of the result."""
    product = ClebschGordan("0e+1o", "0e+1o", weights="external")
    inputs = draw(product, 2000, 9000, 64, sort=True)
    assert inputs[0][2].nbytes > 8 << 20
    with using(isa):
        for threads in (1, 2):
            with_threads(threads, lambda: agree(Convolution(product), inputs))


def paired(product, *, channels=5, pairs=20):
    """Edges of which two and two read one row of weights; some rows are read once, and the last one by none."""
    floats, senders, receivers = draw(product, 6, 2 * pairs - 3, channels)
    floats[2] = floats[2][: pairs + 1]
    pair = torch.cat([torch.arange(pairs), torch.arange(pairs)])[torch.randperm(2 * pairs)[: 2 * pairs - 3]]
    return floats, senders, receivers, pair


def with_pairs(convolution, floats, senders, receivers, pair):
    floats = [each.detach().clone().requires_grad_() for each in floats]
    x, y, w = floats
    z = convolution(x, y, w, senders, receivers, pair)
    first = torch.autograd.grad(z.sin().sum(), floats, create_graph=True)
    return [z, *first, *torch.autograd.grad(sum(each.cos().sum() for each in first), floats)]


@pytest.mark.parametrize("irreps", ["0e+1o+2e", "0e+2x1o"])
@pytest.mark.parametrize("channels", [1, 16, 100])
def test_edges_of_a_pair_read_the_same_weights_and_add_up_their_gradients(irreps, channels):
    convolution = Convolution(ClebschGordan(irreps, "0e+1o", weights="external"))
    inputs = paired(ClebschGordan(irreps, "0e+1o", weights="external"), channels=channels)
    with using(None):
        expected = with_pairs(convolution, *inputs)
    for isa in HERE:
        with using(isa):
            for found, readable in zip(with_pairs(convolution, *inputs), expected, strict=True):
                assert distance(found, readable) < 1e-11
    assert not expected[3][-1].any()


def test_other_pairs_give_another_result():
    convolution = Convolution(ClebschGordan("0e+1o", "0e+1o", weights="external"))
    floats, *edges, pair = paired(ClebschGordan("0e+1o", "0e+1o", weights="external"))
    right, wrong = (convolution(*floats, *edges, each) for each in (pair, pair.roll(1)))
    assert distance(right, wrong) > 0.1


def test_gradients_of_pairs_are_the_same_to_the_last_bit_on_many_threads():
    convolution = Convolution(ClebschGordan("0e+1o+2e", "0e+1o+2e", weights="external"))
    inputs = paired(ClebschGordan("0e+1o+2e", "0e+1o+2e", weights="external"), channels=16, pairs=2000)

    def numbers() -> torch.Tensor:
        return torch.cat([each.detach().flatten() for each in with_pairs(convolution, *inputs)])

    assert torch.equal(with_threads(8, numbers), with_threads(1, numbers))


def test_pairs_without_weights_are_refused():
    product = ClebschGordan("0e", "0e", weights="external")
    (x, y, w), senders, receivers, pair = paired(product)
    with pytest.raises(IndexError, match="expected pairs from 0 to 19, the rows of weight, came indices from 0 to 20"):
        Convolution(product)(x, y, w[:20], senders, receivers, pair.masked_fill(pair == 3, 20))
