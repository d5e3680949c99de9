"""Symmetric contraction as a compiled operator: polynomials of every node's feature; O(3) acts on `dim`.

    z[n, o] = sum over p of  w[element_n, p] U[p, o] . monomials(x[n])

The twin, and the documentation of what is computed, is `ClebschGordanContraction.readable`. The kernel never stores
monomials: it folds the weights of an element into the coefficients of one polynomial per row of the result.
"""

import ctypes
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from intertwine.tensor_products.kernels.blocks import empty
from intertwine.tensor_products.kernels.library import address, kernel, sort_edges
from intertwine.tensor_products.kernels.operator import Operator, refuse_third, wanted


def takes(x: Tensor, w: Tensor, element: Tensor, dim: int) -> bool:
    """Whether the kernel runs on these: x `node dim channel`, w with the same channels, an element for every node."""
    fits = x.dim() == 3 and x.shape[1:] == (dim, w.shape[2]) and element.shape == x.shape[:1]
    return fits and _CONTRACT.takes(x, w)


def contract(x: Tensor, w: Tensor, element: Tensor, structure: Tensor, coefficients: Tensor, dim: int) -> Tensor:
    """The contraction of x `node dim_in channel` with weights w `element weight channel`: `node dim channel`."""
    return _CONTRACT(x, w, element, structure, coefficients, dim)


def _sorted(element: Tensor, elements: int) -> tuple[Tensor, Tensor]:
    """Nodes by element: node `order[first[k]]` is the first of element k."""
    element = element.long().contiguous()
    first, order, *rest = (element.new_empty(size) for size in (elements + 1, len(element), elements + 1, len(element)))
    if not sort_edges(element, element, elements, first, order, *rest):
        raise IndexError(
            f"Contraction: expected elements from 0 to {elements - 1}, those that it has weights for, came indices "
            f"from {int(element.min())} to {int(element.max())}. Check that model and graph list the same elements."
        )
    return first, order


def _call(
    name: str, given: tuple[Tensor | None, ...], found: tuple[Tensor | None, ...], element: Tensor, *tables: Tensor
) -> None:
    x, w = given[:2]
    assert x is not None and w is not None
    first, order = _sorted(element, w.shape[0])
    sizes = _sizes(x.shape[0], w.shape[0], x.shape[2])
    places = [address(each) for each in (first, order, *given, *found)]
    kernel(name, x.dtype)(*(address(each) for each in tables), sizes, *places, torch.get_num_threads())


@lru_cache(maxsize=1024)
def _sizes(*sizes: int) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * len(sizes))(*sizes)


def _run(x: Tensor, w: Tensor, element: Tensor, structure: Tensor, coefficients: Tensor, dim: int) -> Tensor:
    x, w = x.contiguous(), w.contiguous()
    z = empty(x, x.shape[0], dim, x.shape[2])
    _call("contract", (x, w), (z,), element, structure, coefficients)
    return z


def _run_backward(
    x: Tensor, w: Tensor, gz: Tensor, element: Tensor, structure: Tensor, coefficients: Tensor, of_w: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of <gz, z> by x and, if asked for, by w; else that is empty."""
    x, w, gz = x.contiguous(), w.contiguous(), gz.contiguous()
    gx, gw = empty(x, *x.shape), torch.empty_like(w) if of_w else None
    _call("contract_backward", (x, w, gz), (gx, gw), element, structure, coefficients)
    return gx, w.new_empty(0) if gw is None else gw


def _run_twice(
    x: Tensor,
    w: Tensor,
    gz: Tensor,
    hx: Tensor,
    hw: Tensor | None,
    element: Tensor,
    structure: Tensor,
    coefficients: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of <gx, hx> + <gw, hw> by x, w and gz."""
    x, w, gz, hx = (each.contiguous() for each in (x, w, gz, hx))
    dx, dw, dz = empty(x, *x.shape), torch.empty_like(w), empty(gz, *gz.shape)
    given = (x, w, gz, hx, None if hw is None else hw.contiguous())
    _call("contract_twice", given, (dx, dw, dz), element, structure, coefficients)
    return dx, dw, dz


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs[:-1])


def _backward(ctx: Any, gz: Tensor) -> tuple[Tensor | None, ...]:
    x, w, *rest = ctx.saved_tensors
    (of_w,) = wanted(ctx, 1)
    gx, gw = _CONTRACT_BACKWARD(x, w, gz, *rest, of_w)
    return gx, gw if of_w else None, None, None, None, None


def _backward_backward(ctx: Any, hx: Tensor | None, hw: Tensor | None) -> tuple[Tensor | None, ...]:
    x, w, gz, *rest = ctx.saved_tensors
    hx = torch.zeros_like(x) if hx is None else hx
    return *_CONTRACT_TWICE(x, w, gz, hx, hw, *rest), None, None, None, None


def _work(structure: Tensor, x: Tensor) -> int:
    """Of one evaluation: a multiplication for every product, one with an addition for every entry."""
    products, entries = structure[3:5].tolist()
    return x.shape[0] * x.shape[2] * (products + 2 * entries)


def _like(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(torch.empty_like(each, memory_format=torch.contiguous_format) for each in tensors)


_CONTRACT = Operator(
    "contract(Tensor x, Tensor w, Tensor element, Tensor structure, Tensor coefficients, int dim) -> Tensor",
    run=_run,
    shapes=lambda x, w, element, structure, coefficients, dim: x.new_empty(x.shape[0], dim, x.shape[2]),
    setup=_setup,
    backward=_backward,
    flops=lambda x, w, element, structure, *_: _work(structure, x),
    gpu="triton_contract:contract",
)
_CONTRACT_BACKWARD = Operator(
    "contract_backward(Tensor x, Tensor w, Tensor gz, Tensor element, Tensor structure, Tensor coefficients,"
    " bool of_w) -> (Tensor, Tensor)",
    run=_run_backward,
    shapes=lambda x, w, gz, *rest: _like(x, w) if rest[-1] else (*_like(x), w.new_empty(0)),
    setup=_setup,
    backward=_backward_backward,
    flops=lambda x, w, gz, element, structure, *_: 3 * _work(structure, x),
    gpu="triton_contract:contract_backward",
)
_CONTRACT_TWICE = Operator(
    "contract_twice(Tensor x, Tensor w, Tensor gz, Tensor hx, Tensor? hw, Tensor element, Tensor structure,"
    " Tensor coefficients) -> (Tensor, Tensor, Tensor)",
    run=_run_twice,
    shapes=lambda x, w, gz, *_: _like(x, w, gz),
    setup=_setup,
    backward=refuse_third("contract"),
    flops=lambda x, w, gz, hx, hw, element, structure, *_: 8 * _work(structure, x),
    gpu="triton_contract:contract_twice",
)
