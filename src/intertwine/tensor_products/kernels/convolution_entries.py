"""Reads the table of the compiled convolution back as one matrix, for kernels on a GPU; O(3) acts on the rows.

M[e, t] = sum over j of   filters[j, t] Y[e, j]          t: the (path, row of z, row of x) that a coupling reaches
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class ConvolutionEntries(NamedTuple):
    """Of every entry t the row of its weight, 0 without weights, and its rows of z and x; then the numbers.

    Shapes: weight, z, x `entry`, filters `dim2 entry`.
    """

    weight: NDArray[np.integer]
    z: NDArray[np.integer]
    x: NDArray[np.integer]
    filters: NDArray[np.floating]


def convolution_entries(structure: Tensor, coefficients: Tensor) -> ConvolutionEntries:
    """The entries of a `ConvolutionTable` that are not zero, in the precision of its numbers.

    Example:
        >>> from intertwine.tensor_products import ClebschGordan, Convolution
        >>> convolution = Convolution(ClebschGordan("0e+1o", "1o", "1o", weights="external"))
        >>> entries = convolution_entries(convolution.structure, convolution.tables.couplings)
        >>> entries.x.tolist(), entries.z.tolist(), entries.filters.round()
        ([0, 0, 0], [0, 1, 2], array([[1., 0., 0.],
               [0., 1., 0.],
               [0., 0., 1.]], dtype=float32))
    """
    s, numbers = structure.cpu().numpy(), coefficients.detach().cpu().numpy()
    (paths, _, dim2), count = s[:3].tolist(), int(s[5])
    weight, z, x = (np.empty(count, dtype=np.int64) for _ in range(3))
    for first_x, d1, first_z, d3, row, at, _ in s[6 : 6 + 7 * paths].reshape(-1, 7).tolist():
        place = slice(at, at + d1 * d3)
        weight[place] = max(row, 0)
        z[place], x[place] = np.repeat(first_z + np.arange(d3), d1), np.tile(first_x + np.arange(d1), d3)
    starts, rows = np.split(s[6 + 7 * paths :], [count + 1])
    filters = np.zeros((dim2, count), dtype=numbers.dtype)
    filters[rows, np.repeat(np.arange(count), np.diff(starts))] = numbers
    used = np.diff(starts) > 0
    return ConvolutionEntries(weight[used], z[used], x[used], filters[:, used])
