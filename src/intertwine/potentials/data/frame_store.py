"""Large sets of structures in one HDF5 file, a frame read when it is asked for; no group acts.

Atoms of all frames lie behind one another in arrays that begin at `first[frame]`. Every frame has a checksum, and the
index a digest, so that no damaged number is ever returned. Uncompressed arrays are read in place, a few hundred bytes
at a time: memory stays flat, and a file that is cut meanwhile is an error, where a memory map would end the process.
"""

import hashlib
import json
import math
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import h5py
import numpy as np

from intertwine.potentials.data.label_keys import Frame, to_graph
from intertwine.potentials.structures.graph import Graph, GraphError, Source, one_line
from intertwine.potentials.structures.soundness import check
from intertwine.potentials.structures.textfile import BOMB_FLOOR, BOMB_RATIO, replacing, require_file

FORMAT, VERSION = "intertwine frames", 1
HAS_ENERGY, HAS_FORCES, HAS_STRESS = 1, 2, 4
BLOCK = 512
"""Frames written at a time."""


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


class FrameStore(Sequence[Graph]):
    """The frames of a store as graphs without edges, each read, verified and checked when it is asked for.

    May be pickled, and read by several processes at once: each opens the file for itself.

    Raises:
        GraphError: in one line: no store, another version, a damaged index; and, for each frame, damage or a structure
            that `soundness.check` refuses.

    Example:
        >>> store = FrameStore("train.h5")                                      # doctest: +SKIP
        >>> items = Prepared(store, lambda graph: connect(graph, 5.0))          # doctest: +SKIP
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._open()

    def __len__(self) -> int:
        return len(self.first) - 1

    @overload
    def __getitem__(self, index: int) -> Graph: ...
    @overload
    def __getitem__(self, index: slice) -> list[Graph]: ...
    def __getitem__(self, index: int | slice) -> Graph | list[Graph]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return check(to_graph(self.frame(index)))

    @property
    def atom_counts(self) -> np.ndarray:
        """Atoms of every frame, from the index alone."""
        return np.diff(self.first)

    def frames(self) -> Iterator[Frame]:
        """Every frame before its labels are understood."""
        return (self.frame(index) for index in range(len(self)))

    def frame(self, index: int) -> Frame:
        """One frame, its checksum verified."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"{one_line(self.path)}: has {len(self)} frames, there is no frame {index}")
        index %= len(self)
        source = Source(self.path, index)
        if self._process != os.getpid():
            self._open()
        atoms = slice(int(self.first[index]), int(self.first[index + 1]))
        rows = {}
        try:
            for name, array in self._arrays.items():
                rows[name] = array[atoms] if COLUMNS[name].by_atom else array[index : index + 1]
        except OSError as error:  # a compressed block that is damaged, or a file that was cut
            raise GraphError(f"{source}: is damaged ({_reason(error)}); copy or download the store again.") from error
        if _checksums(rows, np.array([0, atoms.stop - atoms.start]))[0] != self._checksum[index]:
            raise GraphError(f"{source}: is damaged, its checksum differs; copy or download the store again.")
        labels = int(rows["labels"][0])
        info: dict[str, Any] = {}
        if labels & HAS_ENERGY:
            info["energy"] = float(rows["energy"][0])
        if labels & HAS_STRESS:
            info["stress"] = rows["stress"][0]
        if self._groups[rows["group"][0]]:
            info["config_type"] = self._groups[rows["group"][0]]
        columns = {"forces": rows["forces"].copy} if labels & HAS_FORCES else {}
        pbc = rows["pbc"][0].astype(bool)
        return Frame(source, rows["numbers"].astype(np.int64), rows["positions"], rows["cell"][0], pbc, info, columns)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self._open()

    def _open(self) -> None:
        require_file(self.path)
        try:
            file = h5py.File(self.path, "r")
        except (OSError, KeyError, RuntimeError, ValueError) as error:
            raise GraphError(
                f"{one_line(self.path)}: is no HDF5 file, or damaged ({_reason(error)}); copy or download it again."
            ) from error
        try:
            self._read_index(file)
        except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
            if isinstance(error, GraphError):
                raise
            raise GraphError(
                f"{one_line(self.path)}: damaged store ({_reason(error)}); copy or download it again."
            ) from error
        self._process = os.getpid()

    def _read_index(self, file: h5py.File) -> None:
        if _text(file.attrs.get("format")) != FORMAT:
            raise GraphError(
                f"{one_line(self.path)}: is HDF5, but no store of frames that intertwine wrote; write its structures "
                "as .extxyz and convert that."
            )
        if file.attrs.get("version") != VERSION:
            raise GraphError(
                f"{one_line(self.path)}: is a store of version {file.attrs.get('version')!s:.20}, this program reads "
                f"{VERSION}; update one of them."
            )
        frames = _count(file, "frames")
        self.first = _dataset(file, "first", INDEX["first"], frames + 1)[:]
        self._checksum = _dataset(file, "checksum", INDEX["checksum"], frames)[:]
        names = _dataset(file, "group_names", Column("<u1", ()), _count(file, "group_bytes"))[:].tobytes()
        if _digest(self.first, self._checksum, names) != _text(file.attrs["digest"]):
            raise GraphError(f"{one_line(self.path)}: damaged index, its digest differs; copy or download it again.")
        if frames < 1 or self.first[0] != 0 or (np.diff(self.first) < 1).any():
            raise GraphError(f"{one_line(self.path)}: holds no frames, or an empty one; write it again.")
        self._groups = json.loads(names)
        atoms = int(self.first[-1])
        rows = {name: atoms if column.by_atom else frames for name, column in COLUMNS.items()}
        arrays = {name: _dataset(file, name, column, rows[name]) for name, column in COLUMNS.items()}
        if all(array.chunks is None for array in arrays.values()):
            arrays = {name: InPlace(self.path, array) for name, array in arrays.items()}
            file.close()
        self._arrays = arrays


class InPlace:
    """Rows of an uncompressed array, read from where they lie in the file, which several processes may do at once."""

    def __init__(self, path: Path, array: h5py.Dataset):
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115  (as long as the store lives)
        self._offset = array.id.get_offset()
        self._dtype, self._shape = array.dtype, array.shape[1:]
        self._row = self._dtype.itemsize * math.prod(self._shape)
        if self._offset is None or self._offset + self._row * len(array) > path.stat().st_size:
            raise ValueError(f"{array.name} lies beyond the end of the file")

    def __getitem__(self, rows: slice) -> np.ndarray:
        size = (rows.stop - rows.start) * self._row
        data = os.pread(self._file.fileno(), size, self._offset + rows.start * self._row)
        if len(data) != size:
            raise OSError(f"{size} bytes expected, {len(data)} left")
        return np.frombuffer(data, self._dtype).reshape(-1, *self._shape)


class Prepared(Sequence[Any]):
    """The items of a sequence after a function, computed when asked for: a store as items of training, for one."""

    def __init__(self, items: Sequence[Any], function: Callable[[Any], Any]):
        self.items, self.function = items, function

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self.function(self.items[index])


def write_store(path: Path | str, graphs: Sequence[Graph], *, compress: bool = False) -> None:
    """One graph a structure, as a store; the file appears at once and complete. The sequence is read three times.

    Args:
        compress: with gzip, which makes it smaller; to read a frame is then to unpack blocks of 2048 atoms.

    Raises:
        GraphError: nothing to write, a structure that is not sound, or a place that cannot be written.
    """
    path = Path(path)
    counts = np.array([graph.node_count for graph in graphs], dtype="<i8")
    if not len(counts):
        raise GraphError(f"{one_line(path)}: there are no structures to write; expected at least one.")
    first = np.concatenate([[0], np.cumsum(counts)]).astype("<i8")
    group_names = ["", *sorted({name for graph in graphs for name in graph.groups if name})]
    group_index = {name: index for index, name in enumerate(group_names)}
    names = np.frombuffer(json.dumps(group_names).encode(), dtype="<u1")
    filters: dict[str, Any] = {"compression": "gzip", "compression_opts": 4, "shuffle": True} if compress else {}
    with replacing(path) as temporary, h5py.File(temporary, "w", libver=("v108", "v110")) as file:
        arrays = {}
        for name, column in COLUMNS.items():
            rows = int(first[-1]) if column.by_atom else len(counts)
            chunks = {**filters, "chunks": (min(rows, 2048), *column.shape)} if compress else {}
            arrays[name] = file.create_dataset(name, (rows, *column.shape), column.dtype, **chunks)
        checksums = []
        for begin in range(0, len(counts), BLOCK):
            end = min(begin + BLOCK, len(counts))
            block = _block([check(graphs[index]) for index in range(begin, end)], group_index)
            for name, rows in block.items():
                span = (first[begin], first[end]) if COLUMNS[name].by_atom else (begin, end)
                arrays[name][span[0] : span[1]] = rows
            checksums.append(_checksums(block, first[begin : end + 1] - first[begin]))
        checksum = np.concatenate(checksums)
        file.create_dataset("first", data=first)
        file.create_dataset("checksum", data=checksum)
        file.create_dataset("group_names", data=names)
        file.attrs.update(
            format=FORMAT, version=VERSION, frames=len(counts), group_bytes=len(names), units="eV, Angstrom",
            digest=_digest(first, checksum, names.tobytes()),
        )  # fmt: skip


def _block(graphs: Sequence[Graph], group_index: dict[str, int]) -> dict[str, np.ndarray]:
    """Rows of every column for some frames; zeros stand for labels that are missing."""
    rows: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for graph in graphs:
        zeros = {"energy": np.zeros(1), "forces": np.zeros((graph.node_count, 3)), "stress": np.zeros((1, 3, 3))}
        for name in ("numbers", "positions", "cell", "pbc"):
            rows[name].append(getattr(graph, name).detach().cpu().numpy())
        for name, missing in zeros.items():
            value = getattr(graph, name)
            rows[name].append(missing if value is None else value.detach().cpu().numpy())
        given = (graph.energy is not None, graph.forces is not None, graph.stress is not None)
        rows["labels"].append([sum(flag * bit for flag, bit in zip(given, (HAS_ENERGY, HAS_FORCES, HAS_STRESS)))])
        rows["group"].append([group_index[graph.groups[0] if graph.groups else ""]])
    return {name: np.concatenate(parts).astype(COLUMNS[name].dtype) for name, parts in rows.items()}


def _checksums(rows: dict[str, np.ndarray], first: np.ndarray) -> np.ndarray:
    """CRC-32 of each frame over its rows of every column, in the order of `COLUMNS`."""
    sums = np.zeros(len(first) - 1, dtype="<u4")
    for frame in range(len(sums)):
        value = 0
        for name, column in COLUMNS.items():
            part = rows[name][first[frame] : first[frame + 1]] if column.by_atom else rows[name][frame : frame + 1]
            value = zlib.crc32(part.tobytes(), value)
        sums[frame] = value
    return sums


def _digest(first: np.ndarray, checksum: np.ndarray, names: bytes) -> str:
    return hashlib.sha256(first.tobytes() + checksum.tobytes() + names).hexdigest()


def _dataset(file: h5py.File, name: str, column: Column, rows: int) -> h5py.Dataset:
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


def _count(file: h5py.File, name: str) -> int:
    value: Any = file.attrs[name]
    return int(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _reason(error: Exception) -> str:
    return ascii(" ".join(str(error).split())[:100])
