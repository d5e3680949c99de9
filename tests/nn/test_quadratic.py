"""The quadratic activation: its value, its derivatives beside those of the formula, and what compilers see."""

import torch
from torch.autograd import gradcheck, gradgradcheck

from intertwine.nn.quadratic import quadratic


def formula(x: torch.Tensor) -> torch.Tensor:
    return x + 0.5 * x.square()


def test_value_and_three_derivatives_are_those_of_the_formula():
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)
    derivatives = []
    for function in (quadratic, formula):
        at = x.clone().requires_grad_()
        value = function(at) * at.sin()  # so that no derivative is a constant
        for _ in range(4):
            derivatives.append(value.detach())
            (value,) = torch.autograd.grad(value.sum(), at, create_graph=True)
    for ours, theirs in zip(derivatives[:4], derivatives[4:], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=1e-13)
    assert gradcheck(quadratic, at) and gradgradcheck(quadratic, at)


def test_function_transforms_see_the_formula():
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(quadratic))(x), 1 + x)
    torch.testing.assert_close(torch.func.jvp(quadratic, (x,), (x,))[1], (1 + x) * x)


def test_a_gradient_by_one_side_alone_leaves_the_other_out():
    x, g = torch.randn(2, 5, dtype=torch.float64).unbind()
    x.requires_grad_()
    (slope,) = torch.autograd.grad(quadratic(x), x, g, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), x)
    torch.testing.assert_close(second, g)
