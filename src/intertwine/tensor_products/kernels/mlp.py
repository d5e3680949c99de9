"""A bias-free network in one pass over its rows, with one derivative. No group acts on `channel`.

    h_0 = x,   h_k = c silu( h_(k-1) W_(k-1) / sqrt(fan_in) ),   result = h_n W_n / sqrt(fan_in)

The twin, and the documentation of what is computed, is `nn.MLP`, which in torch is a dozen operations that each write
their result to memory. Here nothing between the layers is stored: the step back makes it again. That suits forces,
which ask for the gradient by x; gradients by the weights, and second derivatives, go through the twin, which keeps what
they need. So this is for evaluation, and training is better off with the twin from the start.
"""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from intertwine.tensor_products.kernels.blocks import empty
from intertwine.tensor_products.kernels.library import TRITON, active_isa, address, available, kernel
from intertwine.tensor_products.kernels.operator import PLAIN, wanted

Twin = Callable[[Tensor, Sequence[Tensor]], Tensor]


def mlp(x: Tensor, weights: Sequence[Tensor], c: float, twin: Twin) -> Tensor:
    """The network of x `*batch width`; `twin` does the same in torch, for derivatives that the kernel lacks."""
    if torch.is_grad_enabled():
        return _MLP.apply(x, *weights, c, twin)  # tensors first: `wanted` counts those
    return _run(x, weights, c)


def takes(x: Tensor, weights: Sequence[Tensor]) -> bool:
    """Whether the kernel runs on these: plain tensors on the CPU."""
    if torch.compiler.is_compiling() or type(x) not in PLAIN or torch._C._are_functorch_transforms_active():
        return False
    on_cpu = x.device.type == "cpu" and active_isa() != TRITON
    return on_cpu and x.shape[-1:] == weights[0].shape[:1] and available(x, *weights)


def _run(x: Tensor, weights: Sequence[Tensor], c: float, g: Tensor | None = None) -> Tensor:
    """The result, or from its gradient g that of x."""
    widths = [weights[0].shape[0], *[weight.shape[1] for weight in weights]]
    x, weights, g = x.contiguous(), [each.contiguous() for each in weights], None if g is None else g.contiguous()
    y = empty(x, *x.shape[:-1], widths[0 if g is not None else -1])
    if x.numel() and y.numel():
        sizes = (ctypes.c_int64 * (2 + len(widths)))(x.numel() // widths[0], len(weights), *widths)
        matrices = (ctypes.c_void_p * len(weights))(*[weight.data_ptr() for weight in weights])
        scale = ctypes.byref(ctypes.c_double(c))
        given = address(x), matrices, address(g), address(y)
        kernel("mlp", x.dtype)(sizes, scale, *given, torch.get_num_threads())
    return y


class _MLP(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        x, *weights, ctx.c, ctx.twin = inputs
        ctx.save_for_backward(x, *weights)
        return _run(x, weights, ctx.c)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (g,), (x, *weights) = grads, ctx.saved_tensors
        asked = wanted(ctx, *range(1 + len(weights)))
        again = torch.is_grad_enabled()
        if not again and asked == (True,) + (False,) * len(weights):
            return _run(x, weights, ctx.c, g), *[None] * (len(weights) + 2)
        with torch.enable_grad():
            names = [each.view_as(each) if each.requires_grad else each for each in (x, *weights)]
            y = ctx.twin(names[0], names[1:])
            of = [each for each, is_asked in zip(names, asked, strict=True) if is_asked]
            found = iter(torch.autograd.grad(y, of, g, create_graph=again))
        return *[next(found) if is_asked else None for is_asked in asked], None, None
