"""Messages along edges on a GPU, in Triton, with two derivatives; O(3) acts on `dim`.

    F = sum over edges e, entries t of   w[e, path_t, c] M[e, t] x[sender, i_t, c] gz[receiver, k_t, c]
    M[e, t] = sum_j T[j, t] y[e, j]                                      t: the (path, k, i) that some coupling reaches

The filter y has one channel, so that M has none either, and one small matrix product makes it. F is linear in all four:
the messages and the gradients are F without one of them, second derivatives the slopes of these gradients. No message
is ever kept: a program reads what its sum needs. Sums over edges are `ordered`, the same in every call, or added up as
they come, which needs no sorted edges. `kernels.convolve` says what is computed; its operators call the three functions
of this file for tensors on a GPU.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from intertwine.tensor_products.kernels.convolution_entries import convolution_entries
from intertwine.tensor_products.kernels.edges_by_node import EdgesByNode, check_ends, edges_by_node
from intertwine.tensor_products.kernels.term_table import TermTable, kept, term_table
from intertwine.tensor_products.kernels.triton_edge_gradients import gradients_of_edges
from intertwine.tensor_products.kernels.triton_edges import Dual, Ends, sum_over_edges


class _Tables(NamedTuple):
    """T `dim2 entry`, and the entries sorted by k (for z), by i (for x) and by path (for w and M)."""

    filters: Tensor
    z: TermTable
    x: TermTable
    w: TermTable


class _Graph(NamedTuple):
    """Edges as they are read; their order by receiver and by sender where sums follow it."""

    inward: Ends
    outward: Ends
    by_receiver: EdgesByNode | None
    by_sender: EdgesByNode | None


def convolve(
    x: Tensor,
    y: Tensor,
    w: Tensor | None,
    senders: Tensor,
    receivers: Tensor,
    structure: Tensor,
    coefficients: Tensor,
    dim: int,
    ordered: bool,
    pair: None = None,
) -> Tensor:
    """The messages, summed at the receivers: `node dim channel`."""
    tables = _tables(x, w, structure, coefficients, dim)
    graph = _graph(senders, receivers, len(x), ordered, by_sender=False)
    matrix, far = Dual(y @ tables.filters), Dual(x.contiguous())
    return sum_over_edges(tables.z, matrix, _dual(w), far, graph.inward, len(x), order=graph.by_receiver)


def convolve_backward(
    x: Tensor,
    y: Tensor,
    w: Tensor | None,
    gz: Tensor,
    senders: Tensor,
    receivers: Tensor,
    structure: Tensor,
    coefficients: Tensor,
    ordered: bool,
    of: Sequence[bool],
    pair: None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of <gz, z> by x, y and w (empty without weights); all of them, whatever is asked for."""
    tables = _tables(x, w, structure, coefficients, gz.shape[1])
    graph = _graph(senders, receivers, len(x), ordered, by_receiver=False)
    matrix, of_w, of_x, gz = Dual(y @ tables.filters), _dual(w), Dual(x.contiguous()), gz.contiguous()
    gx = sum_over_edges(tables.x, matrix, of_w, Dual(gz), graph.outward, len(x), order=graph.by_sender)
    gm, gw = gradients_of_edges(tables.w, matrix, of_w, gz, of_x, graph.inward)
    return gx, gm @ tables.filters.T, gw


def convolve_twice(
    x: Tensor,
    y: Tensor,
    w: Tensor | None,
    gz: Tensor,
    hx: Tensor | None,
    hy: Tensor | None,
    hw: Tensor | None,
    senders: Tensor,
    receivers: Tensor,
    structure: Tensor,
    coefficients: Tensor,
    ordered: bool,
    of: Sequence[bool],
    pair: None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of <gx, hx> + <gy, hy> + <gw, hw> by x, y, w (empty without weights) and gz."""
    hx, hy = (torch.zeros_like(one) if each is None else each for each, one in ((hx, x), (hy, y)))
    hw = torch.zeros_like(w) if hw is None and w is not None else hw
    tables = _tables(x, w, structure, coefficients, gz.shape[1])
    graph, nodes, gz = _graph(senders, receivers, len(x), ordered), len(x), gz.contiguous()
    matrix = Dual(y @ tables.filters, hy @ tables.filters)
    of_w, of_x = _dual(w, hw), Dual(x.contiguous(), hx.contiguous())
    dx = sum_over_edges(tables.x, matrix, of_w, Dual(gz), graph.outward, nodes, order=graph.by_sender, slope=True)
    dz = sum_over_edges(tables.z, matrix, of_w, of_x, graph.inward, nodes, order=graph.by_receiver, slope=True)
    dm, dw = gradients_of_edges(tables.w, matrix, of_w, gz, of_x, graph.inward, slope=True)
    return dx, dm @ tables.filters.T, dw, dz


def _dual(w: Tensor | None, hw: Tensor | None = None) -> Dual | None:
    return None if w is None else Dual(w.contiguous(), None if hw is None else hw.contiguous())


def _graph(
    senders: Tensor,
    receivers: Tensor,
    nodes: int,
    ordered: bool,
    *,
    by_receiver: bool = True,
    by_sender: bool = True,
) -> _Graph:
    check_ends(senders, nodes)
    check_ends(receivers, nodes)
    ordered = ordered or torch.are_deterministic_algorithms_enabled()
    start, end = senders.contiguous(), receivers.contiguous()
    return _Graph(
        inward=Ends(end, start),
        outward=Ends(start, end),
        by_receiver=edges_by_node(receivers, nodes) if ordered and by_receiver else None,
        by_sender=edges_by_node(senders, nodes) if ordered and by_sender else None,
    )


def _tables(x: Tensor, w: Tensor | None, structure: Tensor, coefficients: Tensor, dim: int) -> _Tables:
    def build() -> _Tables:
        p, k, i, filters = convolution_entries(structure, coefficients)
        t, ones = np.arange(len(p)), np.ones(len(p))
        return _Tables(
            filters=torch.from_numpy(filters).to(coefficients),
            z=term_table(k, [p], [i, t], ones, dim, coefficients),
            x=term_table(i, [p], [k, t], ones, x.shape[1], coefficients),
            w=term_table(p, [], [k, i, t], ones, 1 if w is None else w.shape[1], coefficients),
        )

    return kept(structure, coefficients.dtype, build)
