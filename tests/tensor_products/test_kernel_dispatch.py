from contextlib import nullcontext
from itertools import count

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.cg_contraction import ClebschGordanContraction
from intertwine.tensor_products.clebsch_gordan import ClebschGordan
from intertwine.tensor_products.convolution import Convolution
from intertwine.tensor_products.coupled_form import CoupledForm
from intertwine.tensor_products.cp.cp import CP
from intertwine.tensor_products.kernels import contract, convolve, couple, decompose, library, sphere_product
from intertwine.tensor_products.kernels.library import active_isa, has_triton, using
from intertwine.tensor_products.kernels.operator import Operator
from intertwine.tensor_products.sphere.gaunt import Gaunt
from intertwine.tensor_products.sphere.gaunt_filter import gaunt_couplings

NUMBER, MODE = count(), FakeTensorMode()
CONVOLUTION = Convolution(ClebschGordan("0e", "0e+1o", weights="external"))
THREE = (Irreps("0e+1o"),) * 3
PRODUCTS = {
    "couple": lambda: (ClebschGordan("0e+1o", "0e+1o"), couple._COUPLE, [(3, 4, 2), (3, 4, 2)]),
    "convolve": lambda: (
        Convolution(ClebschGordan("0e", "0e+1o")),
        convolve._CONVOLVE,
        [(3, 1, 2), (5, 4, 1), None, 5, 5],
    ),
    "decompose": lambda: (CP("0e+1o", "0e+1o", "0e+1o"), decompose._DECOMPOSE, [(3, 4, 2), (3, 4, 2)]),
    "gaunt": lambda: (Gaunt("0e+1o", "0e+1o"), sphere_product._GAUNT, [(3, 4, 2), (3, 4, 2)]),
    "contract": lambda: (
        ClebschGordanContraction("0e+1o", "0e+1o", channels=2, correlation=2, elements=2),
        contract._CONTRACT,
        [(3, 4, 2), 3],
    ),
}


def operator(gpu):
    """One that is not used elsewhere."""
    return Operator(
        f"stand_in_{next(NUMBER)}(Tensor x) -> Tensor",
        run=torch.clone, gpu=gpu, shapes=torch.empty_like, setup=lambda *_: None, backward=lambda ctx, grad: grad,
        flops=torch.numel,
    )  # fmt: skip


def on_gpu(*shape, dtype=None):
    """A tensor that says it lies on a GPU; it has no numbers."""
    with MODE:
        return torch.empty(*shape, device="cuda", dtype=dtype)


def moved(module):
    """The module on a GPU, its numbers left out."""
    with torch.no_grad():
        for each in module.modules():
            for store, kind in ((each._parameters, torch.nn.Parameter), (each._buffers, torch.Tensor.detach)):
                present = [(name, value) for name, value in store.items() if value is not None]
                store.update({name: kind(on_gpu(value.shape, dtype=value.dtype)) for name, value in present})
    return module


class Twin(Exception):
    """The readable twin was called."""


class Names(TorchDispatchMode):
    """Writes down the operations."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(str(function))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("triton", [True, False])
@pytest.mark.parametrize("gpu", ["file:function", None])
def test_an_operator_takes_tensors_of_a_gpu_only_with_a_kernel_for_one(gpu, triton, monkeypatch):
    monkeypatch.setattr(library, "has_triton", lambda: triton)
    kernel = operator(gpu)
    x = on_gpu(2)
    assert kernel.takes(x) == (gpu is not None and triton)
    assert not kernel.takes(x, x.double()) and not kernel.takes(x.half()) and not kernel.takes(x, torch.zeros(2))
    with using(None):
        assert not kernel.takes(x)


@pytest.mark.skipif(not has_triton(), reason="Triton is not installed: pip install triton")
def test_asked_for_triton_on_the_cpu_an_operator_without_it_leaves_the_twin():
    x = torch.zeros(2)
    plain, both = operator(None), operator("file:function")
    assert plain.takes(x) == both.takes(x) == (active_isa() is not None)
    with using("triton"):
        assert both.takes(x) and not plain.takes(x)


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("triton", [True, False])
def test_on_a_gpu_a_product_runs_in_its_kernel_or_on_its_twin(name, triton, monkeypatch):
    def readable(*inputs):
        raise Twin

    module, kernel, shapes = PRODUCTS[name]()
    monkeypatch.setattr(library, "has_triton", lambda: triton)
    monkeypatch.setattr(module, "readable", readable)
    inputs = [shape and on_gpu(shape, dtype=torch.long if isinstance(shape, int) else None) for shape in shapes]
    # without gradients: a build of torch for CPUs has no streams to remember for a backward pass on a GPU
    with torch.no_grad(), Names() as calls, nullcontext() if triton and kernel.on_gpu else pytest.raises(Twin):
        assert moved(module)(*inputs).device.type == "cuda"
    assert (f"intertwine.{name}.default" in calls.names) == (triton and kernel.on_gpu)


def along(*features):
    """A graph of five edges between three nodes."""
    return *features, torch.tensor([0, 1, 2, 2, 0]), torch.tensor([1, 0, 0, 1, 2])


WRONG = {
    "rows of x": (ClebschGordan("0e+1o", "0e+1o"), (torch.ones(5, 3, 2), torch.ones(5, 4, 2))),
    "rows of y": (
        CoupledForm(THREE, gaunt_couplings(THREE, torch.ones(2, 2), False)),
        (torch.ones(5, 4, 2), torch.ones(5, 1, 2)),
    ),
    "channels": (ClebschGordan("0e+1o", "0e+1o"), (torch.ones(5, 4, 3), torch.ones(5, 4, 2))),
    "rows of a decomposed x": (CP("0e+1o", "0e+1o", "0e+1o"), (torch.ones(5, 3, 2), torch.ones(5, 4, 2))),
    "no weight": (CONVOLUTION, along(torch.ones(3, 1, 2), torch.ones(5, 4, 1), None)),
    "rows of a weight": (CONVOLUTION, along(torch.ones(3, 1, 2), torch.ones(5, 4, 1), torch.ones(5, 1, 2))),
    "edges of a weight": (CONVOLUTION, along(torch.ones(3, 1, 2), torch.ones(5, 4, 1), torch.ones(4, 2, 2))),
    "edges of a filter": (CONVOLUTION, along(torch.ones(3, 1, 2), torch.ones(6, 4, 1), torch.ones(5, 2, 2))),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_shape_is_refused_and_no_kernel_reads_past_the_end_of_it(name):
    product, inputs = WRONG[name]
    with pytest.raises((RuntimeError, ValueError, TypeError)):
        product(*inputs)


@pytest.mark.parametrize("filters", ["0e+3o", "3o+0e"])
def test_weights_of_entries_that_reach_nothing_do_not_shift_the_others(filters):
    product = Gaunt("0e", filters, "0e", legs=(2,), weights="external")
    features = [torch.randn(3, 1, 2), torch.randn(5, 8, 1), torch.randn(5, 2, 2)]

    def gradients():
        given = [each.clone().requires_grad_() for each in features]
        return torch.autograd.grad(Convolution(product)(*along(*given)).square().sum(), given)

    found = gradients()
    with using(None):
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, gradients(), strict=True))
