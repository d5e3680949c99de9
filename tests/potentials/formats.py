"""Structures and files of other formats for tests: an ASE database in LMDB as fairchem writes it, equal graphs."""

import dataclasses
import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.structures.graph import Graph


def crystal(seed: int = 1) -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=seed)
    atoms.info["config_type"] = 'a "quoted" \\ name'
    atoms.calc = EMT()
    atoms.get_potential_energy()
    atoms.get_stress()
    return atoms


def water(seed: int = 0) -> Atoms:
    atoms = molecule("H2O")
    atoms.rattle(0.05, seed=seed)
    return atoms


def varied() -> list[Graph]:
    """Frames that differ in size, periodicity, labels and group."""
    energies = water(2)
    energies.calc = SinglePointCalculator(energies, energy=-14.25)
    slab = Atoms("Fe", cell=[2, 2, 9], pbc=[True, True, False], info={"config_type": "slab"})
    return [from_atoms(atoms) for atoms in (crystal(1), water(1), energies, slab, crystal(2))]


def assert_equal(one: Graph, other: Graph) -> None:
    for field in dataclasses.fields(Graph):
        mine, yours = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, torch.Tensor):
            assert torch.equal(mine, yours), field.name
        elif field.name != "sources":
            assert mine == yours, field.name


def ase_row(atoms: Atoms, **entries: Any) -> dict[str, Any]:
    """A row as ase.db keeps it; arrays as plain lists."""
    row: dict[str, Any] = {
        "numbers": atoms.numbers.tolist(), "positions": atoms.positions.tolist(), "cell": atoms.cell.array.tolist(),
        "pbc": atoms.pbc.tolist(), "unique_id": "0" * 32, "ctime": 1.0, "mtime": 1.0, "user": "somebody",
    }  # fmt: skip
    if atoms.calc is not None:
        row |= {name: np.asarray(value).tolist() for name, value in atoms.calc.results.items() if name in LABELS}
    return row | entries


LABELS = ("energy", "forces", "stress")


def lmdb_file(path: Path, rows: Iterable[Any], extra: Mapping[bytes, bytes] = {}) -> Path:
    """Rows 1, 2, ... as zlib-compressed JSON, or as they are if they are bytes."""
    import lmdb

    rows = [row if isinstance(row, bytes) else zlib.compress(json.dumps(row).encode()) for row in rows]
    with lmdb.open(str(path), map_size=1 << 30, subdir=False, lock=False) as env, env.begin(write=True) as transaction:
        for number, value in enumerate(rows, 1):
            transaction.put(str(number).encode(), value)
        transaction.put(b"nextid", zlib.compress(str(len(rows) + 1).encode()))
        for key, value in extra.items():
            transaction.put(key, value)
    return path
