"""Symmetric contraction on a GPU: monomials, then sums of products in Triton, with two derivatives; O(3) acts on `dim`.

    z[n, o] = sum over entries e of row o of   u[element_n, e] M[n, a_e] M[n, b_e]
    u[k, e] = sum over p of   U[e, p] w[k, p]

M holds 1, the components of x and products of these. The first derivatives are sums of the same form, and the second
are the slopes of these. `kernels.contract` says what is computed; its operators call the three functions of this file
for tensors on a GPU.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from intertwine.tensor_products.kernels.term_table import TermTable, kept, term_table
from intertwine.tensor_products.kernels.triton_sum import Factor, sum_of_products


class _Level(NamedTuple):
    """Rows of M that are products of rows of lower levels, and the way back to these."""

    rows: Tensor
    one: Tensor
    two: Tensor
    back: TermTable


class _Tables(NamedTuple):
    """The terms sorted by what the rows of a sum belong to: entries, z, M and w."""

    entries: TermTable
    z: TermTable
    M: TermTable
    w: TermTable
    levels: list[_Level]


def contract(x: Tensor, w: Tensor, element: Tensor, structure: Tensor, coefficients: Tensor, dim: int) -> Tensor:
    """The contraction, `node dim channel`."""
    tables = _tables(structure, coefficients)
    M, u = _monomials(Factor(x.contiguous()), tables), _entries(Factor(w.contiguous()), element, tables)
    return sum_of_products(tables.z, [M], [u, M], len(x), x.shape[2])


def contract_backward(
    x: Tensor, w: Tensor, gz: Tensor, element: Tensor, structure: Tensor, coefficients: Tensor, of_w: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of <gz, z> by x and, if asked for, by w; else that is empty."""
    tables, slopes = _tables(structure, coefficients), Factor(gz.contiguous())
    M, u = _monomials(Factor(x.contiguous()), tables), _entries(Factor(w.contiguous()), element, tables)
    gx = _by_components(M, u, slopes, x.shape[1], tables).values
    gw = _of_elements(_sum(tables.w, [slopes], [M, M]).values, element, len(w)) if of_w else w.new_empty(0)
    return gx, gw


def contract_twice(
    x: Tensor,
    w: Tensor,
    gz: Tensor,
    hx: Tensor,
    hw: Tensor | None,
    element: Tensor,
    structure: Tensor,
    coefficients: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of <gx, hx> + <gw, hw> by x, w and gz: the slopes of gx, gw and z along (hx, hw)."""
    tables, slopes = _tables(structure, coefficients), Factor(gz.contiguous())
    M = _monomials(Factor(x.contiguous(), hx.contiguous()), tables)
    u = _entries(Factor(w.contiguous(), None if hw is None else hw.contiguous()), element, tables)
    dx = _by_components(M, u, slopes, x.shape[1], tables).tangent
    dw = _of_elements(_slope(tables.w, [slopes], [M, M]), element, len(w))
    assert dx is not None  # x has a tangent
    return dx, dw, _slope(tables.z, [M], [u, M])


def _monomials(x: Factor, tables: _Tables) -> Factor:
    """The rows of M, and their slopes along the tangent of x."""
    count = 1 + x.values.shape[1] + sum(len(level.rows) for level in tables.levels)
    values, slopes = (_panel(first, x, count) for first in (1.0, 0.0))
    for rows, one, two, _ in tables.levels:
        values[:, rows] = values[:, one] * values[:, two]
        slopes[:, rows] = slopes[:, one] * values[:, two] + values[:, one] * slopes[:, two]
    return Factor(values, None if x.tangent is None else slopes)


def _panel(first: float, x: Factor, count: int) -> Tensor:
    rows = x.values if first else x.tangent
    panel = x.values.new_zeros(len(x.values), count, x.values.shape[2])
    panel[:, 0] = first
    if rows is not None:
        panel[:, 1 : 1 + rows.shape[1]] = rows
    return panel


def _entries(w: Factor, element: Tensor, tables: _Tables) -> Factor:
    """The numbers u of every element, read by nodes."""
    found = _sum(tables.entries, [], [w])
    return Factor(found.values, found.tangent, element.long().contiguous())


def _by_components(M: Factor, u: Factor, gz: Factor, dim: int, tables: _Tables) -> Factor:
    """The gradient by x: that by M, and from each level to those below."""
    found = _sum(tables.M, [gz], [u, M])
    for level in reversed(tables.levels):
        more = _sum(level.back, [], [found, M])
        slope = None if found.tangent is None or more.tangent is None else found.tangent + more.tangent
        found = Factor(found.values + more.values, slope)
    slope = None if found.tangent is None else found.tangent[:, 1 : 1 + dim].contiguous()
    return Factor(found.values[:, 1 : 1 + dim].contiguous(), slope)


def _of_elements(values: Tensor, element: Tensor, elements: int) -> Tensor:
    """Sums over the nodes of each element, as a matrix product: in the same order every time."""
    member = torch.arange(elements, device=element.device)[:, None] == element
    return (member.to(values) @ values.flatten(1)).unflatten(1, values.shape[1:])


def _sum(table: TermTable, shared: Sequence[Factor], own: Sequence[Factor]) -> Factor:
    """Sums, and their slopes if a factor has one."""
    factors = [*shared, *own]
    moves = any(each.tangent is not None for each in factors)
    batch, _, channels = factors[-1].values.shape
    values = sum_of_products(table, shared, own, batch, channels)
    return Factor(values, _slope(table, shared, own) if moves else None)


def _slope(table: TermTable, shared: Sequence[Factor], own: Sequence[Factor]) -> Tensor:
    batch, _, channels = own[-1].values.shape
    return sum_of_products(table, shared, own, batch, channels, slope=True)


def _tables(structure: Tensor, coefficients: Tensor) -> _Tables:
    return kept(structure, coefficients.dtype, lambda: _build(structure, coefficients))


def _build(structure: Tensor, coefficients: Tensor) -> _Tables:
    s, numbers = structure.cpu().numpy(), coefficients.detach().cpu().numpy()
    weights, dim, rows, products, entries, length = s[:6].tolist()
    factors = s[6 : 6 + 2 * products].reshape(-1, 2)
    listed, rest = np.split(s[6 + 2 * products :], [length])
    o, a, b = _listed(listed.tolist(), rows)
    starts, weight = rest[: entries + 1], rest[entries + 1 :]
    entry = np.repeat(np.arange(entries, dtype=np.int32), np.diff(starts))  # of every term
    every, ones, panel = np.arange(entries, dtype=np.int32), np.ones(entries, numbers.dtype), 1 + dim + products
    both = np.concatenate
    return _Tables(
        entries=term_table(entry, [], [weight], numbers, entries, coefficients),
        z=term_table(o, [a], [every, b], ones, rows, coefficients),
        M=term_table(both([a, b]), [both([o, o])], [both([every] * 2), both([b, a])], both([ones] * 2), panel,
                     coefficients),
        w=term_table(weight, [o[entry]], [a[entry], b[entry]], numbers, weights, coefficients),
        levels=_levels(factors, 1 + dim, coefficients),
    )  # fmt: skip


def _listed(listed: list[int], rows: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """For every entry its row of z and its two rows of M."""
    found: list[tuple[int, int, int]] = []
    at = 0
    for row in range(rows):
        groups, at = listed[at], at + 1
        for _ in range(groups):
            one, size = listed[at : at + 2]
            found += [(row, one, two) for two in listed[at + 2 : at + 2 + size]]
            at += 2 + size
    o, a, b = np.array(found, dtype=np.int32).reshape(-1, 3).T
    return o, a, b


def _levels(factors: NDArray[np.int32], first: int, like: Tensor) -> list[_Level]:
    """Products by how many there are below them: those of one level do not need each other."""
    depth = np.zeros(first + len(factors), dtype=np.int64)
    for row, (one, two) in enumerate(factors, start=first):
        depth[row] = 1 + max(depth[one], depth[two])
    found = []
    for level in range(1, depth.max(initial=0) + 1):
        rows = np.flatnonzero(depth == level).astype(np.int32)
        one, two = factors[rows - first].T
        terms = [np.concatenate(each) for each in ((one, two), (rows, rows), (two, one))]
        ones = np.ones(2 * len(rows), dtype=np.float64)
        back = term_table(terms[0], [], terms[1:], ones, len(depth), like)
        rows, one, two = (torch.from_numpy(each.astype(np.int64)).to(like.device) for each in (rows, one, two))
        found.append(_Level(rows, one, two, back))
    return found
