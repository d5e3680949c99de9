"""The couplings of a product in the form that the compiled kernel reads: butterflies and small dense blocks.

O(3) acts on the rows that the tables index. For every pair of entries the couplings are a matrix T from outer products
x_m1 y_m2 to rows of the result. Turned by butterflies (a, b) -> (a + b, a - b) of the outer products

    a = (m1, m2), b = (-m1, -m2)   and   a = (-m1, m2), b = (m1, -m2)        m1, m2 > 0

(cos cos with sin sin, sin cos with cos sin) it falls apart into one block for each order m3 and kind: half the numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int32
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.filter_form import Coupling

NEGLIGIBLE = 1e-13
"""Below this a turned coupling is the rounding of a zero."""


@dataclass(frozen=True)
class CouplingTable:
    """Where everything is, and the numbers.

    structure: three sizes (pairs, largest outer product, largest block), the places of four parts, and the parts:
    pairs `x d1 y d2 blocks block_at`, blocks `columns rows column_at row_at coef_at`, columns, rows `z path add`.
    """

    structure: Int32[Tensor, "integer"]
    coefficients: Float[Tensor, "number"]


def coupling_table(irreps: tuple[Irreps, Irreps, Irreps], couplings: Sequence[Coupling]) -> CouplingTable:
    """Turn and split the couplings of a product."""
    slices1, slices2, slices3 = (each.slices() for each in irreps)
    pairs, blocks, columns, rows, numbers = [], [], [], [], []
    written: set[int] = set()
    largest_block = 1
    for in1, in2 in sorted({(term.in1, term.in2) for term in couplings}):
        members = [term for term in couplings if (term.in1, term.in2) == (in1, in2)]
        table = torch.cat([term.coefficients.permute(2, 0, 1) for term in members]).double().numpy()
        labels = [
            (row, term.weight) for term in members for row in range(slices3[term.out].start, slices3[term.out].stop)
        ]
        turned = _turned(table.reshape(len(table), -1), irreps[0][in1].l, irreps[1][in2].l)
        found = _blocks(turned)
        x, y = slices1[in1], slices2[in2]
        d1, d2 = x.stop - x.start, y.stop - y.start
        pairs += [x.start, d1, y.start, d2, len(found), len(blocks) // 5]
        for block_rows, block_columns in found:
            blocks += [len(block_columns), len(block_rows), len(columns), len(rows) // 3, len(numbers)]
            columns += block_columns.tolist()
            numbers += turned[np.ix_(block_rows, block_columns)].ravel().tolist()
            for row in block_rows:
                z, path = labels[row]
                rows += [z, path, int(z in written)]
                written.add(z)
            largest_block = max(largest_block, len(block_rows))
    parts = [pairs, blocks, columns, rows]
    places = np.cumsum([7, *(len(part) for part in parts[:-1])]).tolist()
    largest_outer = max(irreps[0][a.in1].dim * irreps[1][a.in2].dim for a in couplings)
    header = [len(pairs) // 6, largest_outer, largest_block, *places]
    structure = torch.tensor([*header, *(number for part in parts for number in part)], dtype=torch.int32)
    return CouplingTable(structure, torch.tensor(numbers, dtype=torch.float64))


def butterflies(l1: int, l2: int) -> list[tuple[int, int]]:
    """Places of the outer products that are turned into sum and difference."""
    d2 = 2 * l2 + 1

    def place(m1: int, m2: int) -> int:
        return (l1 + m1) * d2 + l2 + m2

    orders = [(m1, m2) for m1 in range(1, l1 + 1) for m2 in range(1, l2 + 1)]
    return [turn for m1, m2 in orders for turn in ((place(m1, m2), place(-m1, -m2)), (place(-m1, m2), place(m1, -m2)))]


def _turned(table: np.ndarray, l1: int, l2: int) -> np.ndarray:
    """The matrix that reads sums and differences where `table` reads outer products."""
    turned = table.copy()
    for a, b in butterflies(l1, l2):
        turned[:, a] = (table[:, a] + table[:, b]) / 2
        turned[:, b] = (table[:, a] - table[:, b]) / 2
    turned[np.abs(turned) < NEGLIGIBLE] = 0
    return turned


def _blocks(matrix: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows and columns of the blocks that a matrix falls apart into; empty ones are left out."""
    rows, columns = np.nonzero(matrix)
    size = sum(matrix.shape)
    graph = csr_array((np.ones(len(rows)), (rows, columns + len(matrix))), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    of_row, of_column = labels[: len(matrix)], labels[len(matrix) :]
    return [
        (np.flatnonzero(of_row == label), np.flatnonzero(of_column == label)) for label in sorted(set(of_row[rows]))
    ]
