"""Messages whose weights are a table over the length of the edge, looked up in the pass that uses them.

O(3) acts on `dim`, channels are lanes.

    z[i] = sum over edges e with receivers[e] = i, paths and j of   W(r[e])[path] T[row, k, j] x[senders[e], k] y[e, j]

W is a table as in `hermite`. The twin is `Convolution` with the weights that `hermite` gives; derivatives of the second
order go through it.
"""

import ctypes
from typing import Any

import torch
from torch import Tensor

from intertwine.tensor_products.hermite import Span, hermite
from intertwine.tensor_products.kernels.blocks import empty
from intertwine.tensor_products.kernels.convolve import convolve
from intertwine.tensor_products.kernels.convolve_passes import edge_order
from intertwine.tensor_products.kernels.library import address, kernel
from intertwine.tensor_products.kernels.operator import Operator


def takes(x: Tensor, y: Tensor, r: Tensor, table: Tensor, rows: tuple[int, int, int]) -> bool:
    """Whether the kernel runs on these: of so many `rows`, a length for every edge, a table of as many weights."""
    fits = x.shape[1] == rows[0] and y.shape[1:] == (rows[1],) and r.shape == y.shape[:1]
    return fits and table.shape[1:] == (3, rows[2] * x.shape[2]) and _CONVOLVE_RADIAL.takes(x, y, r, table)


def convolve_radial(
    x: Tensor,
    y: Tensor,
    r: Tensor,
    table: Tensor,
    span: Span,
    senders: Tensor,
    receivers: Tensor,
    structure: Tensor,
    coefficients: Tensor,
    dim: int,
) -> Tensor:
    """The sums of messages: x `node dim1 channel`, y `edge dim2`, r `edge`, table `point 3 weights*channel`."""
    return _CONVOLVE_RADIAL(x, y, r, table, *span, senders, receivers, structure, coefficients, dim)


def _run(
    x: Tensor,
    y: Tensor,
    r: Tensor,
    table: Tensor,
    start: float,
    step: float,
    senders: Tensor,
    receivers: Tensor,
    structure: Tensor,
    coefficients: Tensor,
    dim: int,
) -> Tensor:
    z = empty(x, x.shape[0], dim, x.shape[2])
    if z.numel():
        _call("convolve_radial", (x, y, r, table), (start, step), (z,), senders, receivers, structure, coefficients)
    return z


def _run_backward(
    x: Tensor,
    y: Tensor,
    r: Tensor,
    table: Tensor,
    gz: Tensor,
    start: float,
    step: float,
    senders: Tensor,
    receivers: Tensor,
    structure: Tensor,
    coefficients: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of <gz, z> by x, y and r."""
    gx, gy, gr = torch.zeros_like(x), torch.zeros_like(y), torch.zeros_like(r)
    if gz.numel():
        given, found = (x, y, r, table, gz), (gx, gy, gr)
        _call("convolve_radial_backward", given, (start, step), found, senders, receivers, structure, coefficients)
    return gx, gy, gr


def _call(
    name: str,
    given: tuple[Tensor, ...],
    span: tuple[float, float],
    found: tuple[Tensor, ...],
    senders: Tensor,
    receivers: Tensor,
    structure: Tensor,
    coefficients: Tensor,
) -> None:
    given = tuple(each.contiguous() for each in given)
    (nodes, _, channels), points = given[0].shape, len(given[3])
    senders, receivers = senders.long().contiguous(), receivers.long().contiguous()
    order = edge_order(senders, receivers, nodes)
    sizes = (ctypes.c_int64 * 4)(nodes, len(senders), channels, points)
    graph = [address(each) for each in (senders, order.first, order.order)]
    read, written = [address(each) for each in given], [address(each) for each in found]
    written += [address(each) for each in (order.sender_first, order.places)] if len(found) > 1 else []
    tables = (address(structure), address(coefficients), sizes)
    kernel(name, given[0].dtype)(
        *tables,
        *graph,
        *read[:4],
        (ctypes.c_double * 2)(*span),
        *read[4:],
        *written,
        torch.get_num_threads(),
    )


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    x, y, r, table, ctx.start, ctx.step, senders, receivers, structure, coefficients, _ = inputs
    ctx.save_for_backward(x, y, r, table, senders, receivers, structure, coefficients)


def _backward(ctx: Any, gz: Tensor) -> tuple[Tensor | None, ...]:
    x, y, r, table, *graph = ctx.saved_tensors
    found = _CONVOLVE_RADIAL_BACKWARD(x, y, r, table, gz, ctx.start, ctx.step, *graph)
    return *found, None, None, None, None, None, None, None, None


def _setup_backward(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    x, y, r, table, gz, ctx.start, ctx.step, *graph = inputs
    ctx.save_for_backward(x, y, r, table, gz, *graph)


def _backward_backward(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor | None, ...]:
    """Through the twin: the weights of all edges, then the convolution."""
    x, y, r, table, gz, senders, receivers, structure, coefficients = ctx.saved_tensors
    with torch.enable_grad():
        # names of their own: gz may depend on x
        x, y, r, gz = (
            each.view_as(each) if each.requires_grad else each.detach().requires_grad_() for each in (x, y, r, gz)
        )
        w = hermite(table, r, Span(ctx.start, ctx.step)).unflatten(-1, (-1, x.shape[2]))
        z = convolve(x, y, w, senders, receivers, structure, coefficients, gz.shape[1], ordered=True)
        first = torch.autograd.grad(z, (x, y, r), gz, create_graph=True)
        total = torch.stack([(a * h).sum() for a, h in zip(first, tangents, strict=True) if h is not None]).sum()
    dx, dy, dr, dz = torch.autograd.grad(total, (x, y, r, gz), create_graph=torch.is_grad_enabled(), allow_unused=True)
    return dx, dy, dr, None, dz, None, None, None, None, None, None


def _work(x: Tensor, y: Tensor, table: Tensor, structure: Tensor, coefficients: Tensor, times: int) -> int:
    entries = int(structure[5])
    return 2 * y.shape[0] * (coefficients.numel() + entries * x.shape[2] + 6 * table.shape[2]) * times


_CONVOLVE_RADIAL = Operator(
    "convolve_radial(Tensor x, Tensor y, Tensor r, Tensor table, float start, float step, Tensor senders,"
    " Tensor receivers, Tensor structure, Tensor coefficients, int dim) -> Tensor",
    run=_run,
    shapes=lambda x, *rest: x.new_empty(x.shape[0], rest[-1], x.shape[2]),
    setup=_setup,
    backward=_backward,
    flops=lambda x, y, r, table, start, step, senders, receivers, structure, coefficients, dim: _work(
        x, y, table, structure, coefficients, 1
    ),
)
_CONVOLVE_RADIAL_BACKWARD = Operator(
    "convolve_radial_backward(Tensor x, Tensor y, Tensor r, Tensor table, Tensor gz, float start, float step,"
    " Tensor senders, Tensor receivers, Tensor structure, Tensor coefficients) -> (Tensor, Tensor, Tensor)",
    run=_run_backward,
    shapes=lambda x, y, r, *_: tuple(
        torch.empty_like(each, memory_format=torch.contiguous_format) for each in (x, y, r)
    ),
    setup=_setup_backward,
    backward=_backward_backward,
    flops=lambda x, y, r, table, gz, start, step, senders, receivers, structure, coefficients: _work(
        x, y, table, structure, coefficients, 3
    ),
)
