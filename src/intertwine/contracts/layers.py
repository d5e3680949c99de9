"""What every layer must keep: O(3) acts along `dim`, samples stay apart, derivatives, copies and precision hold."""

from collections.abc import Callable, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call

from intertwine.contracts.case import (
    BATCHES,
    EXACT_FLOAT32,
    EXACT_FLOAT64,
    Batch,
    Case,
    Draw,
    cast,
    require,
    require_close,
)
from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error
from intertwine.o3.irreps import Irreps, IrrepsLike
from intertwine.o3.representation import IrrepsRepresentation


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

    def inputs(batch: Batch, draw: "Draw") -> tuple[Tensor, ...]:
        return draw(*batch, irreps_in.dim, channels), *others(batch)

    reps = (irreps_in, *(None for _ in others((1,))))
    case = Case(deepcopy(layer).double(), inputs, reps, irreps_out, None, Draw(generator), rounding)
    check_map(case, batches)


def check_map(case: Case, batches: Sequence[Batch]) -> None:
    """All of `check_layer` on a module with its inputs."""
    _check_shapes(case, batches)
    _check_equivariance(case)
    _check_precision(case)
    _check_copies(case)
    _check_derivatives(case)


def _check_shapes(case: Case, batches: Sequence[Batch]) -> None:
    for batch in batches:
        inputs = case.inputs(*batch)
        z = case.module(*inputs)
        channels = z.shape[-1] if case.channels is None else case.channels
        expected = (*batch, case.irreps_out.dim, channels)
        require(z.shape == expected, f"expected a result of shape {expected} for batch {batch}, came {tuple(z.shape)}")
        require(z.dtype == inputs[0].dtype, f"expected the dtype of x, {inputs[0].dtype}, came {z.dtype}")
        if 0 in batch or not batch:
            continue
        for sample in range(batch[0]):
            alone = case.module(*(each[sample : sample + 1] for each in inputs))
            require_close("samples of a batch do not see each other", alone, z[sample : sample + 1], EXACT_FLOAT64)


def _check_equivariance(case: Case) -> None:
    reps = [None if irreps is None else IrrepsRepresentation(irreps) for irreps in case.irreps_in]
    for dtype, bound in ((torch.float64, EXACT_FLOAT64), (torch.float32, case.rounding)):
        module = deepcopy(case.module).to(dtype)
        inputs = [cast(each, dtype) for each in case.inputs(4)]
        rep_out = IrrepsRepresentation(case.irreps_out)
        error = equivariance_error(module, inputs, reps, rep_out, O(3), generator=case.draw.generator)
        require(error <= bound, f"expected equivariance over O(3) to {bound:.0e} in {dtype}, came {error:.1e}")
    z = case.module(*case.inputs(4))
    for ir, rows in zip(case.irreps_out, case.irreps_out.slices(), strict=True):
        require(bool((z[..., rows, :] != 0).any()), f"entry {ir} of irreps_out at rows {rows} is zero for any input")


def _check_precision(case: Case) -> None:
    inputs = case.inputs(4)
    single = deepcopy(case.module).float()(*(cast(each, torch.float32) for each in inputs))
    require(single.dtype == torch.float32, f"expected a float32 result from float32 inputs, came {single.dtype}")
    exact = deepcopy(case.module).float().double()(*(cast(cast(each, torch.float32), torch.float64) for each in inputs))
    require_close("float32 and float64 agree", single.double(), exact, case.rounding)


def _check_copies(case: Case) -> None:
    module, inputs = deepcopy(case.module), case.inputs(4)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.float())
    z = module(*inputs)
    require(torch.equal(z, module(*inputs)), "the same inputs give different bits the second time")
    require(torch.equal(z, deepcopy(module)(*inputs)), "a deepcopy gives other numbers")
    there_and_back = deepcopy(module).float().double()
    require(
        torch.equal(z, there_and_back(*inputs)),
        "constants lose digits in .float().double(); keep them in o3.Constants, not in plain buffers",
    )
    state, names = module.state_dict(), {name for name, _ in module.named_parameters()}
    require(
        set(state) == names,
        f"the state dict holds {sorted(set(state) - names)} besides parameters; register them with persistent=False",
    )
    loaded = deepcopy(module)
    with torch.no_grad():
        for parameter in loaded.parameters():
            parameter.zero_()
    loaded.load_state_dict({name: value.clone() for name, value in state.items()})
    require(torch.equal(z, loaded(*inputs)), "loading the state dict does not give the same map back")


def _check_derivatives(case: Case) -> None:
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
