"""The compiled harmonics of directions agree with the readable ones, and so do two derivatives."""

import pytest
import torch
from compiled import HERE, distance, needs_kernels, on_eight_threads, with_threads
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from intertwine.o3.spherical_harmonics import SphericalHarmonics, least_square
from intertwine.tensor_products.kernels.harmonics import harmonics, takes
from intertwine.tensor_products.kernels.library import using

pytestmark = needs_kernels
AXES = torch.tensor([[0, 1, 0], [0, -1, 0], [-1, 0, 0], [0, 0, 1], [0, 0, 0]], dtype=torch.float64)


def vectors(count: int = 41) -> Tensor:
    random = torch.randn(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.cat([AXES, random])


def readable(x: Tensor, degree: int) -> Tensor:
    return SphericalHarmonics(range(degree + 1), normalize=True, normalization="component")(x).unsqueeze(-1)


def derivatives(of, x: Tensor, degree: int) -> list[Tensor]:
    """Value, gradient, and gradients of that by x and by what it was asked along."""
    x = x.detach().requires_grad_()
    y = of(x, degree)
    generator = torch.Generator().manual_seed(1)
    g = torch.randn(y.shape, generator=generator, dtype=torch.float64).to(x.dtype).requires_grad_()
    h = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x.dtype)
    (gx,) = torch.autograd.grad(y, x, g, create_graph=True)
    return [y, gx, *torch.autograd.grad(gx, (g, x), h)]


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("degree", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("count", [0, 1, 41, 1100])
def test_harmonics_and_twin_agree_to_second_derivatives(isa, degree, count):
    x = vectors(count)
    expected = derivatives(readable, x, degree)
    with using(isa):
        found = derivatives(harmonics, x, degree)
    assert max(distance(*pair) for pair in zip(found, expected, strict=True)) < 1e-12


@pytest.mark.parametrize("isa", HERE)
def test_float32_is_as_near_to_float64_as_that_of_the_twin(isa):
    expected = derivatives(readable, vectors().float().double(), 4)
    twin = derivatives(readable, vectors().float(), 4)
    with using(isa):
        found = derivatives(harmonics, vectors().float(), 4)
    for one, other, exact in zip(found, twin, expected, strict=True):
        assert one.dtype == torch.float32
        assert distance(one, exact) < 2 * distance(other, exact) + 1e-6


@pytest.mark.parametrize("degree", [1, 2, 4])
def test_derivatives_match_finite_differences(degree):
    x = vectors(3)[[0, 2, -1]].requires_grad_()
    assert gradcheck(lambda x: harmonics(x, degree), x) and gradgradcheck(lambda x: harmonics(x, degree), x)


def test_degree_zero_is_one_and_has_no_gradient():
    y, *zeros = derivatives(harmonics, vectors(), 0)
    assert (y == 1).all() and not any(each.any() for each in zeros)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_counts_as_zero_does_so_as_in_the_twin(dtype):
    least = least_square(dtype) ** 0.5
    x = torch.tensor([[0, 0, 0], [0, 0.9 * least, 0], [1.1 * least, 0, 0]], dtype=dtype)
    found, expected = (derivatives(each, x, 3) for each in (harmonics, readable))
    assert max(distance(*pair) for pair in zip(found, expected, strict=True)) < (
        1e-5 if dtype == torch.float32 else 1e-12
    )
    assert not found[0][:2, 1:].any() and not any(each[:2].any() for each in found[1:])
    assert found[0][2, 1:].any() and all(each.isfinite().all() and each[2].any() for each in found[1:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lengths_do_not_matter_however_long_or_short(dtype):
    x = vectors().to(dtype)
    for length in (1e-5, 1e5, 1e15):
        torch.testing.assert_close(harmonics(length * x, 3), harmonics(x, 3))
        assert all(each.isfinite().all() for each in derivatives(harmonics, length * x, 3))


def test_what_is_no_number_stays_none():
    found = harmonics(torch.tensor([[float("nan"), 0, 0], [0, 1, 0]]), 2)
    assert found[0, 1:].isnan().all() and found[1].isfinite().all()


def test_vectors_and_gradients_may_lie_anyhow_in_memory():
    x = vectors()
    scattered = torch.randn(3, 2 * len(x)).double().T[::2].copy_(x)
    assert not scattered.is_contiguous()
    torch.testing.assert_close(harmonics(scattered, 3), harmonics(x, 3), rtol=0, atol=0)
    x = x.requires_grad_()
    (gradient,) = torch.autograd.grad(harmonics(x, 3).sum(), x)  # of a sum: one number, expanded
    (expected,) = torch.autograd.grad(readable(x, 3).sum(), x)
    torch.testing.assert_close(gradient, expected)


def test_results_are_the_same_for_any_number_of_threads_and_in_any_thread():
    x = vectors(5000)
    one = with_threads(1, lambda: harmonics(x, 3))
    assert torch.equal(one, with_threads(2, lambda: harmonics(x, 3)))
    assert all(torch.equal(one, each) for each in on_eight_threads(lambda: harmonics(x, 3)))


def test_a_third_derivative_is_refused():
    x = vectors(2)[-2:].requires_grad_()
    found = harmonics(x, 2).sin().sum()
    for _ in range(2):
        (found,) = torch.autograd.grad(found.sin().sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="harmonics: compiled kernels have two derivatives"):
        torch.autograd.grad(found.sum(), x)


def test_others_than_vectors_on_the_cpu_are_left_to_the_twin():
    assert takes(vectors()) and takes(vectors().float())
    assert not any(map(takes, (vectors().half(), vectors()[0], vectors()[:, :2], vectors().to("meta"))))
    with using(None):
        assert not takes(vectors())
    seen = []
    torch.func.vmap(lambda x: seen.append(takes(x)) or x)(vectors()[None])
    assert seen == [False]
