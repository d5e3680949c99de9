"""Trajectories that grow by a frame, readable after a crash, to be continued; E(3) acts on positions and momenta."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.io.extxyz import write_extxyz

from intertwine.potentials.data.hdf5_trajectory import Hdf5Trajectory
from intertwine.potentials.data.readers import to_atoms
from intertwine.potentials.structures.graph import Graph, GraphError


def open_trajectory(
    path: Path | str | None, *, frames: int, mark: int | None = None
) -> "TrajectoryFile | Hdf5Trajectory":
    """A file to write a trajectory of at most so many frames to, extended XYZ or HDF5 by its suffix.

    Args:
        mark: go on after this mark of an earlier run, and cut off what came after it; None begins anew.

    Raises:
        GraphError: another suffix, no such folder, or a file that ends before the mark.
    """
    if path is not None and re.search(r"\.(h5|hdf5)$", str(path), re.IGNORECASE):
        _require_folder(Path(path))
        return Hdf5Trajectory(Path(path), frames=frames, mark=mark)
    return TrajectoryFile(path, mark=mark)


def _require_folder(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise GraphError(f"{path}: there is no folder {path.parent}; make it first.")


class TrajectoryFile:
    """An extended XYZ file that grows by a frame; nothing at all when the path is None.

    Every frame is flushed, so that a run that is killed leaves whole frames but perhaps the last.

    Args:
        mark: go on after this mark of an earlier run, and cut off what came after it; None begins anew.

    Raises:
        GraphError: another suffix than .xyz or .extxyz, no such folder, or a file that ends before the mark.
    """

    def __init__(self, path: Path | str | None, *, mark: int | None = None):
        self.path, self._mark = None if path is None else Path(path), mark
        self._stream: Any = None
        if self.path is None:
            return
        if not re.search(r"\.(ext)?xyz$", self.path.name, re.IGNORECASE):
            raise GraphError(f"{self.path}: structures are written here as .extxyz, .xyz or .h5; rename it.")
        _require_folder(self.path)
        if mark is not None:
            length = self.path.stat().st_size if self.path.exists() else 0
            if length < mark:
                raise GraphError(
                    f"{self.path}: has {length} bytes, but the run to continue had written {mark}; put the file back, "
                    "or begin again without the restart folder."
                )

    def __enter__(self) -> "TrajectoryFile":
        if self.path is not None and self._mark is None:
            self._stream = self.path.open("w", encoding="utf-8")
        elif self.path is not None:
            self._stream = self.path.open("r+", encoding="utf-8")
            self._stream.truncate(self._mark)
            self._stream.seek(0, os.SEEK_END)
        return self

    def __exit__(self, *error: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def write(self, atoms: Atoms, info: Mapping[str, int | float]) -> None:
        """Append a frame with what its calculator computed, and `info`."""
        if self._stream is not None:
            frame = atoms.copy()
            frame.info, frame.calc, frame.constraints = dict(info), atoms.calc, []
            write_extxyz(self._stream, [frame])
            self._stream.flush()

    def mark(self) -> int | None:
        """Where the file ends now, once all of it is on the disk; None without a file."""
        if self._stream is None:
            return None
        os.fsync(self._stream.fileno())
        return os.fstat(self._stream.fileno()).st_size


def bare(structure: Graph | Atoms) -> Atoms:
    """A copy as ASE atoms with positions, cell, momenta and constraints, without labels that will not stay true."""
    atoms = to_atoms(structure) if isinstance(structure, Graph) else structure
    masses = atoms.get_masses() if atoms.has("masses") else None
    copy = Atoms(
        atoms.numbers,
        atoms.positions,
        masses=masses,
        cell=atoms.cell,
        pbc=atoms.pbc,
        constraint=list(atoms.constraints),
    )
    if atoms.has("momenta"):
        copy.set_momenta(atoms.get_momenta(), apply_constraint=False)
    return copy
