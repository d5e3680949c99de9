import pytest
import torch
from compiled import distance, needs_kernels

from intertwine.tensor_products.kernels.library import using
from intertwine.tensor_products.sphere.gaunt_contraction import GauntContraction

pytestmark = needs_kernels


def case(irreps, out, correlation, bracket, nodes=7, channels=3):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = dict(channels=channels, correlation=correlation, elements=2)
        module = GauntContraction(irreps, out, bracket=bracket, **sizes).double()
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(nodes, module.irreps_in.dim, channels, generator=draw, dtype=torch.float64)
    return module, x, torch.randint(2, (nodes,), generator=draw)


def gradients(module, x, element):
    inputs = [x.clone().requires_grad_(), module.weights, module.leg_weights]
    z = module(inputs[0], element)
    first = torch.autograd.grad(z.sin().sum(), inputs, create_graph=True)
    return [z, *first, *torch.autograd.grad(sum(each.cos().sum() for each in first), inputs)]


@pytest.mark.parametrize("bracket", [False, True])
@pytest.mark.parametrize(
    ("irreps", "out", "correlation"),
    [
        ("0e+1o+2e+3o", "0e+1o", 3),
        ("0e+1o+2e", "0e+1o+2e", 4),
        ("1o+1o+2e", "2e+0e+2e", 3),
        ("0e+1o", "1o", 1),
        ("2e", "0e+4e", 2),
    ],
)
def test_polynomials_and_points_agree_to_second_derivatives(irreps, out, correlation, bracket):
    if (irreps, correlation) == ("0e+1o", 1) or correlation > 1:
        module, *inputs = case(irreps, out, correlation, bracket)
        assert module.polynomials is not None
        with using(None):
            expected = gradients(module, *inputs)
        for found, readable in zip(gradients(module, *inputs), expected, strict=True):
            assert distance(found, readable) < 1e-10


def test_large_products_stay_on_points():
    module, x, element = case("0e+1o+2e+3o", "0e", 5, False)
    assert module.polynomials is None
    with using(None):
        assert torch.equal(module(x, element), module.readable(x, element))


def test_a_weight_of_another_order_changes_the_result():
    module, x, element = case("0e+1o+2e", "0e", 3, False)
    before = module(x, element).detach()
    with torch.no_grad():
        module.leg_weights[2, 1] *= 2
    assert distance(module(x, element), before) > 1e-3
