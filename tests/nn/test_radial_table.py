import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from intertwine.nn.radial import BesselBasis, GaussianBasis, PolynomialCutoff, RadialMLP
from intertwine.nn.radial_table import RadialTable
from intertwine.nn.tabulated_convolution import TabulatedConvolution
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.convolution import Convolution
from intertwine.tensor_products.kernels.library import using
from intertwine.tensor_products.sphere.gaunt import Gaunt

CUTOFF = 4.0


def network(rows=3, channels=2, basis=None, hidden=(8,)) -> RadialMLP:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        basis = BesselBasis(CUTOFF, count=4) if basis is None else basis
        net = RadialMLP(basis, PolynomialCutoff(CUTOFF), hidden=hidden, rows=rows, channels=channels)
    return net.double()


def lengths(count=50):
    return torch.rand(count, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * CUTOFF


@pytest.mark.parametrize("basis", [BesselBasis(CUTOFF, count=6), GaussianBasis(CUTOFF)])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6])
def test_weights_are_right_to_the_tolerance_everywhere(basis, tolerance):
    net = network(basis=basis)
    table, r = RadialTable.compile(net, tolerance=tolerance).double(), lengths(2000)
    scale = net(torch.linspace(0, CUTOFF, 2000, dtype=torch.float64)).square().mean().sqrt()
    assert table.error <= tolerance
    assert (table(r) - net(r)).abs().max() <= 1.5 * tolerance * scale


def test_slopes_are_those_of_the_table_and_close_to_those_of_the_network():
    net, r = network(), lengths().requires_grad_()
    table = RadialTable.compile(net).double()
    assert gradcheck(table, r) and gradgradcheck(table, r)
    slopes = [torch.autograd.grad(f(r).sum(), r)[0] for f in (table, net)]
    assert (slopes[0] - slopes[1]).abs().max() < 1e-3 * slopes[1].square().mean().sqrt()


def test_two_derivatives_are_continuous_at_the_points():
    table = RadialTable.compile(network(), points=9).double()
    at = torch.arange(1, 8, dtype=torch.float64) * table.span.step
    for left, right in zip(jets(table, at - 1e-9), jets(table, at + 1e-9), strict=True):
        assert torch.allclose(left, right, atol=1e-6)


def jets(table, r):
    r = r.requires_grad_()
    value = table(r)[:, 0, 0]
    (first,) = torch.autograd.grad(value.sum(), r, create_graph=True)
    return value, first, torch.autograd.grad(first.sum(), r)[0]


def test_the_error_of_a_table_that_is_too_coarse_is_reported():
    coarse, fine = (RadialTable.compile(network(), points=points) for points in (5, 65))
    assert coarse.error > 1e-2 > 1e-5 > fine.error
    assert coarse.slope_error > 10 * fine.slope_error
    assert f"{coarse.points} points" in str(coarse)


def test_the_error_falls_with_the_sixth_power_of_the_step():
    errors = [RadialTable.compile(network(), points=points).error for points in (33, 65)]
    assert 40 < errors[0] / errors[1] < 90


class Kinked(nn.Module):
    def forward(self, r):
        return ((r - 1.234).abs() * (r < CUTOFF) * (CUTOFF - r) ** 3)[:, None, None]


def test_a_kink_is_refused_unless_the_number_of_points_is_given():
    with pytest.raises(ValueError, match="kink"):
        RadialTable.compile(Kinked(), end=CUTOFF)
    assert RadialTable.compile(Kinked(), end=CUTOFF, points=129).error > 1e-4


def test_a_network_that_does_not_vanish_or_has_no_end_is_refused():
    with pytest.raises(ValueError, match="vanish at 3"):
        RadialTable.compile(network(), end=3.0)
    with pytest.raises(ValueError, match="end="):
        RadialTable.compile(Kinked())


def test_beyond_its_end_and_at_zero_the_table_is_finite():
    table = RadialTable.compile(network()).double()
    r = torch.tensor([0.0, CUTOFF, CUTOFF + 1], dtype=torch.float64)
    assert table(r).isfinite().all() and not table(r)[1:].any()


def graph(product, net, nodes=5, edges=12):
    draw = torch.Generator().manual_seed(2)
    x = torch.randn(nodes, product.irreps_in1.dim, 2, generator=draw, dtype=torch.float64)
    y = torch.randn(edges, product.irreps_in2.dim, 1, generator=draw, dtype=torch.float64)
    ends = torch.randint(nodes, (2, edges), generator=draw)
    return (x, y, lengths(edges)), tuple(ends)


@pytest.mark.parametrize(
    "product",
    [
        ClebschGordan("0e+1o", "0e+1o", weights="external"),
        Gaunt("0e+1o", "0e+1o", weights="external", legs=(2,)),
        Gaunt("0e+1o", "0e+1o", weights="external"),
    ],
    ids=["clebsch-gordan", "gaunt, weights of the filter", "gaunt"],
)
@pytest.mark.parametrize("kernels", ["best", None])
def test_fused_and_in_turns_agree_to_second_derivatives(product, kernels):
    net = network(rows=product.weight_count)
    table, plain = RadialTable.compile(net).double(), Convolution(product).double()
    layer = TabulatedConvolution(plain, table)
    floats, ends = graph(product, net)

    def everything(f):
        inputs = [each.clone().requires_grad_() for each in floats]
        z = f(*inputs)
        first = torch.autograd.grad(z.sin().sum(), inputs, create_graph=True)
        second = torch.autograd.grad(sum(each.cos().sum() for each in first), inputs)
        return [z, *first, *second]

    with using(None):
        expected = everything(lambda x, y, r: plain(x, y, table(r), *ends))
    if kernels is None:
        with using(None):
            found = everything(lambda *inputs: layer(*inputs, *ends))
    else:
        found = everything(lambda *inputs: layer(*inputs, *ends))
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-11, atol=1e-11)


def test_threads_and_channels_of_any_number_give_the_same_sums():
    product = ClebschGordan("0e+1o+2e", "0e+1o", weights="external")
    for channels in (1, 7, 70):
        table = RadialTable.compile(network(rows=product.weight_count, channels=channels), points=17).double()
        layer, draw = TabulatedConvolution(Convolution(product).double(), table), torch.Generator().manual_seed(0)
        x = torch.randn(6, 9, channels, generator=draw, dtype=torch.float64, requires_grad=True)
        y = torch.randn(200, 4, 1, generator=draw, dtype=torch.float64)
        ends, r = torch.randint(6, (2, 200), generator=draw), lengths(200).requires_grad_()
        z = layer(x, y, r, *ends)
        gx, gr = torch.autograd.grad(z.square().sum(), (x, r))
        with using(None):
            twin = layer(x, y, r, *ends)
            hx, hr = torch.autograd.grad(twin.square().sum(), (x, r))
        for a, b in ((z, twin), (gx, hx), (gr, hr)):
            assert torch.allclose(a, b, rtol=1e-10, atol=1e-10 * float(b.detach().abs().max()))
