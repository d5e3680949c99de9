"""Registers a kernel with torch, so that autograd, torch.compile and torch.export see one differentiable operator."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from intertwine.tensor_products.kernels.library import TRITON, active_isa, available

PLAIN = (Tensor, nn.Parameter)
LIBRARY = torch.library.Library("intertwine", "DEF")
FLOPS: dict[str, Callable[..., int]] = {}
"""Floating-point operations of a call, by operator, from its arguments."""


class Operator:
    """One operator: a function of tensors and integers that returns tensors, with its derivative.

    In eager mode it runs as an autograd function, which is a good deal cheaper to call than a registered operator;
    under torch.compile and torch.export as `torch.ops.intertwine.<name>`. Both share `setup` and `backward`.

    Args:
        schema: name, arguments and results in torch's schema language.
        run: the work, on real tensors on the CPU.
        gpu: the same on a GPU, as "file:function" of this folder; imported when the first tensor on a GPU comes.
        shapes: the same on fake tensors: empty results of the right shapes.
        setup: what to keep for `backward`: `setup(ctx, inputs, output)`.
        backward: gradients of the inputs, itself made of differentiable operators: `backward(ctx, *grads)`; of several
            results some may have no gradient, None.
        flops: floating-point operations of a call with these arguments.
    """

    def __init__(
        self,
        schema: str,
        *,
        run: Callable[..., Any],
        shapes: Callable[..., Any],
        setup: Callable[[Any, Any, Any], None],
        backward: Callable[..., Any],
        flops: Callable[..., int],
        gpu: str | None = None,
    ):
        name = schema[: schema.index("(")]
        FLOPS[name] = flops
        LIBRARY.define(schema)
        on_gpu = _refused(name) if gpu is None else _imported(gpu)
        LIBRARY.impl(name, on_gpu, "CUDA")
        run = _by_device(run, on_gpu)
        LIBRARY.impl(name, run, "CPU")
        torch.library.register_fake(f"intertwine::{name}", shapes)
        torch.library.register_autograd(f"intertwine::{name}", backward, setup_context=setup)
        self.registered = getattr(torch.ops.intertwine, name).default
        self.run, self.on_gpu = run, gpu is not None

        def forward(ctx: Any, *inputs: Any) -> Any:  # a separate setup_context would cost ten microseconds more
            ctx.set_materialize_grads(False)
            output = run(*inputs)
            setup(ctx, inputs, output)
            return output

        def pull(ctx: Any, *grads: Any) -> Any:
            if all(each is None for each in grads):
                return (None,) * len(ctx.needs_input_grad)
            return backward(ctx, *grads)

        members = {"forward": forward, "backward": pull}
        kind = type(name, (torch.autograd.Function,), {key: staticmethod(value) for key, value in members.items()})
        self.eager: Callable[..., Any] = kind.apply  # type: ignore[attr-defined]

    def takes(self, *tensors: Tensor | None) -> bool:
        """Whether it runs on these tensors, `available`; those on a GPU only if there is a kernel for one."""
        return available(*tensors, gpu=self.on_gpu)

    def __call__(self, *inputs: Any) -> Any:
        """Run at once on plain tensors; on others, such as the fakes of a compiler, as the registered operator."""
        if torch.compiler.is_compiling():
            return self.registered(*inputs)
        wanted = torch.is_grad_enabled()
        tracked = False
        for each in inputs:
            if isinstance(each, Tensor):
                if type(each) not in PLAIN:
                    return self.registered(*inputs)
                tracked = tracked or each.requires_grad
        return self.eager(*inputs) if tracked and wanted else self.run(*inputs)


def wanted(ctx: Any, *inputs: int) -> tuple[bool, ...]:
    """Which inputs of an operator need a gradient in the backward pass that is running, asked in `backward`.

    Forces need the gradient by harmonics and none by weights, although weights require one in training. torch tells
    apart what a pass visits from what it could visit; where it does not say, everything is wanted.
    """
    needed = ctx.needs_input_grad
    if torch.compiler.is_compiling() or not hasattr(ctx, "next_functions"):
        return tuple(needed[index] for index in inputs)
    nodes = ctx.next_functions  # made anew whenever it is asked for
    return tuple(needed[index] and _visited(nodes[index][0]) for index in inputs)


def _visited(node: Any) -> bool:
    try:
        return torch._C._will_engine_execute_node(node)
    except (AttributeError, RuntimeError, TypeError):  # a leaf that was asked for, a version of torch that cannot tell
        return True


def refuse_third(name: str) -> Callable[..., Any]:
    """The `backward` of an operator that is itself a second derivative."""

    def refuse(ctx: Any, *grads: Tensor | None) -> Any:
        raise NotImplementedError(
            f"{name}: compiled kernels have two derivatives, came a request for a third. Compute it on the readable "
            "twins: with intertwine.tensor_products.kernels.library.using(None): ..."
        )

    return refuse


def _imported(place: str) -> Callable[..., Any]:
    """A function that imports itself when it is called."""
    file, name = place.split(":")

    @cache
    def function() -> Callable[..., Any]:
        return getattr(import_module(f"{__package__}.{file}"), name)

    return lambda *inputs: function()(*inputs)


def _refused(name: str) -> Callable[..., Any]:
    def refuse(*inputs: Any) -> Any:
        raise NotImplementedError(
            f"{name}: this kernel runs on the CPU only, came a tensor on {inputs[0].device}. Compute it on the "
            f"readable twins: with intertwine.tensor_products.kernels.library.using(None): ..."
        )

    return refuse


def _by_device(run: Callable[..., Any], on_gpu: Callable[..., Any]) -> Callable[..., Any]:
    """The one of two functions that the first input, a tensor, asks for."""

    def chosen(*inputs: Any) -> Any:
        return (on_gpu if inputs[0].is_cuda or active_isa() == TRITON else run)(*inputs)

    return chosen
