"""Work counted by hand, operation by operation, and how it grows with the degree."""

import pytest
import torch
from compiled import needs_kernels
from torch import nn

from intertwine.o3.grid import smallest_grid
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.analysis.cost import cost, cost_of, input_shapes, scaling
from intertwine.tensor_products.analysis.rates import LARGE, WIDTHS, Rates, machine_rates
from intertwine.tensor_products.analysis.work import Operation, count
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.kernels.library import using
from intertwine.tensor_products.sphere.gaunt import Gaunt

RATES = Rates(gemm=(1e9, 2e9, 4e9, 8e9), fft=3e9, coupling=5e9, cached=1e11, stream=1e10, start=1e-6)


def harmonics(lmax: int) -> Irreps:
    return Irreps.spherical_harmonics(lmax)


def test_a_gaunt_product_on_points_costs_three_transforms_a_product_and_the_norms():
    degrees, batch, channels = harmonics(3), 7, 5
    product, points = Gaunt(degrees, degrees, degrees), len(smallest_grid(9))
    expected = 2 * points * (16 + 16 + 16) + points + 16
    with using(None):
        assert cost(product, batch, channels=channels).flops == batch * channels * expected


@needs_kernels
def test_a_gaunt_product_on_rings_costs_three_transforms_and_products_of_trigonometric_sums():
    degrees, batch, channels = harmonics(1), 7, 5
    # one pair of rings; (l, m) = (0, 0), (1, 0), (1, 1), cosine and sine; of 9 pairs (m, n) 7 have |m + n| <= 1
    product, pairs, transforms, terms = Gaunt(degrees, degrees, degrees), 1, 3 * 3 * 2 * 2, 5 * 2 * 8
    assert cost(product, batch, channels=channels).flops == batch * channels * pairs * (transforms + terms)


def test_a_clebsch_gordan_product_out_of_its_kernel_costs_outer_products_couplings_and_sums():
    product = ClebschGordan("1o", "1o", "0e+1e")
    with using(None):
        operations = count(product, input_shapes(product, 10, channels=3))
    by_name = {operation.name: operation.flops for operation in operations}
    assert by_name["mul"] == 9 * 30 and by_name["bmm"] == 2 * 4 * 9 * 30


def test_what_is_broadcast_is_read_once():
    product = ClebschGordan("1o", "1o", "0e", weights="external")
    with using(None):
        read = [sum(each.read for each in count(product, [(100, 3, 8), (100, 3, 8), w])) for w in ((100, 1, 8), (1, 8))]
    assert read[0] > read[1]
    matrix = next(each for each in count(nn.Linear(8, 4, bias=False), [(100, 8)]) if each.kind == "gemm")
    assert (matrix.flops, matrix.read, matrix.written, matrix.width) == (6400, 4 * (800 + 32), 1600, 4)


def test_a_compiled_product_visits_the_numbers_of_its_table_once_a_sample_and_channel():
    product = ClebschGordan(harmonics(2), harmonics(2))
    operations = count(product, input_shapes(product, 10, channels=4))
    if operations[0].kind != "coupling":
        pytest.skip("no compiled kernels here")
    assert [each.flops for each in operations] == [2 * len(product.tables.exact["compiled"]) * 40]


def test_work_grows_with_the_batch_and_with_derivatives_and_weights_count():
    product = Gaunt(harmonics(2), harmonics(2), weights="external", odd="bracket")
    one, two = cost(product, 100, channels=4), cost(product, 200, channels=4)
    assert two.flops == 2 * one.flops and two.table_bytes == one.table_bytes > 0
    first, second = (cost(product, 100, channels=4, derivatives=order) for order in (1, 2))
    assert one.flops * 2 < first.flops < second.flops and one.operations < first.operations < second.operations
    assert input_shapes(product, 100, channels=4)[2] == (100, product.weight_count, 4)
    inside = Gaunt(harmonics(2), harmonics(2), weights="internal", channels=6)
    assert input_shapes(inside, 9, y_channels=1) == [(9, 9, 6), (9, 9, 1)]
    assert cost(inside, 9, derivatives=1).flops > cost(inside, 9).flops


def test_counting_runs_nothing_and_leaves_everything_alone():
    product = ClebschGordan("0e+1o", "0e+1o", weights="internal", channels=2)
    before, state = product.weight.detach().clone(), torch.random.get_rng_state()
    cost(product, 10**9, derivatives=2)  # 100 GB of features, were they made
    assert torch.equal(product.weight, before) and product.weight.grad is None
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("make", "exponent"),
    [
        (lambda lmax: Gaunt(harmonics(lmax), harmonics(lmax), harmonics(2 * lmax)), 4.0),
        (lambda lmax: Gaunt(harmonics(lmax), harmonics(lmax), harmonics(2 * lmax), method="fourier"), 2.5),
    ],
)
def test_exponents_of_gaunt_products_are_those_of_the_literature(make, exponent):
    with using(None):
        assert scaling(make, (6, 9, 12)) == pytest.approx(exponent, abs=0.5)


@needs_kernels
def test_a_gaunt_product_on_rings_grows_with_the_cube_of_the_degree():
    found = scaling(lambda lmax: Gaunt(harmonics(lmax), harmonics(lmax), harmonics(2 * lmax)), (6, 9, 12))
    assert found == pytest.approx(3.0, abs=0.3)


def test_dense_blocks_of_couplings_grow_with_the_sixth_power():
    def blocks(lmax):
        with using(None):
            product = ClebschGordan(harmonics(lmax), harmonics(lmax))
            return sum(each.flops for each in count(product, input_shapes(product, 1)) if each.kind == "gemm")

    dense = torch.tensor([float(blocks(lmax)) for lmax in (2, 4, 6)]).log()
    slope = (dense[2] - dense[0]) / (torch.tensor(7.0).log() - torch.tensor(3.0).log())
    assert float(slope) == pytest.approx(6.0, abs=0.3)  # (2 l1 + 1)^2 (2 l2 + 1)^2 for every pair


def test_seconds_are_a_start_and_the_slower_of_computing_and_moving():
    assert RATES.seconds(Operation("mm", "gemm", 2_000_000, WIDTHS[1], 8, 8)) == pytest.approx(1e-6 + 1e-3)
    assert RATES.seconds(Operation("mm", "gemm", 2_000_000, 8, 8, 8)) == pytest.approx(1e-6 + 1e-3 / 2**0.5)
    assert RATES.seconds(Operation("mul", "stream", 10, 0, 600, 400)) == pytest.approx(1e-6 + 1e-8)
    assert RATES.seconds(Operation("mul", "stream", 10, 0, LARGE, LARGE)) == pytest.approx(1e-6 + 2 * LARGE / 1e10)
    assert RATES.seconds(Operation("rfft2", "fft", 3_000, 0, 8, 8)) == pytest.approx(2e-6)


def test_rates_are_positive_and_measured_once():
    rates = machine_rates()
    assert machine_rates() is rates
    assert min(*rates.gemm, rates.fft, rates.coupling, rates.cached, rates.stream, rates.start) > 0
    assert cost_of(nn.Linear(8, 4), [(10, 8)]).seconds > 0


def test_scaling_wants_several_degrees():
    with pytest.raises(ValueError, match="at least two degrees"):
        scaling(lambda lmax: Gaunt(harmonics(lmax), harmonics(lmax)), (3,))
