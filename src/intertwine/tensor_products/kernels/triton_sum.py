"""Sums of products of table terms on a GPU, in Triton; O(3) acts on the rows, one lane is one channel of one sample.

    out[b, row, c] = sum over segments s, terms t in s, of
                     shared_1[b, s_1, c] shared_2[b, s_2, c] ... * coefficient[t] own_1[b, t_1, c] own_2[b, t_2, c] ...

With tangents it computes the derivative of this along them, by the product rule. Every derivative of a polynomial map
is of the same form, so that this one kernel serves products and contractions to any order. `TermTable` has the tables.
"""

from collections.abc import Sequence
from typing import NamedTuple, no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

from intertwine.tensor_products.kernels.term_table import TermTable

LANES = 128
"""Channels of samples that one program computes."""
PROGRAMS = 2048
"""Programs to aim at: enough for the largest GPUs, which the rows are split for where lanes alone are too few."""


class Factor(NamedTuple):
    """A factor, `#batch rows #channel`, contiguous, its tangent, and for each sample which row of `#batch` to read."""

    values: Tensor
    tangent: Tensor | None = None
    which: Tensor | None = None


def sum_of_products(
    table: TermTable, shared: Sequence[Factor], own: Sequence[Factor], batch: int, channels: int, *, slope: bool = False
) -> Tensor:
    """The sums for all rows, `batch row channel`, or with `slope` their derivative along the tangents."""
    factors = [*shared, *own]
    out = factors[-1].values.new_empty(batch, table.rows, channels)
    items = batch * channels
    if not out.numel():
        return out
    blocks = triton.cdiv(items, LANES)
    rows = max(1, min(table.rows, triton.cdiv(table.rows * blocks, PROGRAMS)))
    grid = (blocks, triton.cdiv(table.rows, rows))
    with torch.cuda.device_of(out):
        _sum_of_products[grid](
            out,
            tuple(each.values for each in factors),
            tuple(each.tangent for each in factors),
            tuple(each.which for each in factors),
            tuple(_strides(each.values, batch, channels) for each in factors),
            table.starts,
            table.bounds,
            table.shared,
            table.own,
            table.coefficients,
            items,
            table.rows,
            channels,
            ROWS=rows,
            SHARED=len(shared),
            OWN=len(own),
            SLOPE=slope,
            LANES=LANES,
        )
    return out


def _strides(values: Tensor, batch: int, channels: int) -> tuple[int, int, int]:
    """Steps of sample, row and channel; zero along what is shared."""
    samples, rows, width = values.shape
    return 0 if samples == 1 and batch > 1 else rows * width, width, 0 if width == 1 and channels > 1 else 1


@triton.jit
@no_type_check
def _factor(value, slope, values, tangent, at, inside, SLOPE: tl.constexpr):
    """Multiply by one more factor: (v, v') becomes (v f, v' f + v f')."""
    factor = tl.load(values + at, mask=inside, other=0.0)
    if SLOPE:
        slope = slope * factor
        if tangent is not None:
            slope += value * tl.load(tangent + at, mask=inside, other=0.0)
    return value * factor, slope


@triton.jit
@no_type_check
def _sum_of_products(
    out, factors, tangents, which, strides, starts, bounds, shared, own, coefficients, items, rows, channels,
    ROWS: tl.constexpr, SHARED: tl.constexpr, OWN: tl.constexpr, SLOPE: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    item = tl.program_id(0) * LANES + tl.arange(0, LANES)
    inside = item < items
    sample, channel = (item // channels).to(tl.int64), item % channels
    zero = tl.zeros([LANES], out.dtype.element_ty)
    places = ()
    for f in tl.static_range(SHARED + OWN):
        line = sample
        if which[f] is not None:
            line = tl.load(which[f] + sample, mask=inside, other=0).to(tl.int64)
        places = places + (line * strides[f][0] + channel * strides[f][2],)
    first = tl.program_id(1) * ROWS
    for row in range(first, min(first + ROWS, rows)):
        total = zero
        for s in range(tl.load(starts + row), tl.load(starts + row + 1)):
            inner, inner_slope = zero, zero
            for t in range(tl.load(bounds + s), tl.load(bounds + s + 1)):
                value, slope = zero + tl.load(coefficients + t), zero
                for f in tl.static_range(OWN):
                    at = places[SHARED + f] + tl.load(own + t * OWN + f) * strides[SHARED + f][1]
                    value, slope = _factor(value, slope, factors[SHARED + f], tangents[SHARED + f], at, inside, SLOPE)
                inner += value
                inner_slope += slope
            for f in tl.static_range(SHARED):
                at = places[f] + tl.load(shared + s * SHARED + f) * strides[f][1]
                inner, inner_slope = _factor(inner, inner_slope, factors[f], tangents[f], at, inside, SLOPE)
            total += inner_slope if SLOPE else inner
        tl.store(out + (sample * rows + row) * channels + channel, total, mask=inside)
