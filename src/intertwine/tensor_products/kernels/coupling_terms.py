"""Reads the table of the compiled kernel back as single couplings, for kernels that add them up; O(3) acts on the rows.

z[row] = sum over terms of   coefficient * w[path] x[i] y[j]
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from intertwine.tensor_products.kernels.coupling_table import butterflies

ROUNDING = 4.0
"""Couplings below this many units of rounding of the largest one are what turning back leaves of a zero."""


@dataclass(frozen=True)
class CouplingTerms:
    """One coupling a place: rows of x, y and z, the path, the number."""

    x: NDArray[np.int32]
    y: NDArray[np.int32]
    z: NDArray[np.int32]
    path: NDArray[np.int32]
    coefficients: NDArray[np.floating]


def coupling_terms(structure: Tensor, coefficients: Tensor) -> CouplingTerms:
    """The terms of a `CouplingTable`, in the precision of its numbers.

    Example:
        >>> from intertwine.tensor_products import ClebschGordan
        >>> product = ClebschGordan("1o", "1o", "0e")
        >>> terms = coupling_terms(product.structure, product.tables.compiled)
        >>> terms.x.tolist(), terms.y.tolist(), terms.z.tolist()
        ([0, 1, 2], [0, 1, 2], [0, 0, 0])
    """
    s, numbers = structure.cpu().numpy(), coefficients.detach().cpu().numpy()
    smallest = ROUNDING * np.finfo(numbers.dtype).eps * np.abs(numbers).max(initial=0)
    pairs_at, blocks_at, columns_at, rows_at = s[3:7].tolist()
    found: list[tuple[NDArray[np.int32], ...]] = []
    values = []
    for x, d1, y, d2, count, first in s[pairs_at : pairs_at + 6 * s[0]].reshape(-1, 6).tolist():
        turns = butterflies(d1 // 2, d2 // 2)
        for block in range(first, first + count):
            columns, rows, column_at, row_at, at = s[blocks_at + 5 * block :][:5].tolist()
            place = s[columns_at + column_at :][:columns]
            labels = s[rows_at + 3 * row_at :][: 3 * rows].reshape(-1, 3)
            turned = np.zeros((rows, d1 * d2), dtype=numbers.dtype)
            turned[:, place] = numbers[at : at + rows * columns].reshape(rows, columns)
            for a, b in turns:
                turned[:, a], turned[:, b] = turned[:, a] + turned[:, b], turned[:, a] - turned[:, b]
            row, outer = np.nonzero(np.abs(turned) > smallest)
            found.append((x + outer // d2, y + outer % d2, labels[row, 0], labels[row, 1]))
            values.append(turned[row, outer])
    columns = [np.concatenate(each).astype(np.int32) for each in zip(*found, strict=True)]
    return CouplingTerms(*columns, coefficients=np.concatenate(values))
