"""The work inside a map, operation by operation, counted without doing it. Counts only; no group acts here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log2, prod
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode

from intertwine.tensor_products.kernels.operator import FLOPS

GEMMS = {"mm", "bmm", "addmm", "baddbmm"}
COPIES = {"clone", "copy_", "_to_copy"}
Kind = Literal["gemm", "fft", "coupling", "stream"]


@dataclass(frozen=True)
class Operation:
    """One step of a computation.

    Example:
        >>> count(nn.Identity(), [(5, 4)])
        []
        >>> [operation.name for operation in count(nn.Softmax(dim=0), [(5, 4)])]
        ['_softmax']
    """

    name: str
    kind: Kind
    """Matrix product, Fourier transform, kernel of ours, or a pass over memory."""
    flops: int
    width: int
    """Of a matrix product: its smallest side, which decides how fast it runs."""
    read: int
    """Bytes; what is broadcast counts once."""
    written: int
    """Bytes."""


def count(
    module: nn.Module, shapes: Sequence[tuple[int, ...]], *, dtype: torch.dtype = torch.float32, derivatives: int = 0
) -> list[Operation]:
    """Every operation of a map at these shapes, on tensors that have shapes and no numbers: takes no memory.

    Args:
        shapes: of the inputs of `forward`.
        derivatives: 1 adds the gradient of the sum of squares by inputs and parameters; 2 adds the gradient of the
            sum of squares of those gradients, as in training on forces.
    """
    watch = _Watch()
    with FakeTensorMode(allow_non_fake_inputs=True):
        inputs = [torch.empty(shape, dtype=dtype, requires_grad=derivatives > 0) for shape in shapes]
        with watch:
            differentiate(module, inputs, derivatives)
    return watch.found


def differentiate(module: nn.Module, inputs: Sequence[Tensor], derivatives: int) -> Any:
    """Evaluate a map and as many derivatives of the sum of squares as asked for."""
    z = module(*inputs)
    leaves = [each for each in (*inputs, *module.parameters()) if each.requires_grad]
    for order in range(derivatives):
        results = z if isinstance(z, tuple) else (z,)
        total = torch.stack([each.square().sum() for each in results if each.requires_grad]).sum()
        z = torch.autograd.grad(total, leaves, create_graph=order + 1 < derivatives, materialize_grads=True)
    return z


class _Watch(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Operation] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if (
            not func.is_view
            and func.namespace != "prim"
            and not name.startswith(("_unsafe_view", "empty", "new_empty"))
        ):
            given, made = _tensors(args), _tensors([result])
            operation = _operation(name, given, made)
            if func.namespace == "intertwine":
                with unset_fake_temporarily():  # tables are real, and are looked into
                    operation = replace(operation, kind="coupling", flops=FLOPS[name](*args))
            self.found.append(operation)
        return result


def _operation(name: str, given: Sequence[Tensor], made: Sequence[Tensor]) -> Operation:
    read, written = sum(map(_bytes, given)), sum(map(_bytes, made))
    size = sum(each.numel() for each in made)
    kind, flops, width = "stream", size, 0
    if name in GEMMS:
        left, right = given[-2:]
        kind, flops = "gemm", 2 * size * left.shape[-1]
        width = min(left.shape[-2], left.shape[-1], right.shape[-1])
    elif name in COPIES:
        flops = 0
    elif name.startswith("_fft"):
        kind, flops = "fft", int(5 * size * log2(max(2, size / max(1, made[0].shape[0]))) / 2)
    return Operation(name, kind, flops, width, read, written)


def _bytes(tensor: Tensor) -> int:
    """Numbers that exist: an expanded axis is stored once."""
    return prod(n for n, step in zip(tensor.shape, tensor.stride(), strict=True) if step) * tensor.itemsize


def _tensors(values: Any) -> list[Tensor]:
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (tuple, list)):
            found += _tensors(value)
    return found
