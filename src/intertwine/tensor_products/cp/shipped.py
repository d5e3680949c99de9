"""Factors of coupling tensors that come with the library, as plain numbers, and the command that made them.

    python -m intertwine.tensor_products.cp.shipped --to FOLDER

writes every table of `TABLES` anew; O(3) acts on the `dim` axes of the tensors, degrees 0 to L on each.
"""

import argparse
from importlib.resources import files
from pathlib import Path as FilePath
from typing import NamedTuple

import numpy as np
import torch

from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.cp.coupling import SummedCoupling
from intertwine.tensor_products.cp.factors import STEPS, tamest
from intertwine.tensor_products.cp.gauss_newton import Factors


class Table(NamedTuple):
    """One shipped table: bare 3j tensors, degrees 0 to L on every leg.

    Example:
        >>> Table("all", 2, 30).file
        'all-L2-rank30.npz'
    """

    paths: str
    """"natural": those of even l1 + l2 + l3, all that natural parity allows; "all": the paper's, parity left out."""
    L: int
    rank: int

    @property
    def file(self) -> str:
        """Its name."""
        return f"{self.paths}-L{self.L}-rank{self.rank}.npz"

    def coupling(self) -> SummedCoupling:
        """What it decomposes."""
        irreps = Irreps.spherical_harmonics(self.L, -1 if self.paths == "natural" else 1)
        return SummedCoupling.of((irreps, irreps, irreps), component=False)

    def make(self) -> Factors:
        """Fit it."""
        exact = EXACT_RANK[self.paths, self.L] == self.rank
        return tamest(self.coupling().tensor(), self.rank, steps=600 if exact else STEPS)


EXACT_RANK = {
    ("natural", 1): 6,
    ("natural", 2): 18,
    ("natural", 3): 52,
    ("natural", 4): 121,
    ("all", 1): 8,
    ("all", 2): 30,
    ("all", 3): 90,
    ("all", 4): 215,
}
"""The smallest at which an exact form was found, by paths and L."""


def paper_rank(L: int) -> int:
    """Terms that TDN takes for degrees 0 to L, 7 L^2.

    Reference: Lin et al., 2025, Tensor Decomposition Networks (TDN), schedule of the experiments.
    """
    return 7 * max(L, 1) ** 2


TABLES = tuple(Table(paths, L, rank) for (paths, L), rank in EXACT_RANK.items()) + tuple(
    Table(paths, L, paper_rank(L)) for (paths, L), rank in EXACT_RANK.items() if paper_rank(L) < rank
)


def exact_table(coupling: SummedCoupling) -> Table | None:
    """The table with an exact form of a bare coupling, where one is shipped."""
    for table in TABLES[: len(EXACT_RANK)]:
        if coupling.lmax == table.L and table.coupling() == coupling:
            return table
    return None


def load(table: Table) -> Factors:
    """The numbers of a table."""
    with (files("intertwine.tensor_products.cp") / "tables" / table.file).open("rb") as file:
        numbers = np.load(file, allow_pickle=False)
        return Factors(*(torch.from_numpy(numbers[leg].astype(np.float64)) for leg in Factors._fields))


def save(table: Table, factors: Factors, folder: FilePath) -> None:
    """Write a table as three arrays, `in1`, `in2` and `out`."""
    np.savez(folder / table.file, in1=factors.in1.numpy(), in2=factors.in2.numpy(), out=factors.out.numpy())


def main() -> None:
    """Fit every table and write it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--to", type=FilePath, required=True, help="an existing folder")
    parser.add_argument("--only", nargs="*", default=[], help="file names; every table if left out")
    chosen = parser.parse_args()
    for table in TABLES:
        if not chosen.only or table.file in chosen.only:
            factors = table.make()
            error = factors.error(table.coupling().tensor())
            print(f"{table.file}: relative error {error:.1e}, amplification {factors.amplification():.1f}", flush=True)
            save(table, factors, chosen.to)


if __name__ == "__main__":
    main()
