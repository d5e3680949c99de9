from functools import cache

import pytest
import torch
from compiled import distance
from interpreted import PLACES, both, derivatives, elsewhere, needs_triton

from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.convolution import Convolution
from intertwine.tensor_products.kernels.convolution_entries import convolution_entries
from intertwine.tensor_products.kernels.edges_by_node import check_ends, edges_by_node
from intertwine.tensor_products.kernels.library import using
from intertwine.tensor_products.sphere.gaunt import Gaunt

CASES = {
    "weights of every edge": dict(product=("0e+1o", "1o", "0e+1o+1e")),
    "paths that meet": dict(product=("0e+2x1o", "0e+1o", "0e+1o"), channels=1),
    "weights of filter entries": dict(product=("0e+1o", "0e+1o", "0e+1o"), gaunt=True),
    "no weights, one channel": dict(product=("1o", "1o", "1e"), weights="none", channels=1),
    "one node, more edges than one block holds": dict(product=("1o", "1o", "0e"), edges=20, nodes=1, channels=2),
    "no edges": dict(product=("0e+1o", "0e+1o", "0e+1o"), edges=0),
}
FORMS = {"ordered": True, "atomic": False}


def case(device, dtype, product, weights="external", nodes=3, edges=5, channels=3, gaunt=False):
    """Both forms of the convolution, its features, and edges that lie apart in memory."""
    made = Gaunt(*product, legs=(2,), weights=weights) if gaunt else ClebschGordan(*product, weights=weights)
    forms = {name: Convolution(made, deterministic=flag).to(device, dtype) for name, flag in FORMS.items()}
    generator = torch.Generator().manual_seed(0)
    shapes = [(nodes, made.irreps_in1.dim, channels), (edges, made.irreps_in2.dim, 1)]
    shapes += [(edges, made.weight_count, channels)] * (weights == "external")
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    ends = torch.randint(nodes, (edges, 2), generator=generator).to(device)
    return forms, [each.to(device, dtype).requires_grad_() for each in drawn], ends.unbind(1)


def errors(device):
    """Largest relative error of results and derivatives, by case, precision and form; how far repeated calls differ."""
    found = {}
    for name, arguments in CASES.items():
        for dtype in (torch.float64, torch.float32):
            forms, inputs, ends = case(device, dtype, **arguments)
            for form, convolution in forms.items():

                def call(x, y, w=None, convolution=convolution, ends=ends):
                    return convolution(x, y, w, *ends)

                ours, twin = both(lambda call=call, inputs=inputs: derivatives(call, inputs))
                assert [each.shape for each in ours] == [each.shape for each in twin]
                found[f"{name} {dtype} {form}"] = max(distance(a, b) for a, b in zip(ours, twin, strict=True))
                with using("triton"):
                    again = derivatives(call, inputs)
                found[f"{name} {dtype} {form} again"] = max(distance(a, b) for a, b in zip(again, ours, strict=True))
    return found


@cache
def errors_at(place):
    return elsewhere(__file__, "errors", place)


@needs_triton
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", CASES)
def test_kernel_and_twin_agree_to_second_derivatives(name, place, form):
    assert errors_at(place)[f"{name} torch.float64 {form}"] < 1e-12
    assert errors_at(place)[f"{name} torch.float32 {form}"] < 5e-6


@needs_triton
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", CASES)
def test_ordered_sums_come_out_the_same_every_time(name, place):
    assert errors_at(place)[f"{name} torch.float32 ordered again"] == 0


def test_entries_read_back_are_the_couplings():
    product = ClebschGordan("0e+1o+2e", "0e+1o+2e", weights="external")
    irreps = (product.irreps_in1, product.irreps_in2, product.irreps_out)
    expected = torch.zeros(product.weight_count, *(each.dim for each in irreps), dtype=torch.float64)
    slices = [each.slices() for each in irreps]
    for term in product.couplings:
        expected[term.weight, slices[0][term.in1], slices[1][term.in2], slices[2][term.out]] += term.coefficients
    convolution = Convolution(product)
    entries = convolution_entries(convolution.structure, convolution.tables.exact["couplings"])
    found = torch.zeros_like(expected)
    for t, place in enumerate(zip(entries.weight, entries.x, entries.z, strict=True)):
        found[place[0], place[1], :, place[2]] = torch.from_numpy(entries.filters[:, t])
    assert torch.equal(found, expected)
    assert entries.filters.any(0).all()


def test_edges_are_sorted_once_and_again_when_they_change():
    receivers = torch.tensor([1, 0, 1])
    first = edges_by_node(receivers, 2)
    assert first.edges.tolist() == [1, 0, 2] and first.starts.tolist() == [0, 1, 3]
    assert edges_by_node(receivers, 2) is first
    receivers[1] = 1
    assert edges_by_node(receivers, 2).edges.tolist() == [0, 1, 2]
    assert edges_by_node(receivers, 3).starts.tolist() == [0, 0, 3, 3]


def test_edges_of_inference_mode_may_change_too():
    with torch.inference_mode():
        receivers = torch.tensor([1, 0, 1])
        edges_by_node(receivers, 2)
        receivers[1] = 1
        assert edges_by_node(receivers, 2).starts.tolist() == [0, 0, 3]


@pytest.mark.parametrize("wrong", [-1, 3])
def test_an_edge_to_nowhere_is_refused_before_a_kernel_follows_it(wrong):
    senders = torch.tensor([0, 2])
    check_ends(senders, 3)
    senders[0] = wrong
    with pytest.raises(IndexError, match=f"from 0 to 2.*{wrong}"):
        check_ends(senders, 3)
