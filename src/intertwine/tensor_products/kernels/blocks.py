"""Memory of long results, used again when these are gone: memory from the system costs more than the arithmetic.

Whoever asks the system for 50 MB gets pages that are cleared one by one at the first touch, and gives them back at the
end of the step, to ask again in the next. Here long results lie in blocks that wait for the next result of about their
size. No group acts on memory.
"""

import weakref
from math import prod

import numpy as np
import torch
from torch import Tensor

from intertwine.tensor_products.kernels.library import on_large_pages

LONG = 1 << 22
"""Bytes from which a result gets a block; what is shorter the allocator of the system keeps by itself."""
IDLE = 1 << 31
"""Bytes that may wait at most; when more do, all are let go. MACE of 64 channels leaves 36 kB an atom after a step."""
NUMPY = {torch.float32: np.float32, torch.float64: np.float64}
_FREE: dict[int, list[Tensor]] = {}


def empty(like: Tensor, *shape: int) -> Tensor:
    """A tensor of that shape whose numbers nobody has set, dtype and device those of `like`.

    Example:
        >>> empty(torch.zeros(1, dtype=torch.float64), 2, 3).shape
        torch.Size([2, 3])
    """
    size = prod(shape) * like.itemsize
    if size < LONG or like.device.type != "cpu" or like.dtype not in NUMPY:
        return like.new_empty(shape)
    room = _room(size)
    try:
        block = _FREE[room].pop()
    except (KeyError, IndexError):
        block = on_large_pages(torch.empty(room, dtype=torch.uint8))
    values = block.numpy()[:size].view(NUMPY[like.dtype]).reshape(shape)
    weakref.finalize(values, _give_back, block).atexit = False  # the tensor holds `values` as long as it needs memory
    return torch.from_numpy(values)


def idle() -> int:
    """Bytes that wait for a result."""
    return sum(room * len(blocks) for room, blocks in list(_FREE.items()))


def _give_back(block: Tensor) -> None:
    """Runs whenever a result is freed, in whichever thread: only steps that Python does not divide."""
    _FREE.setdefault(len(block), []).append(block)
    if idle() > IDLE:
        _FREE.clear()


def _room(size: int) -> int:
    """At most an eighth more than asked for, so that results of almost the same size take turns in a block.

    Example:
        >>> _room(9_000_000), _room(9_400_000), _room(9_500_000)
        (9437184, 9437184, 10485760)
    """
    step = 1 << (size.bit_length() - 4)
    return -(-size // step) * step
