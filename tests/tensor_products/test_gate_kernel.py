"""Gates in one pass: the readable ones to second derivatives, whatever entries, channels and threads."""

import pytest
import torch
from compiled import HERE, distance, needs_kernels, with_threads
from torch.autograd import gradcheck, gradgradcheck

from intertwine.nn.gate import Gate
from intertwine.tensor_products.kernels.library import using

KINDS = ("0e", "2x0e+1o+2e", "1o+0e+0o+2x1e", "1o")


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def derivatives(gate: Gate, x: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    found = [gate(x)]
    for _ in range(2):
        found += torch.autograd.grad(found[-1].sin().sum(), x, create_graph=True)
    return [each.detach() for each in found]


@needs_kernels
@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 5, 64])
def test_kernel_and_twin_agree_to_second_derivatives(isa, kind, channels):
    gate = Gate(kind).double()
    x = 3 * random(7, gate.irreps_in.dim, channels)
    with using(isa):
        found = derivatives(gate, x)
    with using(None):
        readable = derivatives(gate, x)
    for one, other in zip(found, readable, strict=True):
        assert one.shape == other.shape and distance(one, other) < 1e-13


@needs_kernels
def test_derivatives_match_finite_differences():
    gate, x = Gate("0e+1o").double(), random(2, 5, 2).requires_grad_()
    assert gradcheck(gate, x) and gradgradcheck(gate, x)


@needs_kernels
def test_float32_differs_by_rounding():
    gate = Gate(KINDS[1])
    x = random(70, gate.irreps_in.dim, 64)
    for one, other in zip(derivatives(gate, x.float()), derivatives(gate.double(), x), strict=True):
        assert distance(one.double(), other) < 1e-5


@needs_kernels
def test_threads_do_not_change_a_bit():
    gate = Gate(KINDS[1]).double()
    x = random(500, gate.irreps_in.dim, 40)
    one, two = (with_threads(threads, lambda: derivatives(gate, x)) for threads in (1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


@needs_kernels
def test_nan_far_numbers_and_odd_layouts_are_read_rightly():
    gate = Gate("0e+1o").double()
    x = random(4, 5, 3).transpose(0, 2)
    assert distance(gate(x), gate.readable(x)) < 1e-14
    assert gate(torch.full((2, 5, 3), torch.nan).double()).isnan().all()
    far = torch.tensor([-1e4, -800.0, 0.0, 800.0, 1e4]).double().expand(5, 5).unsqueeze(0)
    assert torch.allclose(gate(far), gate.readable(far), rtol=1e-13)
    assert gate(torch.zeros(0, 5, 3).double()).shape == (0, 4, 3)
