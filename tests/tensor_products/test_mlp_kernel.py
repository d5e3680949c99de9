"""A network in one pass over its rows: the readable one to second derivatives, whatever widths, rows and threads."""

import pytest
import torch
from compiled import HERE, distance, needs_kernels, with_threads

from intertwine.nn.mlp import MLP
from intertwine.tensor_products.kernels import mlp as mlp_file
from intertwine.tensor_products.kernels.library import using

WIDTHS = [(8, 64, 64, 256), (3, 5, 1), (7, 2), (1, 130, 33, 70), (16, 16, 16, 16, 16)]


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def forces(network: MLP, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The result, and what forces ask for: the gradient by x and by nothing else."""
    x = x.clone().requires_grad_()
    y = network(x)
    return y.detach(), torch.autograd.grad(y.sin().sum(), x)[0]


@needs_kernels
@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("rows", [1, 47, 100])
def test_kernel_and_twin_agree(isa, widths, rows):
    network, x = MLP(*widths).double().eval(), random(rows, widths[0])
    with using(isa):
        found = forces(network, x)
    with using(None):
        readable = forces(network, x)
    for one, other in zip(found, readable, strict=True):
        assert one.shape == other.shape and distance(one, other) < 1e-13


@needs_kernels
@pytest.mark.parametrize("isa", HERE)
def test_float32_differs_by_rounding(isa):
    network, x = MLP(8, 64, 64, 32).eval(), random(70, 8)
    with using(isa):
        found = forces(network, x.float())
    with using(None):
        exact = forces(network.double(), x)
    for one, other in zip(found, exact, strict=True):
        assert distance(one.double(), other) < 1e-5


@needs_kernels
def test_gradients_of_weights_and_second_derivatives_are_those_of_the_twin():
    network = MLP(3, 7, 5).double().eval()

    def derivatives() -> list[torch.Tensor]:
        x = random(6, 3).requires_grad_()
        inputs = [x, *network.parameters()]
        first = torch.autograd.grad(network(x).sin().sum(), inputs, create_graph=True)
        total = torch.stack([each.cos().sum() for each in first]).sum()
        return [*first, *torch.autograd.grad(total, inputs)]

    found = derivatives()
    with using(None):
        for one, other in zip(found, derivatives(), strict=True):
            assert distance(one, other) < 1e-12


@needs_kernels
def test_the_kernel_evaluates_and_the_twin_trains(monkeypatch):
    calls = []
    run = mlp_file._run
    monkeypatch.setattr(mlp_file, "_run", lambda *given: calls.append(len(given)) or run(*given))
    network = MLP(3, 7, 5).double()
    forces(network, random(6, 3))
    assert not calls
    forces(network.eval(), random(6, 3))
    assert len(calls) == 2  # forwards and back
    network(random(6, 3)).sum().backward()
    assert len(calls) == 3  # gradients by weights take the twin back


@needs_kernels
def test_threads_do_not_change_a_bit():
    network, x = MLP(8, 64, 64, 256).double().eval(), random(1000, 8)
    one, two = (with_threads(threads, lambda: forces(network, x)) for threads in (1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


@needs_kernels
def test_nan_stays_nan_and_odd_layouts_are_read_rightly():
    network, x = MLP(3, 7, 5).double().eval(), random(3, 4, 2).transpose(0, 2)
    assert distance(network(x), network.readable(x, list(network.weights))) < 1e-14
    assert network(torch.full((2, 3), torch.nan).double()).isnan().all()
    assert network(torch.zeros(0, 3).double()).shape == (0, 5)


def test_without_kernels_torch_does_it():
    network, x = MLP(3, 7, 5).double().eval(), random(6, 3)
    with using(None):
        assert torch.equal(network(x), network.readable(x, list(network.weights)))
