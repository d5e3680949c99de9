"""Products of nodes and edges summed over edges, on a GPU, in Triton; O(3) acts on the rows, channels are lanes.

Every edge e holds a matrix, of which a table lists the entries t with row and column, and weights w[e, path, c]:

    out[n, row, c] = sum over edges e of n, entries t of the row of w[e, path_t, c] matrix[e, t] far[other, column_t, c]

With tangents it is the derivative of this along them, by the product rule. The sum over the edges of a node is taken in
one program, in a fixed order, or added to memory from blocks of edges, in the order in which they arrive.
"""

from typing import NamedTuple, no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

from intertwine.tensor_products.kernels.edges_by_node import EdgesByNode
from intertwine.tensor_products.kernels.term_table import TermTable

EDGES = 8
"""Edges that a program looks at together."""
WIDEST = 64
"""Channels of one program."""
PROGRAMS = 4096
"""Programs to aim at; rows are split over several where nodes alone are too few."""


class Dual(NamedTuple):
    """A tensor and its tangent; both contiguous."""

    values: Tensor
    tangent: Tensor | None = None


class Ends(NamedTuple):
    """For every edge the node whose sum it is part of, and the node that it reads."""

    near: Tensor
    far: Tensor


def sum_over_edges(
    table: TermTable,
    matrix: Dual,
    w: Dual | None,
    far: Dual,
    ends: Ends,
    nodes: int,
    *,
    order: EdgesByNode | None,
    slope: bool = False,
) -> Tensor:
    """`out`, or with `slope` its derivative; summed in the order given, or as the edges arrive without one.

    Shapes: matrix `edge entry`, w `edge path channel`, far `node row channel`, `table` by row, its terms (path; column,
    entry).
    """
    edges, channels = matrix.values.shape[0], far.values.shape[2]
    out = far.values.new_zeros(nodes, table.rows, channels)
    if not out.numel() or not edges:
        return out
    lanes = min(WIDEST, power_of_two(channels))
    blocks, columns = triton.cdiv(edges, EDGES) if order is None else nodes, triton.cdiv(channels, lanes)
    rows = max(1, min(table.rows, table.rows * blocks * columns // PROGRAMS))
    tables = (table.starts, table.bounds, table.shared, table.own)
    given = (matrix.values, None if w is None else w.values, far.values)
    tangents = (matrix.tangent, None if w is None else w.tangent, far.tangent)
    steps = (matrix.values.shape[1], 0 if w is None else w.values.shape[1] * channels, far.values.shape[1] * channels)
    kernel = _add_as_they_come if order is None else _sum_in_order
    with torch.cuda.device_of(out):
        kernel[(blocks, triton.cdiv(table.rows, rows), columns)](
            out, tables, given, tangents, steps, ends.near if order is None else order, ends.far,
            edges, table.rows, channels, ROWS=rows, SLOPE=slope, EDGES=EDGES, LANES=lanes,
        )  # fmt: skip
    return out


def power_of_two(number: int) -> int:
    """The smallest power of two that is no less."""
    return 1 << (number - 1).bit_length()


@triton.jit
@no_type_check
def message(row, edge, other, live, channel, tables, given, tangents, steps, channels, SLOPE: tl.constexpr):
    """One row of the messages of a block of edges, `edge channel`; zero for edges that are not live."""
    starts, bounds, paths, terms = tables
    matrix, w, far = given
    matrix_tangent, w_tangent, far_tangent = tangents
    wide = live[:, None] & (channel < channels)[None, :]
    far_at = other[:, None] * steps[2] + channel[None, :]
    total = tl.zeros([live.shape[0], channel.shape[0]], far.dtype.element_ty)
    for s in range(tl.load(starts + row), tl.load(starts + row + 1)):
        inner = tl.zeros([live.shape[0], channel.shape[0]], far.dtype.element_ty)
        slope = tl.zeros([live.shape[0], channel.shape[0]], far.dtype.element_ty)
        for t in range(tl.load(bounds + s), tl.load(bounds + s + 1)):
            at = far_at + tl.load(terms + 2 * t) * channels
            entry = edge * steps[0] + tl.load(terms + 2 * t + 1)
            factor = tl.load(matrix + entry, mask=live, other=0.0)[:, None]
            values = tl.load(far + at, mask=wide, other=0.0)
            inner += factor * values
            if SLOPE:
                if matrix_tangent is not None:
                    slope += tl.load(matrix_tangent + entry, mask=live, other=0.0)[:, None] * values
                if far_tangent is not None:
                    slope += factor * tl.load(far_tangent + at, mask=wide, other=0.0)
        if w is not None:
            at = edge[:, None] * steps[1] + tl.load(paths + s) * channels + channel[None, :]
            weight = tl.load(w + at, mask=wide, other=0.0)
            if SLOPE:
                slope *= weight
                if w_tangent is not None:
                    slope += tl.load(w_tangent + at, mask=wide, other=0.0) * inner
            inner *= weight
        total += slope if SLOPE else inner
    return total


@triton.jit
@no_type_check
def _sum_in_order(
    out, tables, given, tangents, steps, order, far_end, edges, rows, channels,
    ROWS: tl.constexpr, SLOPE: tl.constexpr, EDGES: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """One program: some rows of one node, for a block of channels."""
    sorted_edges, starts = order
    node = tl.program_id(0)
    begin, end = tl.load(starts + node), tl.load(starts + node + 1)
    channel = tl.program_id(2) * LANES + tl.arange(0, LANES)
    first = tl.program_id(1) * ROWS
    for row in range(first, min(first + ROWS, rows)):
        total = tl.zeros([LANES], out.dtype.element_ty)
        for at in range(begin, end, EDGES):
            place = at + tl.arange(0, EDGES)
            live = place < end
            edge = tl.load(sorted_edges + place, mask=live, other=0).to(tl.int64)
            other = tl.load(far_end + edge, mask=live, other=0).to(tl.int64)
            found = message(row, edge, other, live, channel, tables, given, tangents, steps, channels, SLOPE)
            total += tl.sum(found, axis=0)
        tl.store(out + (node.to(tl.int64) * rows + row) * channels + channel, total, mask=channel < channels)


@triton.jit
@no_type_check
def _add_as_they_come(
    out, tables, given, tangents, steps, near_end, far_end, edges, rows, channels,
    ROWS: tl.constexpr, SLOPE: tl.constexpr, EDGES: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """One program: some rows of a block of edges, for a block of channels."""
    edge = tl.program_id(0).to(tl.int64) * EDGES + tl.arange(0, EDGES)
    live = edge < edges
    node = tl.load(near_end + edge, mask=live, other=0).to(tl.int64)
    other = tl.load(far_end + edge, mask=live, other=0).to(tl.int64)
    channel = tl.program_id(2) * LANES + tl.arange(0, LANES)
    first = tl.program_id(1) * ROWS
    for row in range(first, min(first + ROWS, rows)):
        found = message(row, edge, other, live, channel, tables, given, tangents, steps, channels, SLOPE)
        at = (node[:, None] * rows + row) * channels + channel[None, :]
        tl.atomic_add(out + at, found, mask=live[:, None] & (channel < channels)[None, :])
