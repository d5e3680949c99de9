"""Gradients of edges, on a GPU, in Triton; O(3) acts on rows and columns, channels are lanes.

The gradients of <near, out> for the sum `out` of `triton_edges`, by the weights and by the matrix of every edge:

    gw[e, path, c] = sum over entries t of the path of   matrix[e, t] near[node, row_t, c] far[other, column_t, c]
    gm[e, t]       = sum over channels c of   w[e, path_t, c] near[node, row_t, c] far[other, column_t, c]

With tangents they are the derivatives of these along them, by the product rule. No two edges share a result.
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

from intertwine.tensor_products.kernels.term_table import TermTable
from intertwine.tensor_products.kernels.triton_edges import EDGES, WIDEST, Dual, Ends, power_of_two


def gradients_of_edges(
    table: TermTable, matrix: Dual, w: Dual | None, near: Tensor, far: Dual, ends: Ends, *, slope: bool = False
) -> tuple[Tensor, Tensor]:
    """`gm` and `gw` (empty without weights), or with `slope` their derivatives.

    Shapes: matrix `edge entry`, w `edge path channel`, near and far `node row channel`, `table` by path, its terms
    (row, column, entry).
    """
    (edges, entries), (_, rows, channels) = matrix.values.shape, far.values.shape
    lanes = min(WIDEST, power_of_two(channels))
    columns = int(triton.cdiv(channels, lanes))
    gw = far.values.new_empty(0) if w is None else far.values.new_empty(edges, table.rows, channels)
    gm = far.values.new_empty(columns, edges, entries)
    if gm.numel():
        steps = (entries, table.rows * channels, near.shape[1] * channels, rows * channels)
        given = (matrix.values, None if w is None else w.values, near, far.values)
        tangents = (matrix.tangent, None if w is None else w.tangent, far.tangent)
        with torch.cuda.device_of(gm):
            _gradients_of_edges[(triton.cdiv(edges, EDGES), table.rows, columns)](
                gm, gw, (table.starts, table.bounds, table.own), given, tangents, steps, ends, edges, channels,
                SLOPE=slope, EDGES=EDGES, LANES=lanes,
            )  # fmt: skip
    return gm.sum(0), gw


@triton.jit
@no_type_check
def _gradients_of_edges(
    gm, gw, table, given, tangents, steps, ends, edges, channels,
    SLOPE: tl.constexpr, EDGES: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """One program: one path of a block of edges, for a block of channels."""
    starts, bounds, terms = table
    matrix, w, near, far = given
    matrix_tangent, w_tangent, far_tangent = tangents
    path, block = tl.program_id(1), tl.program_id(2)
    edge = tl.program_id(0).to(tl.int64) * EDGES + tl.arange(0, EDGES)
    channel = block * LANES + tl.arange(0, LANES)
    live = edge < edges
    wide = live[:, None] & (channel < channels)[None, :]
    near_at = tl.load(ends[0] + edge, mask=live, other=0).to(tl.int64)[:, None] * steps[2] + channel[None, :]
    far_at = tl.load(ends[1] + edge, mask=live, other=0).to(tl.int64)[:, None] * steps[3] + channel[None, :]
    gm_at = block.to(tl.int64) * edges * steps[0] + edge * steps[0]
    w_at = edge[:, None] * steps[1] + path * channels + channel[None, :]
    weight = 1.0
    if w is not None:
        weight = tl.load(w + w_at, mask=wide, other=0.0)
    weight_tangent = weight
    if w_tangent is not None:
        weight_tangent = tl.load(w_tangent + w_at, mask=wide, other=0.0)
    total = tl.zeros([EDGES, LANES], far.dtype.element_ty)
    for t in range(tl.load(bounds + tl.load(starts + path)), tl.load(bounds + tl.load(starts + path + 1))):
        at_near = near_at + tl.load(terms + 3 * t) * channels
        at_far = far_at + tl.load(terms + 3 * t + 1) * channels
        entry = tl.load(terms + 3 * t + 2)
        factor = tl.load(matrix + edge * steps[0] + entry, mask=live, other=0.0)[:, None]
        row = tl.load(near + at_near, mask=wide, other=0.0)
        value = row * tl.load(far + at_far, mask=wide, other=0.0)
        if SLOPE:
            slope = tl.zeros([EDGES, LANES], far.dtype.element_ty)
            if far_tangent is not None:
                slope = row * tl.load(far_tangent + at_far, mask=wide, other=0.0)
            total += factor * slope
            slope *= weight
            if w_tangent is not None:
                slope += value * weight_tangent
            if matrix_tangent is not None:
                total += tl.load(matrix_tangent + edge * steps[0] + entry, mask=live, other=0.0)[:, None] * value
            tl.store(gm + gm_at + entry, tl.sum(slope, axis=1), mask=live)
        else:
            total += factor * value
            tl.store(gm + gm_at + entry, tl.sum(value * weight, axis=1), mask=live)
    if w is not None:
        tl.store(gw + w_at, total, mask=wide)
