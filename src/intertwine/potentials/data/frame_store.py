"""Large sets of structures in one HDF5 file, a frame read when it is asked for; no group acts.

Uncompressed arrays are read in place, a few hundred bytes at a time: memory stays flat, and a file that is cut
meanwhile is an error, where a memory map would end the process.
"""

import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import h5py
import numpy as np

from intertwine.potentials.data.label_keys import Frame, to_graph
from intertwine.potentials.data.store_layout import (
    COLUMNS,
    FORMAT,
    HAS_ENERGY,
    HAS_FORCES,
    HAS_STRESS,
    INDEX,
    VERSION,
    Column,
    checksums,
    index_digest,
    stored_array,
    stored_count,
)
from intertwine.potentials.structures.graph import Graph, GraphError, Source, one_line
from intertwine.potentials.structures.soundness import check
from intertwine.potentials.structures.textfile import require_file


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
        if checksums(rows, np.array([0, atoms.stop - atoms.start]))[0] != self._checksum[index]:
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
        frames = stored_count(file, "frames")
        self.first = stored_array(file, "first", INDEX["first"], frames + 1)[:]
        self._checksum = stored_array(file, "checksum", INDEX["checksum"], frames)[:]
        names = stored_array(file, "group_names", Column("<u1", ()), stored_count(file, "group_bytes"))[:].tobytes()
        if index_digest(self.first, self._checksum, names) != _text(file.attrs["digest"]):
            raise GraphError(f"{one_line(self.path)}: damaged index, its digest differs; copy or download it again.")
        if frames < 1 or self.first[0] != 0 or (np.diff(self.first) < 1).any():
            raise GraphError(f"{one_line(self.path)}: holds no frames, or an empty one; write it again.")
        self._groups = json.loads(names)
        atoms = int(self.first[-1])
        rows = {name: atoms if column.by_atom else frames for name, column in COLUMNS.items()}
        arrays = {name: stored_array(file, name, column, rows[name]) for name, column in COLUMNS.items()}
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


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _reason(error: Exception) -> str:
    return ascii(" ".join(str(error).split())[:100])
