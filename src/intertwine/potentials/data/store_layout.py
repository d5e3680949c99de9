"""How a store of frames lies in its HDF5 file: arrays, checksums and what an array may look like; no group acts.

Atoms of all frames lie behind one another in arrays that begin at `first[frame]`. Every frame has a checksum, and the
index a digest, so that no damaged number is ever returned.
"""

import hashlib
import math
import zlib
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from intertwine.potentials.structures.textfile import BOMB_FLOOR, BOMB_RATIO

FORMAT, VERSION = "intertwine frames", 1
HAS_ENERGY, HAS_FORCES, HAS_STRESS = 1, 2, 4


@dataclass(frozen=True)
class Column:
    """An array of the file: its type, the shape of a row, and whether rows are atoms or frames."""

    dtype: str
    shape: tuple[int, ...]
    by_atom: bool = False


COLUMNS = {
    "numbers": Column("<u1", (), by_atom=True),
    "positions": Column("<f8", (3,), by_atom=True),
    "forces": Column("<f8", (3,), by_atom=True),
    "cell": Column("<f8", (3, 3)),
    "pbc": Column("<u1", (3,)),
    "energy": Column("<f8", ()),
    "stress": Column("<f8", (3, 3)),
    "labels": Column("<u1", ()),
    "group": Column("<i4", ()),
}
INDEX = {"first": Column("<i8", ()), "checksum": Column("<u4", ())}


def checksums(rows: dict[str, np.ndarray], first: np.ndarray) -> np.ndarray:
    """CRC-32 of each frame over its rows of every column, in the order of `COLUMNS`."""
    sums = np.zeros(len(first) - 1, dtype="<u4")
    for frame in range(len(sums)):
        value = 0
        for name, column in COLUMNS.items():
            part = rows[name][first[frame] : first[frame + 1]] if column.by_atom else rows[name][frame : frame + 1]
            value = zlib.crc32(part.tobytes(), value)
        sums[frame] = value
    return sums


def index_digest(first: np.ndarray, checksum: np.ndarray, names: bytes) -> str:
    """SHA-256 of where frames begin, their checksums and the names of their groups."""
    return hashlib.sha256(first.tobytes() + checksum.tobytes() + names).hexdigest()


def stored_array(file: h5py.File, name: str, column: Column, rows: int) -> h5py.Dataset:
    """An array that is what this file should hold, in this file and not elsewhere."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
        raise ValueError(f"{name} is no array of this file")
    array = file[name]
    assert isinstance(array, h5py.Dataset)
    if array.dtype != np.dtype(column.dtype) or array.shape != (rows, *column.shape):
        raise ValueError(f"{name} is {array.dtype} {array.shape}, expected {column.dtype} {(rows, *column.shape)}")
    if array.external or array.is_virtual or array.compression not in (None, "gzip"):
        raise ValueError(f"{name} is stored in an unexpected way")
    stored, size = array.id.get_storage_size(), array.dtype.itemsize * math.prod(array.shape)
    if size > (stored if array.chunks is None else max(BOMB_FLOOR, BOMB_RATIO * stored)):
        raise ValueError(f"{name} has {stored} bytes for {size}")
    return array


def stored_count(file: h5py.File, name: str) -> int:
    """A whole number that the file tells of itself."""
    value: Any = file.attrs[name]
    return int(value)
