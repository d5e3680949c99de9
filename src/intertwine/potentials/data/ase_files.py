"""Files that ASE reads and writes, of kinds that hold no pickles and no Python; no group acts."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import ase.db
import ase.io
from ase import Atoms

from intertwine.potentials.data.atoms_frame import frame_of_atoms
from intertwine.potentials.data.label_keys import Frame
from intertwine.potentials.structures.graph import GraphError, Source, one_line
from intertwine.potentials.structures.textfile import replacing, require_file

ASE_FORMATS = {".traj": "traj", ".db": "db", ".json": "json", ".cif": "cif", ".vasp": "vasp", ".poscar": "vasp"}
"""Formats left to ASE, by suffix. None of them executes what it reads."""
DATABASES = ("db", "json")


def ase_frames(path: Path) -> Iterator[Frame]:
    """The frames of a file, with the entries `key_value_pairs` and `data` of a database row among their info.

    Raises:
        GraphError: ASE cannot read it, or finds no structure.
    """
    require_file(path)
    kind = ASE_FORMATS[path.suffix.lower()]
    try:
        images = _rows(path, kind) if kind in DATABASES else _images(path, kind)
    except GraphError:
        raise
    except Exception as error:  # ASE raises whatever its parsers stumble over
        _fail(path, kind, error)
    if not images:
        raise GraphError(f"{one_line(path)}: the file holds no structures; expected at least one frame.")
    for index, atoms in enumerate(images):
        yield frame_of_atoms(atoms, Source(path, index))


def write_database(path: Path, images: Sequence[Atoms]) -> None:
    """Structures as an ASE database, all or nothing; `info` goes into the `data` of each row."""
    with replacing(path) as temporary:
        connection: Any = ase.db.connect(temporary, type="db", use_lock_file=False)
        with connection as database:
            for atoms in images:
                database.write(atoms, data=atoms.info)


def _images(path: Path, kind: str) -> list[Atoms]:
    images = ase.io.read(path, index=":", format=kind, do_not_split_by_at_sign=True)
    return [image for image in images if isinstance(image, Atoms)]


def _rows(path: Path, kind: str) -> list[Atoms]:
    if kind == "db":
        _require_tables(path)
    images = []
    database: Any = ase.db.connect(path, type=kind, use_lock_file=False)
    for row in database.select():
        atoms = row.toatoms()
        atoms.info = {**row.data, **row.key_value_pairs}
        images.append(atoms)
    return images


def _require_tables(path: Path) -> None:
    """Refuse what is no ASE database before ASE sees it: it would write its tables into the file."""
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        database.execute("select id, numbers, positions from systems limit 1").fetchall()
    finally:
        database.close()


def _fail(path: Path, kind: str, error: Exception) -> NoReturn:
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:120]
    raise GraphError(f"{one_line(path)}: ASE cannot read it as {kind} ({reason!a}); check or convert it.") from error
