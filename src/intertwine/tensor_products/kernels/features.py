"""How the features of a trilinear map lie in memory, for kernels that read them in panels. No group acts here."""

import ctypes
from functools import lru_cache


@lru_cache(maxsize=1024)
def trilinear_features(x: tuple[int, ...], y: tuple[int, ...], dim3: int) -> ctypes.Array[ctypes.c_int64]:
    """Rows, strides of batch, row and channel, channels, items: of x, y, z and the gradients of x and y, contiguous.

    Args:
        x, y: shapes `batch dim1 channel` and `batch dim2 #channel`; the gradient of y has all channels.
    """
    (batch, dim1, channels), dim2 = x, y[1]

    def lying(rows: int, broadcast: bool = False) -> tuple[int, ...]:
        width = 1 if broadcast else channels
        return rows, rows * width, width, 0 if broadcast and channels > 1 else 1, channels, batch * channels

    lines = (*lying(dim1), *lying(dim2, broadcast=y[2] == 1), *lying(dim3), *lying(dim1), *lying(dim2))
    return (ctypes.c_int64 * 30)(*lines)
