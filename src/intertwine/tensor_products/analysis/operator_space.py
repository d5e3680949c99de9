"""Features read as linear operators on a direct sum of irreps, parity by parity; O(3) acts on `dim`."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.constants import Constants
from intertwine.o3.irreps import Irreps

Operators = dict[int, Tensor]
"""Matrices `*batch row column channel` by parity: +1 keeps the even and the odd half of the space, -1 swaps them."""


class OperatorSpace(nn.Module):
    r"""Components of a feature to matrices on V = sum of degrees, and back.

        X^p[block] = sum over entries of parity p in the block, m, of  x_m sqrt(2 l + 1) wigner_3j(i, j, l)[:, :, m]

    The basis is orthonormal, so the way back is the transposed one. Block (i, j) takes degree j to degree i.

    Args:
        irreps: type of the feature; entries of one block and degree add up.
        blocks: the block (i, j) that every entry lives in.
        degrees: of V, each once.

    Shapes: x `*batch dim channel`, matrices `*batch side side channel`.
    """

    def __init__(self, irreps: Irreps, blocks: Sequence[tuple[int, ...]], degrees: Sequence[int]):
        super().__init__()
        self.parities = sorted({ir.p for ir in irreps}, reverse=True)
        self.parts = nn.ModuleList()
        for p in self.parities:
            entries = [(block, ir.l, rows) for block, ir, rows in zip(blocks, irreps, irreps.slices()) if ir.p == p]
            self.parts.append(_Part(entries, degrees))
        order = torch.cat([part.get_buffer("rows") for part in self.parts]).argsort()
        self.register_buffer("order", order, persistent=False)

    def operators(self, x: Float[Tensor, "*batch dim channel"]) -> Operators:
        """The matrices of a feature."""
        return {p: part.operators(x) for p, part in self._by_parity()}

    def components(self, operators: Mapping[int, Tensor]) -> Float[Tensor, "*batch dim channel"]:
        """The components of matrices."""
        x = torch.cat([part.components(operators[p]) for p, part in self._by_parity()], -2)
        return x.index_select(-2, self.get_buffer("order"))

    def _by_parity(self) -> "list[tuple[int, _Part]]":
        return [(p, cast(_Part, part)) for p, part in zip(self.parities, self.parts)]


class _Part(nn.Module):
    """The entries of one parity: a small dense matrix for every block, and where its cells lie."""

    def __init__(self, entries: Sequence[tuple[tuple[int, ...], int, slice]], degrees: Sequence[int]):
        super().__init__()
        starts = dict(zip(degrees, accumulate((2 * a + 1 for a in degrees), initial=0)))
        self.side = sum(2 * a + 1 for a in degrees)
        blocks = sorted({block for block, _, _ in entries})
        cells, rows, tables = [], [], {}
        for number, (i, j) in enumerate(blocks):
            members = [(l, place) for block, l, place in entries if block == (i, j)]
            basis = [(2 * l + 1) ** 0.5 * wigner_3j(i, j, l).flatten(0, 1) for l, _ in members]
            tables[f"block{number}"] = torch.cat(basis, -1)
            rows += [row for _, place in members for row in range(place.start, place.stop)]
            cells += [(starts[i] + p) * self.side + starts[j] + q for p in range(2 * i + 1) for q in range(2 * j + 1)]
        self.sizes = [table.shape for table in tables.values()]
        self.tables = Constants(**tables)
        where = torch.full((self.side**2,), len(cells))  # the cell after the last stands for zero
        where[cells] = torch.arange(len(cells))
        self.in_order = cells == list(range(self.side**2))
        for name, index in (("rows", rows), ("cells", cells), ("where", where.tolist())):
            self.register_buffer(name, torch.tensor(index), persistent=False)

    def operators(self, x: Tensor) -> Tensor:
        x = x.index_select(-2, self.get_buffer("rows"))
        parts = x.split([size for _, size in self.sizes], dim=-2)
        found = [self.tables.like(x, f"block{number}") @ part for number, part in enumerate(parts)]
        if not self.in_order:
            found = [
                torch.cat([*found, torch.zeros_like(x[..., :1, :])], -2).index_select(-2, self.get_buffer("where"))
            ]
        return found[0].unflatten(-2, (self.side, self.side))

    def components(self, matrix: Tensor) -> Tensor:
        cells = matrix.flatten(-3, -2)
        cells = cells if self.in_order else cells.index_select(-2, self.get_buffer("cells"))
        parts = cells.split([size for size, _ in self.sizes], dim=-2)
        return torch.cat([self.tables.like(cells, f"block{n}").mT @ part for n, part in enumerate(parts)], -2)
