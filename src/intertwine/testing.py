"""Contract checks: all that a product, a layer (O(3) acts along `dim`) or a potential (E(3)) must keep, in one call."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call

from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error, relative_error
from intertwine.o3.irreps import Irreps, IrrepsLike
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.potentials.models.contract import check_potential
from intertwine.tensor_products.base import TensorProduct

__all__ = ["check_compiles", "check_layer", "check_potential", "check_tensor_product"]

EXACT_FLOAT64 = 1e-12
"""Largest error of an exact map in float64, relative to the root mean square of its result."""
EXACT_FLOAT32 = 5e-6
"""The same in float32."""

Batch = tuple[int, ...]
BATCHES: tuple[Batch, ...] = ((), (0,), (5,), (2, 3))


def check_tensor_product(
    product: TensorProduct, *, channels: int = 3, generator: torch.Generator | None = None
) -> None:
    r"""Check a member of the tensor-product family, ours or your own, against the contract of `TensorProduct`.

    All that `check_layer` checks, for both factors and the weight, and

        product(a x + x', y) = a product(x, y) + product(x', y),    the same in y
        channels stay apart,  y may have one channel,  one weight may serve the whole batch
        every weight row matters,  a missing or unwanted weight is an error,  filter_form() is the same map

    Args:
        product: at any size; three or four irreps of low degree on each leg keep it fast.
        channels: of x, where the product does not fix them by its internal weights.
        generator: for the random features; a fixed seed where left out.

    Raises:
        AssertionError: the first sentence of the contract that fails, with the error and the bound.

    Example:
        >>> from intertwine.tensor_products import Gaunt
        >>> check_tensor_product(Gaunt("0e+1o", "0e+1o", odd="bracket", weights="external"))
    """
    product = deepcopy(product).double()
    channels = channels if product.weight is None else product.weight.shape[-1]
    irreps = (product.irreps_in1, product.irreps_in2, product.irreps_out)
    external = product.weights == "external"

    def inputs(batch: Batch, draw: "_Draw") -> tuple[Tensor, ...]:
        x, y = (draw(*batch, each.dim, channels) for each in irreps[:2])
        return (x, y, draw(*batch, product.weight_count, channels)) if external else (x, y)

    reps: tuple[Irreps | None, ...] = (*irreps[:2], None) if external else irreps[:2]
    case = _Case(product, inputs, reps, irreps[2], channels, _Draw(generator))
    _check_map(case, BATCHES)
    _check_bilinear(case)
    _check_channels(case)
    _check_weights(case, product)
    _check_filter_form(case, product)


def check_layer(
    layer: nn.Module,
    irreps_in: IrrepsLike,
    irreps_out: IrrepsLike,
    *,
    channels: int,
    others: Callable[[Batch], tuple[Tensor, ...]] = lambda batch: (),
    batches: Sequence[Batch] = BATCHES,
    rounding: float = EXACT_FLOAT32,
    generator: torch.Generator | None = None,
) -> None:
    r"""Check a layer x -> layer(x, *others) of features `*batch dim channel`, ours or your own.

        equivariance over O(3) in float64 and float32,  every irrep of the result alive
        shapes for batches of any rank, empty ones too,  samples of a batch apart
        first and second derivatives, in x and in the parameters, against finite differences
        the same bits twice, after deepcopy, after a round trip of the state dict, after .float().double()
        nothing but parameters in the state dict

    Args:
        channels: of x.
        others: makes the further arguments of the layer for a batch shape; the group leaves them alone.
        batches: shapes to try; give those of rank one to a layer that wants `node dim channel`.
        rounding: largest error in float32, relative to the result; networks of several layers need a wider one.
        generator: for the random features; a fixed seed where left out.

    Raises:
        AssertionError: the first of these that fails, with the error and the bound.

    Example:
        >>> from intertwine.nn import Linear
        >>> check_layer(Linear("0e+1o", "2x1o", 4, 2), "0e+1o", "2x1o", channels=4)
    """
    irreps_in, irreps_out = Irreps(irreps_in), Irreps(irreps_out)

    def inputs(batch: Batch, draw: "_Draw") -> tuple[Tensor, ...]:
        return draw(*batch, irreps_in.dim, channels), *others(batch)

    reps = (irreps_in, *(None for _ in others((1,))))
    case = _Case(deepcopy(layer).double(), inputs, reps, irreps_out, None, _Draw(generator), rounding)
    _check_map(case, batches)


def check_compiles(module: nn.Module, *inputs: Tensor, tolerance: float = EXACT_FLOAT64) -> None:
    """Check that a module traces whole by torch.compile and torch.export, and still gives the same result.

    Run it in a process without runtime type checkers: their wrappers do not trace.

    Raises:
        AssertionError: the traced module gives something else. Errors of torch's tracer pass through.

    Example:
        >>> from intertwine.nn import MLP
        >>> check_compiles(MLP(2, 3, 1).double(), torch.randn(5, 2, dtype=torch.float64))  # doctest: +SKIP
    """
    expected = module(*inputs)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    _require_close("torch.compile gives the same result", compiled(*inputs), expected, tolerance)
    exported = torch.export.export(module, inputs).module()
    _require_close("torch.export gives the same result", exported(*inputs), expected, tolerance)


class _Draw:
    """Random float64 features from one generator."""

    def __init__(self, generator: torch.Generator | None) -> None:
        self.generator = torch.Generator().manual_seed(0) if generator is None else generator

    def __call__(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)


@dataclass(frozen=True)
class _Case:
    """A module in float64 with its types: how to draw inputs, how O(3) acts on them and on the result."""

    module: nn.Module
    make: Callable[[Batch, _Draw], tuple[Tensor, ...]]
    irreps_in: tuple[Irreps | None, ...]
    irreps_out: Irreps
    channels: int | None
    draw: _Draw
    rounding: float = EXACT_FLOAT32

    def inputs(self, *batch: int) -> tuple[Tensor, ...]:
        return self.make(batch, self.draw)


def _check_map(case: _Case, batches: Sequence[Batch]) -> None:
    _check_shapes(case, batches)
    _check_equivariance(case)
    _check_precision(case)
    _check_copies(case)
    _check_derivatives(case)


def _check_shapes(case: _Case, batches: Sequence[Batch]) -> None:
    for batch in batches:
        inputs = case.inputs(*batch)
        z = case.module(*inputs)
        channels = z.shape[-1] if case.channels is None else case.channels
        expected = (*batch, case.irreps_out.dim, channels)
        _require(z.shape == expected, f"expected a result of shape {expected} for batch {batch}, came {tuple(z.shape)}")
        _require(z.dtype == inputs[0].dtype, f"expected the dtype of x, {inputs[0].dtype}, came {z.dtype}")
        if 0 in batch or not batch:
            continue
        for sample in range(batch[0]):
            alone = case.module(*(each[sample : sample + 1] for each in inputs))
            _require_close("samples of a batch do not see each other", alone, z[sample : sample + 1], EXACT_FLOAT64)


def _check_equivariance(case: _Case) -> None:
    reps = [None if irreps is None else IrrepsRepresentation(irreps) for irreps in case.irreps_in]
    for dtype, bound in ((torch.float64, EXACT_FLOAT64), (torch.float32, case.rounding)):
        module = deepcopy(case.module).to(dtype)
        inputs = [_cast(each, dtype) for each in case.inputs(4)]
        rep_out = IrrepsRepresentation(case.irreps_out)
        error = equivariance_error(module, inputs, reps, rep_out, O(3), generator=case.draw.generator)
        _require(error <= bound, f"expected equivariance over O(3) to {bound:.0e} in {dtype}, came {error:.1e}")
    z = case.module(*case.inputs(4))
    for ir, rows in zip(case.irreps_out, case.irreps_out.slices(), strict=True):
        _require(bool((z[..., rows, :] != 0).any()), f"entry {ir} of irreps_out at rows {rows} is zero for any input")


def _check_precision(case: _Case) -> None:
    inputs = case.inputs(4)
    single = deepcopy(case.module).float()(*(_cast(each, torch.float32) for each in inputs))
    _require(single.dtype == torch.float32, f"expected a float32 result from float32 inputs, came {single.dtype}")
    exact = (
        deepcopy(case.module).float().double()(*(_cast(_cast(each, torch.float32), torch.float64) for each in inputs))
    )
    _require_close("float32 and float64 agree", single.double(), exact, case.rounding)


def _check_copies(case: _Case) -> None:
    module, inputs = deepcopy(case.module), case.inputs(4)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.float())
    z = module(*inputs)
    _require(torch.equal(z, module(*inputs)), "the same inputs give different bits the second time")
    _require(torch.equal(z, deepcopy(module)(*inputs)), "a deepcopy gives other numbers")
    there_and_back = deepcopy(module).float().double()
    _require(
        torch.equal(z, there_and_back(*inputs)),
        "constants lose digits in .float().double(); keep them in o3.Constants, not in plain buffers",
    )
    state, names = module.state_dict(), {name for name, _ in module.named_parameters()}
    _require(
        set(state) == names,
        f"the state dict holds {sorted(set(state) - names)} besides parameters; register them with persistent=False",
    )
    loaded = deepcopy(module)
    with torch.no_grad():
        for parameter in loaded.parameters():
            parameter.zero_()
    loaded.load_state_dict({name: value.clone() for name, value in state.items()})
    _require(torch.equal(z, loaded(*inputs)), "loading the state dict does not give the same map back")


def _check_derivatives(case: _Case) -> None:
    inputs = case.inputs(2)
    parameters = dict(case.module.named_parameters())
    floats = [each.is_floating_point() for each in inputs]

    def f(*values: Tensor) -> Tensor:
        given = iter(values)
        arguments = tuple(next(given) if is_float else each for is_float, each in zip(floats, inputs, strict=True))
        return functional_call(case.module, dict(zip(parameters, given, strict=True)), arguments)

    leaves = [each for is_float, each in zip(floats, inputs, strict=True) if is_float] + list(parameters.values())
    leaves = [each.detach().clone().requires_grad_() for each in leaves]
    with torch.random.fork_rng(devices=[]):  # torch draws directions from its global generator
        torch.manual_seed(0)
        try:
            gradcheck(f, leaves, fast_mode=True)
            gradgradcheck(f, leaves, fast_mode=True)
        except RuntimeError as error:
            raise AssertionError(f"derivatives do not match finite differences: {error}") from error


def _check_bilinear(case: _Case) -> None:
    inputs, more = case.inputs(4), case.inputs(4)
    for place, name in enumerate("xy"):
        other = [more[place] if i == place else each for i, each in enumerate(inputs)]
        both = [3 * inputs[place] + more[place] if i == place else each for i, each in enumerate(inputs)]
        expected = 3 * case.module(*inputs) + case.module(*other)
        _require_close(f"the product is linear in {name}", case.module(*both), expected, EXACT_FLOAT64)


def _check_channels(case: _Case) -> None:
    x, y, *weight = case.inputs(4)
    z = case.module(x, y, *weight)
    for channel in range(x.shape[-1]):
        rest = (torch.arange(x.shape[-1]) != channel).to(x.dtype)
        for name, changed in (("x", (x + rest, y)), ("y", (x, y + rest))):
            kept = case.module(*changed, *weight)[..., channel]
            sentence = f"a channel of {name} reaches only its own of the result"
            _require_close(sentence, kept, z[..., channel], EXACT_FLOAT64)
    one = y[..., :1]
    expected = case.module(x, one.expand_as(y), *weight)
    _require_close("y of one channel serves all of x", case.module(x, one, *weight), expected, EXACT_FLOAT64)


def _check_weights(case: _Case, product: TensorProduct) -> None:
    x, y, *given = case.inputs(4)
    wrong = [] if given else [torch.ones(4, 1, 1, dtype=torch.float64)]
    try:
        product(x, y, *wrong)
    except ValueError:
        pass
    else:
        raise AssertionError(f"expected a ValueError for a {'missing' if given else 'needless'} weight, came none")
    weight = given[0] if given else product.weight
    if weight is None:
        return
    weight = weight.detach().requires_grad_()
    z = product(x, y, weight) if given else functional_call(product, {"weight": weight}, (x, y))
    gradient = torch.autograd.grad(z.square().sum(), weight)[0]
    dead = [row for row in range(weight.shape[-2]) if not gradient[..., row, :].any()]
    _require(not dead, f"rows {dead} of the weight change nothing")
    if given:
        shared = weight.detach()[0]
        expected = product(x, y, shared.expand_as(weight))
        _require_close("one weight serves the whole batch", product(x, y, shared), expected, EXACT_FLOAT64)


def _check_filter_form(case: _Case, product: TensorProduct) -> None:
    if product.weights == "internal":
        return
    form = product.filter_form().double()
    for batch in BATCHES:
        x, y, *weight = case.inputs(*batch)
        y = y[..., :1]
        _require_close("filter_form is the same map", form(x, y, *weight), product(x, y, *weight), EXACT_FLOAT64)


def _cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x.to(dtype) if x.is_floating_point() else x


def _require_close(sentence: str, value: Tensor, expected: Tensor, bound: float) -> None:
    error = relative_error(value, expected)
    _require(error <= bound, f"expected that {sentence} to {bound:.0e}, came {error:.1e}")


def _require(condition: bool, failure: str) -> None:
    if not condition:
        raise AssertionError(failure)
