"""Mixing of channels some hundred nodes at a time: O(3) acts on `dim`, matrices on `channel`, for large structures."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.tensor_products.kernels.blocks import LONG, empty
from intertwine.tensor_products.kernels.operator import PLAIN, wanted

NODES = 512
"""Nodes of a block: their messages stay in the cache from one step to the next."""


class Kind(NamedTuple):
    """What is mixed by one matrix: the copies of an irrep."""

    dim: int
    read: tuple[int, ...]
    """The first row of every copy in the input."""
    written: tuple[int, ...]
    """The same of the output."""


def is_long(x: Tensor) -> bool:
    """Whether a feature is so long that steps over all of it at once would work in memory, page by new page."""
    if torch.compiler.is_compiling() or type(x) not in PLAIN or x.device.type != "cpu":  # first: sizes may be symbols
        return False
    return x.dim() == 3 and len(x) > 2 * NODES and x.numel() * x.itemsize >= LONG


def mix_in_blocks(
    x: Float[Tensor, "node dim_in channel_in"],
    matrices: Sequence[Float[Tensor, "_ _"]],
    kinds: Sequence[Kind],
    dim: int,
) -> Float[Tensor, "node dim channel_out"]:
    r"""y[n, written_a + m, k] = sum over copies b and channels c of  x[n, read_b + m, c] matrix[b c, a k]

    The twin is `ChannelMixing.readable`. The gradient by x is the same map with everything turned around, so that
    derivatives of any order exist.

    Example:
        >>> x, matrix = torch.randn(3, 4, 8), torch.randn(8, 16)
        >>> mix_in_blocks(x, [matrix], [Kind(3, read=(1,), written=(0,))], 3).shape
        torch.Size([3, 3, 16])
    """
    return _Mixing.apply(x, *matrices, kinds, dim)  # tensors first: `wanted` counts those


class _Mixing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        x, *matrices, ctx.kinds, dim = inputs
        ctx.save_for_backward(x, *matrices)
        kinds = ctx.kinds
        y = empty(x, len(x), dim, matrices[0].shape[1] // len(kinds[0].written))
        rows = {row for kind in kinds for start in kind.written for row in range(start, start + kind.dim)}
        for row in set(range(dim)) - rows:
            y[:, row] = 0
        for nodes, to in zip(x.split(NODES), y.split(NODES), strict=True):
            for kind, matrix in zip(kinds, matrices, strict=True):
                mixed = (_copies(nodes, kind.dim, kind.read) @ matrix).view(len(nodes), kind.dim, -1)
                for start, copy in zip(kind.written, mixed.chunk(len(kind.written), dim=-1), strict=True):
                    to[:, start : start + kind.dim] = copy
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (gy,), (x, *matrices), kinds = grads, ctx.saved_tensors, ctx.kinds
        of_x, *of_matrices = wanted(ctx, *range(1 + len(matrices)))
        around = [Kind(kind.dim, kind.written, kind.read) for kind in kinds]
        gx = mix_in_blocks(gy, [matrix.mT for matrix in matrices], around, x.shape[1]) if of_x else None
        found = [
            _copies(x, kind.dim, kind.read).mT @ _copies(gy, kind.dim, kind.written) if asked else None
            for kind, asked in zip(kinds, of_matrices, strict=True)
        ]
        return gx, *found, None, None


def _copies(x: Tensor, dim: int, starts: tuple[int, ...]) -> Float[Tensor, "_ _"]:
    """The copies of an irrep beside each other: `node*dim copies*channel`."""
    copies = [x[:, start : start + dim] for start in starts]
    return (copies[0] if len(copies) == 1 else torch.cat(copies, dim=-1)).flatten(0, 1)
