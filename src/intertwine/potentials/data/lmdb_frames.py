"""Structures of an ASE database in LMDB, as fairchem writes them: compressed JSON, never a pickle. No group acts."""

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from intertwine.potentials.data.label_keys import Frame
from intertwine.potentials.data.lmdb_pages import lmdb_entries
from intertwine.potentials.structures.graph import GraphError, Source, one_line
from intertwine.potentials.structures.textfile import BOMB_FLOOR, require_file

RESERVED = (b"nextid", b"deleted_ids", b"metadata", b"length")
LABELS = ("energy", "free_energy", "stress")
DTYPES = ("float64", "float32", "int64", "int32", "bool")


def lmdb_frames(path: Path) -> Iterator[Frame]:
    """The frames of a file .lmdb or .aselmdb, or of a folder with data.mdb, in the order of their row numbers.

    Raises:
        GraphError: in one line: a damaged file; a row that is no structure; a file of pickles, which could run code and
            are never opened.
    """
    file = path / "data.mdb" if path.is_dir() else path
    require_file(file)
    rows = {}
    for key, value in lmdb_entries(file):
        if key in RESERVED:
            continue
        if not key.isdigit() or len(key) > 18:
            raise GraphError(f"{one_line(path)}: has the key {key[:40]!a}, expected row numbers; convert it.")
        if value[:1] == b"\x80" or zlib_text(value[:64])[:1] == b"\x80":
            raise GraphError(
                f"{one_line(path)}: holds pickles, which can run code and are not opened; where you trust them, write "
                "them as .extxyz or .aselmdb with the program that made them (fairchem: AseDBDataset)."
            )
        rows[int(key)] = value
    if not rows:
        raise GraphError(f"{one_line(path)}: the file holds no structures; expected at least one frame.")
    for index, number in enumerate(sorted(rows)):
        yield _frame(_row(rows[number], f"{one_line(path)} row {number}"), Source(path, index))


def zlib_text(data: bytes) -> bytes:
    """What the beginning of a compressed text says; nothing if it is not compressed."""
    try:
        return zlib.decompressobj().decompress(data, 64)
    except zlib.error:
        return b""


def _row(value: bytes, where: str) -> dict[str, Any]:
    try:
        stream = zlib.decompressobj()
        text = stream.decompress(value, BOMB_FLOOR)
        if stream.unconsumed_tail:
            raise ValueError(f"more than {BOMB_FLOOR >> 20} MiB")
        if not stream.eof:
            raise ValueError("it ends too early")
        row = json.loads(text, object_hook=_object)
        if not isinstance(row, dict):
            raise ValueError(f"JSON of a {type(row).__name__}")
        return row
    except (zlib.error, ValueError, TypeError, OverflowError, RecursionError) as error:
        reason = ascii(" ".join(str(error).split())[:80])
        raise GraphError(f"{where}: is no compressed JSON of a structure ({reason}); download it again.") from error


def _object(value: dict[str, Any]) -> Any:
    """ASE's way to write an array in JSON."""
    if "__ndarray__" not in value:
        return value
    shape, dtype, flat = value["__ndarray__"]
    if dtype not in DTYPES:
        raise ValueError(f"an array of {dtype}")
    return np.array(flat, dtype=dtype).reshape(shape)


def _frame(row: Mapping[str, Any], source: Source) -> Frame:
    try:
        numbers = np.asarray(row["numbers"], dtype=np.int64)
        positions = np.asarray(row["positions"], dtype=float)
        cell = np.asarray(row.get("cell", np.zeros((3, 3))), dtype=float).reshape(3, 3)
        pbc = np.asarray(row.get("pbc", [False] * 3), dtype=bool)
        forces = None if row.get("forces") is None else np.asarray(row["forces"], dtype=float)
        entries = [row.get(name) or {} for name in ("data", "key_value_pairs")]
        if not len(numbers) or positions.shape != (len(numbers), 3) or pbc.shape != (3,) or numbers.ndim != 1:
            raise ValueError(f"numbers {numbers.shape}, positions {positions.shape}, pbc {pbc.shape}")
        info = {name: value for part in entries for name, value in part.items()}
        fixed = _fixed(row.get("constraints") or [], len(numbers))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        reason = ascii(" ".join(f"{type(error).__name__}: {error}".split())[:100])
        raise GraphError(f"{source}: is no row of an ASE database ({reason}); drop it or write it again.") from error
    info |= {name: row[name] for name in LABELS if row.get(name) is not None}
    columns = {} if forces is None else {"forces": forces.copy}
    if fixed is not None:
        columns["move_mask"] = fixed.copy
    return Frame(source, numbers, positions, cell, pbc, info, columns)


def _fixed(constraints: Any, count: int) -> np.ndarray | None:
    mask = np.ones((count, 1))
    for constraint in constraints:
        if isinstance(constraint, dict) and constraint.get("name") == "FixAtoms":
            mask[np.asarray(constraint["kwargs"]["indices"], dtype=int)] = 0
    return None if mask.all() else mask
