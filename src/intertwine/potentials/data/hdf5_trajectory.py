"""Trajectories in HDF5: arrays `frame node 3` with room for the whole run; E(3) acts on positions and momenta.

All room is made at the start, in one piece for each array, and a counter is raised once a frame lies in its place. So a
frame never changes the structure of the file, and a run that is killed leaves every counted frame readable, which
growing datasets do not promise. File systems take no space for what is not yet written.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

from intertwine.potentials.data.label_keys import Frame
from intertwine.potentials.structures.graph import GraphError, Source, one_line
from intertwine.potentials.structures.textfile import replacing

FORMAT, VERSION = "intertwine trajectory", 1
OF_ATOMS = ("positions", "momenta", "forces")
LABELS = {"energy": (), "stress": (3, 3)}


class Hdf5Trajectory:
    """An HDF5 file that takes a frame at a time: positions, momenta, cell, energy, forces, stress, and what is told.

    Args:
        frames: room for so many.
        mark: go on after this many frames of an earlier run; None begins anew.

    Raises:
        GraphError: a file without the frames to go on from.
    """

    def __init__(self, path: Path, *, frames: int, mark: int | None = None):
        self.path, self._frames, self._mark = path, frames, mark
        self._file: Any = None
        if mark is not None:
            with opened(path) as file:
                there, room = int(file["frames"][()]), len(file["positions"])
            if there < mark:
                raise GraphError(
                    f"{one_line(path)}: has {there} frames, but the run to continue had written {mark}; put the file "
                    "back, or begin again without the restart folder."
                )
            if room < frames:
                self._enlarge()

    def __enter__(self) -> "Hdf5Trajectory":
        self._file = h5py.File(self.path, "w" if self._mark is None else "r+")
        if self._mark is not None:
            self._file["frames"][()] = self._mark
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, atoms: Atoms, info: Mapping[str, int | float]) -> None:
        """Append a frame with what its calculator computed, and `info`."""
        results = atoms.calc.results if atoms.calc is not None else {}
        values: dict[str, Any] = {"positions": atoms.positions, "cell": atoms.cell.array, **info}
        if atoms.has("momenta"):
            values["momenta"] = atoms.arrays["momenta"]
        values |= {name: results[name] for name in ("energy", "forces") if name in results}
        if "stress" in results:
            values["stress"] = voigt_6_to_full_3x3_stress(results["stress"])
        if "frames" not in self._file:
            self._make_room(atoms, values)
        place = int(self._file["frames"][()])
        for name, value in values.items():
            if name in self._file:
                self._file[name][place] = value
        self._file.flush()
        self._file["frames"][()] = place + 1
        self._file.flush()

    def mark(self) -> int:
        """How many frames there are, once all of them are on the disk."""
        self._file.flush()
        handle = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return int(self._file["frames"][()])

    def _make_room(self, atoms: Atoms, values: Mapping[str, Any]) -> None:
        self._file["numbers"], self._file["pbc"] = atoms.numbers.astype(np.uint8), atoms.pbc.astype(np.uint8)
        for name, value in values.items():
            _room(self._file, name, self._frames, np.shape(value))
        self._file["frames"] = 0
        self._file.attrs.update({"format": FORMAT, "version": VERSION})
        self._file.flush()

    def _enlarge(self) -> None:
        with replacing(self.path) as temporary, opened(self.path) as old, h5py.File(temporary, "w") as new:
            new["numbers"], new["pbc"], new["frames"] = old["numbers"][:], old["pbc"][:], old["frames"][()]
            for name in set(old) - set(new):
                array = _room(new, name, self._frames, old[name].shape[1:])
                array[: self._mark] = old[name][: self._mark]
            new.attrs.update({"format": FORMAT, "version": VERSION})


def _room(file: Any, name: str, frames: int, shape: tuple[int, ...]) -> Any:
    """An array in one piece, which takes its place in the file at once and none on the disk."""
    kind = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    kind.set_layout(h5py.h5d.CONTIGUOUS)
    kind.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    kind.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple((frames, *shape))
    return h5py.Dataset(h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F64LE, space, kind))


def opened(path: Path) -> Any:
    """The file, to read from.

    Raises:
        GraphError: it is not there, damaged, or no trajectory.
    """
    try:
        file = h5py.File(path, "r", locking=False)  # a run may be writing to it
    except OSError as error:
        raise GraphError(f"{one_line(path)}: cannot be read as HDF5 ({str(error)[:80]}); check the path.") from error
    needed = {"numbers", "pbc", "frames", "positions", "cell"}
    if file.attrs.get("format") != FORMAT or file.attrs.get("version") != VERSION or not needed <= set(file):
        file.close()
        raise GraphError(f"{one_line(path)}: is HDF5, but no trajectory of version {VERSION} that intertwine wrote.")
    return file


def is_trajectory(path: Path) -> bool:
    """Whether a file is HDF5 and says that it is a trajectory."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            return file.attrs.get("format") == FORMAT
    except (OSError, KeyError, RuntimeError):  # whoever reads it next says what is wrong
        return False


def trajectory_frames(path: Path) -> Iterator[Callable[[], Frame]]:
    """The frames as functions that read them.

    Raises:
        GraphError: the file is damaged, or holds no frame.
    """
    try:
        with opened(path) as file:
            count = int(file["frames"][()])
            if count < 1:
                raise GraphError(f"{one_line(path)}: the file holds no structures; expected at least one frame.")
            numbers, pbc = file["numbers"][:].astype(np.int64), file["pbc"][:].astype(bool)
            arrays = {name: file[name][:count] for name in file if name not in ("numbers", "pbc", "frames")}
    except (KeyError, ValueError, TypeError, OSError) as error:
        if isinstance(error, GraphError):
            raise
        raise GraphError(f"{one_line(path)}: damaged trajectory ({str(error)[:80]}); copy it again.") from error
    for index in range(count):
        yield partial(_frame, Source(path, index), numbers, pbc, {name: rows[index] for name, rows in arrays.items()})


def _frame(source: Source, numbers: np.ndarray, pbc: np.ndarray, row: Mapping[str, Any]) -> Frame:
    info = {name: value for name, value in row.items() if name not in (*OF_ATOMS, "cell")}
    columns = {name: row[name].copy for name in OF_ATOMS[1:] if name in row}
    return Frame(source, numbers, row["positions"], row["cell"], pbc, info, columns)
