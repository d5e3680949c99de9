"""A sum of products of three vectors on a GPU, in Triton; O(3) acts on `dim`, one lane is one channel of one sample.

    z = C^T ( A x * B y )

Three small matrix products in one kernel, some terms at a time, so that the `rank` numbers between them are never in
memory; features of more rows than a program can keep go through torch's own products. The map is trilinear in x, y and
a third feature: both gradients are the same map with the factors in other places. `kernels.decompose` says what is
computed; its operators call the two functions of this file for tensors on a GPU.
"""

from typing import NamedTuple, no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

SMALLEST, LARGEST = 16, 128
"""Rows of a feature that Triton's matrix products need at least, and that a program keeps at most."""
BYTES = 16384
"""Of each feature, in registers and shared memory: rows times lanes."""


class _Leg(NamedTuple):
    """A feature, `batch dim #channel`, contiguous, and its factor, `rank dim`."""

    values: Tensor
    factor: Tensor


def decompose(x: Tensor, y: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """The product, `batch dim channel`."""
    return _multiply(_Leg(x.contiguous(), A), _Leg(y.contiguous(), B), C, x.shape[2])


def decompose_backward(x: Tensor, y: Tensor, gz: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of <gz, z> by x and y."""
    of_x, of_y, of_z = _Leg(x.contiguous(), A), _Leg(y.contiguous(), B), _Leg(gz.contiguous(), C)
    gx, gy = _multiply(of_z, of_y, A, x.shape[2]), _multiply(of_z, of_x, B, x.shape[2])
    return gx, gy if gy.shape == y.shape else gy.sum_to_size(y.shape)


def _multiply(one: _Leg, two: _Leg, back: Tensor, channels: int) -> Tensor:
    """back^T (one's factor one * two's factor two)."""
    samples, (rank, rows) = len(one.values), back.shape
    out = one.values.new_empty(samples, rows, channels)
    items = samples * channels
    if not out.numel():
        return out
    if max(one.values.shape[1], two.values.shape[1], rows) > LARGEST:
        return back.T @ ((one.factor @ one.values) * (two.factor @ two.values))
    sizes = (one.values.shape[1], two.values.shape[1], rows)
    padded = [max(SMALLEST, triton.next_power_of_2(size)) for size in sizes]
    tall = max(padded) > 64
    lanes = max(SMALLEST, min(64, BYTES // out.element_size() // max(padded)))
    launch = {"num_warps": 8 if tall else 4, "num_stages": 1}
    with torch.cuda.device_of(out):
        _decompose[(triton.cdiv(items, lanes),)](
            out, one.values, two.values, one.factor, two.factor, back,
            (one.values.shape[2], two.values.shape[2]), sizes, rank, items, channels,
            ONE=padded[0], TWO=padded[1], OUT=padded[2], TERMS=16 if tall else 32, LANES=lanes,
            PRECISION="tf32" if torch.backends.cuda.matmul.allow_tf32 else "ieee",
            **launch,
        )  # fmt: skip
    return out


@triton.jit
@no_type_check
def _feature(values, width, rows, sample, channel, inside, ROWS: tl.constexpr):
    """All rows of a feature of that many channels, or of one for all, `row lane`; zero below."""
    row = tl.arange(0, ROWS)[:, None]
    at = (sample[None, :] * rows + row) * width + tl.minimum(channel, width - 1)[None, :]
    return tl.load(values + at, mask=(row < rows) & inside[None, :], other=0.0)


@triton.jit
@no_type_check
def _factor(factor, terms, rows, rank, ROWS: tl.constexpr):
    """Some terms of a factor, `term row`, zero outside."""
    row = tl.arange(0, ROWS)[None, :]
    return tl.load(factor + terms[:, None] * rows + row, mask=(terms[:, None] < rank) & (row < rows), other=0.0)


@triton.jit
@no_type_check
def _decompose(
    out, one, two, one_factor, two_factor, back, widths, sizes, rank, items, channels,
    ONE: tl.constexpr, TWO: tl.constexpr, OUT: tl.constexpr, TERMS: tl.constexpr, LANES: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    item = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    inside = item < items
    sample, channel = item // channels, item % channels
    x = _feature(one, widths[0], sizes[0], sample, channel, inside, ONE)
    y = _feature(two, widths[1], sizes[1], sample, channel, inside, TWO)
    total = tl.zeros([OUT, LANES], out.dtype.element_ty)
    for first in range(0, rank, TERMS):
        terms = first + tl.arange(0, TERMS)
        a = tl.dot(_factor(one_factor, terms, sizes[0], rank, ONE), x, input_precision=PRECISION)
        b = tl.dot(_factor(two_factor, terms, sizes[1], rank, TWO), y, input_precision=PRECISION)
        c = _factor(back, terms, sizes[2], rank, OUT)
        total += tl.dot(tl.trans(c), a * b, input_precision=PRECISION)
    row = tl.arange(0, OUT)[:, None]
    at = (sample[None, :] * sizes[2] + row) * channels + channel[None, :]
    tl.store(out + at, total, mask=(row < sizes[2]) & inside[None, :])
