"""The bilinear map of a coupling table on a GPU, in Triton, with two derivatives; O(3) acts on `dim`.

    F = sum over terms of   coefficient * w[path] x[i] y[j] gz[row]

is linear in all four. The product and its gradients are F without one of them, summed over the terms that share the
index of the one left out, and second derivatives are the slopes of these gradients. `kernels.couple` says what is
computed; its operators call the three functions of this file for tensors on a GPU.
"""

from typing import NamedTuple

from torch import Tensor

from intertwine.tensor_products.kernels.coupling_terms import coupling_terms
from intertwine.tensor_products.kernels.term_table import TermTable, kept, term_table
from intertwine.tensor_products.kernels.triton_sum import Factor, sum_of_products


class _Tables(NamedTuple):
    """The terms sorted by each of the four, named by what the rows belong to."""

    x: TermTable
    y: TermTable
    w: TermTable
    z: TermTable


def couple(x: Tensor, y: Tensor, w: Tensor | None, structure: Tensor, coefficients: Tensor, dim: int) -> Tensor:
    """The product, `batch dim channel`."""
    tables = _tables(x, y, w, dim, structure, coefficients)
    shared = [] if w is None else [Factor(w.contiguous())]
    return sum_of_products(tables.z, shared, [Factor(x.contiguous()), Factor(y.contiguous())], len(x), x.shape[2])


def couple_backward(
    x: Tensor, y: Tensor, w: Tensor | None, gz: Tensor, structure: Tensor, coefficients: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of <gz, z> by x, y and w (empty without weights)."""
    tables = _tables(x, y, w, gz.shape[1], structure, coefficients)
    sizes = (len(x), x.shape[2])
    of_x, of_y, of_z = Factor(x.contiguous()), Factor(y.contiguous()), Factor(gz.contiguous())
    of_w = [] if w is None else [Factor(w.contiguous())]
    gx = sum_of_products(tables.x, of_w, [of_y, of_z], *sizes)
    gy = sum_of_products(tables.y, of_w, [of_x, of_z], *sizes).sum_to_size(y.shape)
    if w is None:
        return gx, gy, x.new_empty(0)
    return gx, gy, sum_of_products(tables.w, [of_z], [of_x, of_y], *sizes).sum_to_size(w.shape)


def couple_twice(
    x: Tensor,
    y: Tensor,
    w: Tensor | None,
    gz: Tensor,
    hx: Tensor,
    hy: Tensor,
    hw: Tensor,
    structure: Tensor,
    coefficients: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of <gx, hx> + <gy, hy> + <gw, hw> by x, y, w (empty without weights) and gz."""
    tables = _tables(x, y, w, gz.shape[1], structure, coefficients)
    sizes = (len(x), x.shape[2])
    of_x, of_y = Factor(x.contiguous(), hx.contiguous()), Factor(y.contiguous(), hy.contiguous())
    of_w = [] if w is None else [Factor(w.contiguous(), hw.contiguous())]
    of_z = Factor(gz.contiguous())
    dx = sum_of_products(tables.x, of_w, [of_y, of_z], *sizes, slope=True)
    dy = sum_of_products(tables.y, of_w, [of_x, of_z], *sizes, slope=True).sum_to_size(y.shape)
    dz = sum_of_products(tables.z, of_w, [of_x, of_y], *sizes, slope=True)
    if w is None:
        return dx, dy, x.new_empty(0), dz
    return dx, dy, sum_of_products(tables.w, [of_z], [of_x, of_y], *sizes, slope=True).sum_to_size(w.shape), dz


def _tables(x: Tensor, y: Tensor, w: Tensor | None, dim: int, structure: Tensor, coefficients: Tensor) -> _Tables:
    def build() -> _Tables:
        terms = coupling_terms(structure, coefficients)
        i, j, k, p = terms.x, terms.y, terms.z, terms.path
        of_w, paths = ([], 1) if w is None else ([p], w.shape[1])
        return _Tables(
            x=term_table(i, of_w, [j, k], terms.coefficients, x.shape[1], coefficients),
            y=term_table(j, of_w, [i, k], terms.coefficients, y.shape[1], coefficients),
            w=term_table(p, [k], [i, j], terms.coefficients, paths, coefficients),
            z=term_table(k, of_w, [i, j], terms.coefficients, dim, coefficients),
        )

    return kept(structure, (None if w is None else w.shape[1], coefficients.dtype), build)
