"""Trajectories as extended XYZ, a frame at a time, readable after a crash; E(3) acts on positions and momenta."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.io.extxyz import write_extxyz

from intertwine.potentials.graph import Graph, GraphError
from intertwine.potentials.readers import to_atoms


class TrajectoryFile:
    """An extended XYZ file that grows by a frame; nothing at all when the path is None.

    Every frame is flushed, so that a run that is killed leaves whole frames but perhaps the last.

    Raises:
        GraphError: another suffix than .xyz or .extxyz, or no such folder.
    """

    def __init__(self, path: Path | str | None):
        self.path = None if path is None else Path(path)
        if self.path is not None and not re.search(r"\.(ext)?xyz$", self.path.name, re.IGNORECASE):
            raise GraphError(f"{self.path}: trajectories are written as .extxyz or .xyz; rename it.")
        if self.path is not None and not self.path.parent.is_dir():
            raise GraphError(f"{self.path}: there is no folder {self.path.parent}; make it first.")
        self._stream: Any = None

    def __enter__(self) -> "TrajectoryFile":
        if self.path is not None:
            self._stream = self.path.open("w", encoding="utf-8")
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


def bare(structure: Graph | Atoms) -> Atoms:
    """A copy as ASE atoms with positions, cell, momenta and constraints, without labels that will not stay true."""
    atoms = to_atoms(structure) if isinstance(structure, Graph) else structure
    copy = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, constraint=list(atoms.constraints))
    if atoms.has("momenta"):
        copy.set_momenta(atoms.get_momenta(), apply_constraint=False)
    return copy
