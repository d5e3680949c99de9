"""Sums of products as lists of terms, sorted for the kernel that adds them up; O(3) acts on the rows that they index.

    out[row] = sum over terms of the row of   coefficient * factor_1[index_1] * factor_2[index_2] * ...

Terms of a row that share their first factors form a segment, which multiplies these once.
"""

from collections.abc import Callable, Hashable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

T = TypeVar("T")
_KEPT: MutableMapping[Tensor, dict[Hashable, Any]] = WeakTensorKeyDictionary()


@dataclass(frozen=True)
class TermTable:
    """Row r holds segments starts[r] to starts[r + 1], segment s holds terms bounds[s] to bounds[s + 1].

    Shapes: starts `row + 1`, bounds `segment + 1`, shared `segment outer`, own `term inner` (indices into the factors
    outside and inside of the sum over terms), coefficients `term`.
    """

    starts: Tensor
    bounds: Tensor
    shared: Tensor
    own: Tensor
    coefficients: Tensor

    @property
    def rows(self) -> int:
        """Rows of the result."""
        return len(self.starts) - 1


def term_table(
    row: NDArray[np.integer],
    shared: Sequence[NDArray[np.integer]],
    own: Sequence[NDArray[np.integer]],
    coefficients: NDArray[np.floating],
    rows: int,
    like: Tensor,
) -> TermTable:
    """Sort terms by row, then by the indices of the factors they share, into tensors of the kind of `like`.

    Example:
        >>> rows, x, y = np.array([1, 0, 1]), np.array([0, 1, 0]), np.array([0, 1, 2])
        >>> table = term_table(rows, [x], [y], np.ones(3), 2, torch.ones(1))
        >>> table.starts.tolist(), table.bounds.tolist(), table.shared.tolist(), table.own.tolist()
        ([0, 1, 2], [0, 1, 3], [[1], [0]], [[1], [0], [2]])
    """
    order = np.lexsort((*reversed(own), *reversed(shared), row))
    outer = np.stack([each[order] for each in (row, *shared)], axis=1)
    first = np.ones(len(order), dtype=bool)
    first[1:] = (outer[1:] != outer[:-1]).any(axis=1)
    heads = np.flatnonzero(first)

    def whole(values: NDArray[np.integer]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.int32)).to(like.device)

    return TermTable(
        starts=whole(np.searchsorted(outer[heads, 0], np.arange(rows + 1))),
        bounds=whole(np.append(heads, len(order))),
        shared=whole(outer[heads, 1:]),
        own=whole(np.stack([each[order] for each in own], axis=1)),
        coefficients=torch.from_numpy(coefficients[order]).to(like),
    )


def kept(structure: Tensor, key: Hashable, build: Callable[[], T]) -> T:
    """What `build` makes of a structure, made once for each key; forgotten when the structure is."""
    found = _KEPT.setdefault(structure, {})
    if key not in found:
        found[key] = build()
    return found[key]
