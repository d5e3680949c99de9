"""Files that must be refused: each with a function that writes it and the words its one-line error must hold.

All are read with energy and forces required. Other tests, of the command line for one, may run over the same list.
"""

import gzip
import json
import lzma
import os
import pickle
import sqlite3
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ase.db
import h5py
import numpy as np
from ase import Atoms

from intertwine.potentials.data.readers import read, write

REQUIRED = ("energy", "forces")


@dataclass(frozen=True)
class Case:
    name: str
    write: Callable[[Path], Path]
    """Writes the file into a folder and returns its path."""
    expected: tuple[str, ...]
    """What the error says, beside the name of the file."""


WATER = """3
Properties=species:S:1:pos:R:3:forces:R:3 energy=-76.25 pbc="F F F"
O 0.0 0.0 0.119 0.0 0.0 0.125
H 0.0 0.763 -0.477 0.0 0.5 -0.0625
H 0.0 -0.763 -0.477 0.0 -0.5 -0.0625
"""
COPPER = """2
Lattice="4.0 0.0 0.0 0.0 4.0 0.0 0.0 0.0 4.0" Properties=species:S:1:pos:R:3:forces:R:3 energy=-8.5 pbc="T T T"
Cu 0.0 0.0 0.0 0.25 0.0 0.0
Cu 2.0 2.0 0.0 -0.25 0.0 0.0
"""


def edited(text: str, *edits: tuple[str, str]) -> str:
    for old, new in edits:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return text


def file(name: str, content: str | bytes, *expected: str, suffix: str = ".extxyz") -> Case:
    def write(folder: Path) -> Path:
        path = folder / (name.replace(" ", "-") + suffix)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return Case(name, write, expected)


def water(name: str, *edits: tuple[str, str], expected: tuple[str, ...], line: int) -> Case:
    """A good frame and then a spoilt one; lines of the second begin at 6."""
    return file(name, WATER + edited(WATER, *edits), "frame 1", f"line {line}", *expected)


def copper(name: str, *edits: tuple[str, str], expected: tuple[str, ...], line: int) -> Case:
    return file(name, WATER + edited(COPPER, *edits), "frame 1", f"line {line}", *expected)


def other(name: str, *expected: str) -> Callable[[Callable[[Path], Path]], Case]:
    return lambda write: Case(name, write, expected)


@other("missing file", "no such file")
def missing(folder: Path) -> Path:
    return folder / "missing.extxyz"


@other("missing trajectory", "no such file")
def missing_trajectory(folder: Path) -> Path:
    return folder / "missing.traj"


@other("name too long", "no such file")
def endless_name(folder: Path) -> Path:
    return folder / ("x" * 300 + ".extxyz")


@other("folder", "folder")
def folder(folder: Path) -> Path:
    (folder / "set.extxyz").mkdir()
    return folder / "set.extxyz"


@other("pipe", "device")
def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.extxyz")
    return folder / "pipe.extxyz"


def good(folder: Path, name: str) -> Path:
    """Sixty good frames in another format."""
    source = folder / "good.extxyz"
    source.write_text((WATER + COPPER) * 30)
    write(folder / name, read(source))
    source.unlink()
    return folder / name


def damaged(name: str, suffix: str, damage: Callable[[bytes], bytes], *expected: str) -> Case:
    """A good file of another format whose bytes were changed."""

    def make(folder: Path) -> Path:
        path = good(folder, name.replace(" ", "-") + suffix)
        path.write_bytes(damage(path.read_bytes()))
        return path

    return Case(name, make, expected)


def store(name: str, change: Callable[[h5py.File], object], *expected: str) -> Case:
    """A good store that was changed from inside."""

    def make(folder: Path) -> Path:
        path = good(folder, name.replace(" ", "-") + ".h5")
        with h5py.File(path, "a") as file:
            change(file)
        return path

    return Case(name, make, expected)


def replaced(file: h5py.File, name: str, **content) -> None:
    del file[name]
    file.create_dataset(name, **content)


def meta_page(root: int, last: int = 2) -> bytes:
    """The description at the head of an LMDB file, as two pages."""
    body = struct.pack("<II16xI44x", 0xBEEFC0DE, 1, 4096) + struct.pack("<32xQQQQ", 1, root, last, 7)
    return (struct.pack("<QHHHH", 0, 0, 8, 0, 0) + body).ljust(4096, b"\0")


def lmdb_page(number: int, kind: int, nodes: bytes, offsets: list[int]) -> bytes:
    head = struct.pack("<QHHHH", number, 0, kind, 16 + 2 * len(offsets), 4096)
    return (head + struct.pack(f"<{len(offsets)}H", *offsets) + nodes).ljust(4096, b"\0")


def lmdb(name: str, value: bytes, *expected: str, key: bytes = b"1") -> Case:
    """A file of one leaf with one value."""
    node = struct.pack("<HHHH", len(value), 0, 0, len(key)) + key + value
    return file(name, meta_page(2) * 2 + lmdb_page(2, 2, node, [18]), *expected, suffix=".aselmdb")


def packed(row: object) -> bytes:
    return zlib.compress(json.dumps(row).encode())


def database(name: str, change: Callable[[sqlite3.Connection], object], *expected: str) -> Case:
    """An ASE database that was changed from inside."""

    def make(folder: Path) -> Path:
        path = folder / (name.replace(" ", "-") + ".db")
        ase.db.connect(path).write(Atoms("H2", [[0, 0, 0], [0, 0, 0.74]]))
        with sqlite3.connect(path) as connection:
            change(connection)
        return path

    return Case(name, make, expected)


H2 = {"numbers": [1, 1], "positions": [[0, 0, 0], [0, 0, 0.74]], "energy": -31.0, "forces": [[0, 0, 0], [0, 0, 0]]}
DAMAGED, NO_JSON, NO_ROW = "damaged", "no compressed JSON", "no row of an ASE database"


class Bomb:
    """Would make a file when unpickled."""

    def __reduce__(self):
        return os.system, ("touch unpickled",)


def flipped(data: bytes, index: int) -> bytes:
    changed = bytearray(data)
    changed[index] ^= 1
    return bytes(changed)


MANY = (WATER * 50).encode()
HEADER = "Properties=species:S:1:pos:R:3:forces:R:3"
LATTICE = "4.0 0.0 0.0 0.0 4.0 0.0 0.0 0.0 4.0"

CASES = [
    # the file
    missing,
    missing_trajectory,
    endless_name,
    folder,
    pipe,
    file("empty", "", "no structures"),
    file("blank", "\n \n\n", "no structures"),
    file("unknown suffix", WATER, "unknown format", ".txt", suffix=".txt"),
    file("python code", "images = []\n", "unknown format", suffix=".py"),
    file("byte order mark", b"\xef\xbb\xbf" + WATER.encode(), "byte-order mark"),
    file("utf-16", WATER.encode("utf-16"), "byte-order mark"),
    file("latin-1", WATER.encode() + edited(WATER, ("energy", 'by="é" energy')).encode("latin-1"), "line 7", "UTF-8"),
    file("binary", bytes(range(256)) * 20, "UTF-8"),
    file("zeros", b"\0" * 1000 + b"\n", "number of atoms"),
    file("cut inside the last number", WATER + WATER[:-3], "line 10", "truncated"),
    file("cut between lines", WATER + "".join(WATER.splitlines(True)[:-1]), "frame 1", "natoms is 3", "truncated"),
    file("cut after the count", WATER + "3\n", "frame 1", "natoms is 3", "0 atom lines"),
    file("gz cut", gzip.compress(MANY)[:-20], "damaged .gz", suffix=".extxyz.gz"),
    file("gz with a flipped bit", flipped(gzip.compress(MANY), 60), "damaged .gz", suffix=".extxyz.gz"),
    file("gz with a wrong checksum", flipped(gzip.compress(MANY), -8), "damaged .gz", suffix=".extxyz.gz"),
    file("gz with garbage behind", gzip.compress(MANY) + b"more", "damaged .gz", suffix=".extxyz.gz"),
    file("gz that is plain text", WATER, "damaged .gz", suffix=".extxyz.gz"),
    file("gz of zero bytes", "", "damaged .gz", suffix=".extxyz.gz"),
    file("gz bomb", gzip.compress(b"\0" * (70 << 20)), "grows more than", suffix=".extxyz.gz"),
    file("xz cut", lzma.compress(MANY)[:-20], "damaged .xz", suffix=".extxyz.xz"),
    file("xz with a flipped bit", flipped(lzma.compress(MANY), 60), "damaged .xz", suffix=".extxyz.xz"),
    file("xz with garbage behind", lzma.compress(MANY) + b"more", "damaged .xz", suffix=".extxyz.xz"),
    file("xz that is gz", gzip.compress(MANY), "damaged .xz", suffix=".extxyz.xz"),
    file("gz without its ending", gzip.compress(MANY), "compressed"),
    file("traj that is text", WATER, "ASE cannot read", suffix=".traj"),
    file("traj with a pickle", pickle.dumps(Bomb()), "ASE cannot read", suffix=".traj"),
    file("old traj with a pickle", b"PickleTrajectory" + pickle.dumps(Bomb()), "ASE cannot read", suffix=".traj"),
    file("db that is text", WATER, "ASE cannot read", suffix=".db"),
    # the count of atoms
    water("natoms negative", ("3\n", "-3\n"), expected=("natoms is -3",), line=6),
    water("natoms zero", ("3\n", "0\n"), expected=("natoms is 0",), line=6),
    water("natoms absurd", ("3\n", "1000000000\n"), expected=("natoms is 1000000000", "3 atom lines"), line=6),
    water("natoms endless", ("3\n", "9" * 5000 + "\n"), expected=("number of atoms",), line=6),
    water("natoms decimal", ("3\n", "3.0\n"), expected=("number of atoms", "3.0"), line=6),
    water("natoms of another script", ("3\n", "٣\n"), expected=("number of atoms",), line=6),
    file("natoms too small", edited(WATER, ("3\n", "2\n")), "frame 1", "line 5", "number of atoms", "declares"),
    file("natoms too large", edited(WATER, ("3\n", "4\n")) + WATER, "frame 0", "line 6", "atom 3", "1 columns"),
    file("no header", "".join(WATER.splitlines(True)[2:]), "frame 0", "number of atoms"),
    # the comment line
    water("quote left open", ('"F F F"', '"F F F'), expected=("key=value",), line=7),
    water("columns not in triples", (HEADER, HEADER + ":1"), expected=("Properties", "triples"), line=7),
    water("column of negative width", ("forces:R:3", "forces:R:-3"), expected=("forces:R:-3",), line=7),
    water("column of unknown type", ("forces:R:3", "forces:Q:3"), expected=("forces:Q:3",), line=7),
    water("column twice", ("forces:R:3", "pos:R:3"), expected=("'pos'", "twice"), line=7),
    water("no positions", ("pos:R:3", "at:R:3"), expected=("Properties", "pos:R:3"), line=7),
    water("positions of width two", ("pos:R:3", "pos:R:2"), expected=("pos:R:2",), line=7),
    water("two lists of columns", ("energy", HEADER.lower() + " energy"), expected=("Properties", "twice"), line=7),
    # energy
    water("energy text", ("-76.25", "abc"), expected=("energy is 'abc'", "no decimal"), line=7),
    water("energy with Fortran exponent", ("-76.25", "-7.6D+01"), expected=("energy", "Fortran", "-7.6e+01"), line=7),
    water("energy nan", ("-76.25", "NaN"), expected=("energy is 'NaN'", "finite"), line=7),
    water("energy infinite", ("-76.25", "-inf"), expected=("energy is '-inf'", "finite"), line=7),
    water("energy overflows", ("-76.25", "-1e400"), expected=("energy is '-1e400'", "finite"), line=7),
    water("energy absurd", ("-76.25", "-1e300"), expected=("energy is -1e+300",), line=7),
    water("energy with underscore", ("-76.25", "-76_25"), expected=("energy is '-76_25'",), line=7),
    water("energy with a long dash", ("-76.25", "−76.25"), expected=("energy", "no decimal"), line=7),
    water("energy without value", ("=-76.25", ""), expected=("energy", "no value"), line=7),
    water("energy cut off", ("-76.25", ""), expected=("key=value", "energy= "), line=7),
    water("energy of two numbers", ("-76.25", '"-76.25 3"'), expected=("energy has 2 numbers",), line=7),
    water("energy twice", ("pbc", "energy=-77.0 pbc"), expected=("energy", "twice"), line=7),
    water("energies disagree", ("pbc", "REF_energy=-77.0 pbc"), expected=("ambiguous", "energy_key"), line=7),
    water("energy missing", ("energy=-76.25 ", ""), expected=("energy is missing",), line=7),
    # forces
    water("force nan", ("-0.5", "nan"), expected=("atom 2", "forces is 'nan'"), line=10),
    water("force infinite", ("-0.5", "inf"), expected=("atom 2", "forces is 'inf'"), line=10),
    water("force text", ("-0.5", "****"), expected=("atom 2", "forces is '****'"), line=10),
    water("force with Fortran exponent", ("-0.5", "-5d-1"), expected=("atom 2", "forces", "-5e-1"), line=10),
    water("force absurd", ("-0.5", "-5e200"), expected=("atom 2", "forces is -5e+200"), line=10),
    water("forces of width two", ("forces:R:3", "forces:R:2:q:R:1"), expected=("forces has 2 columns",), line=7),
    water("forces as text", ("forces:R:3", "forces:S:3"), expected=("'forces'", "type S"), line=7),
    water("forces missing", ("forces:R:3", "momenta:R:3"), expected=("forces is missing",), line=7),
    water("forces in the comment", ("pbc", 'forces="0 0 0" pbc'), expected=("forces", "column"), line=7),
    water(
        "forces disagree",
        (HEADER, "Properties=species:S:1:forces:R:3:pos:R:3:DFT_forces:R:3"),
        (" 0.0 0.0 0.119", " 1 2 3 0.0 0.0 0.119"),
        (" 0.0 0.763", " 1 2 3 0.0 0.763"),
        (" 0.0 -0.763", " 1 2 3 0.0 -0.763"),
        expected=("forces", "ambiguous", "DFT_forces", "forces_key"),
        line=7,
    ),
    # positions and species
    water("position nan", ("0.763", "nan"), expected=("atom 1", "pos is 'nan'"), line=9),
    water("position infinite", ("0.763", "Infinity"), expected=("atom 1", "pos is 'Infinity'"), line=9),
    water("position with Fortran exponent", ("0.763", "7.63D-01"), expected=("atom 1", "pos", "7.63e-01"), line=9),
    water("position text", ("0.763", "0,763"), expected=("atom 1", "pos is '0,763'"), line=9),
    water("position absurd", ("0.763", "1e30"), expected=("atom 1", "positions is 1e+30"), line=9),
    water("line too short", ("H 0.0", "H"), expected=("atom 1", "6 columns", "expected 7"), line=9),
    water("line too long", ("H 0.0", "H 0.0 0.0"), expected=("atom 1", "8 columns", "expected 7"), line=9),
    water("species unknown", ("O ", "Xx "), expected=("atom 0", "species is 'Xx'"), line=8),
    water("species placeholder", ("O ", "X "), expected=("atom 0", "species is 'X'"), line=8),
    water("species in small letters", ("H ", "h "), expected=("atom 1", "species is 'h'", "write H"), line=9),
    water("species as number", ("O ", "8 "), expected=("atom 0", "species is '8'"), line=8),
    water(
        "numbers too large",
        ("species:S", "Z:I"),
        ("O ", "8 "),
        ("H ", "119 "),
        ("H ", "1 "),
        expected=("atom 1", "119"),
        line=9,
    ),
    water(
        "numbers of half",
        ("species:S", "Z:I"),
        ("O ", "8.5 "),
        ("H ", "1 "),
        ("H ", "1 "),
        expected=("atom 0", "Z"),
        line=8,
    ),
    water("overlap", ("0.763", "-0.7631"), expected=("atom 1", "overlap", "atom 2", "0.0001 A"), line=9),
    # the cell
    copper("overlap across the boundary", ("Cu 2.0 2.0 0.0", "Cu 3.9 0.0 0.0"), expected=("overlap", "0.1 A"), line=8),
    copper("cell thin", (LATTICE, "4 0 0 0 4 0 0 0 0.2"), expected=("overlap", "periodic image"), line=8),
    copper("cell flat", (LATTICE, "4 0 0 4 1e-12 0 0 0 4"), expected=("cell", "no volume"), line=7),
    copper("cell with parallel vectors", (LATTICE, "4 0 0 4 0 0 0 0 4"), expected=("cell", "no volume"), line=7),
    copper("cell vector zero", (LATTICE, "4 0 0 0 0 0 0 0 4"), expected=("cell vector 1 is zero",), line=7),
    copper("cell zero", (LATTICE, "0 0 0 0 0 0 0 0 0"), expected=("cell vector 0 is zero",), line=7),
    copper("cell in metres", (LATTICE, "4e-10 0 0 0 4e-10 0 0 0 4e-10"), expected=("cell", "no volume"), line=7),
    copper("cell nan", (LATTICE, "4 0 0 0 nan 0 0 0 4"), expected=("Lattice is 'nan'",), line=7),
    copper(
        "cell nan, not periodic", (LATTICE, "4 0 0 0 nan 0 0 0 4"), ("T T T", "F F F"), expected=("Lattice",), line=7
    ),
    copper("cell absurd", (LATTICE, "4 0 0 0 4 0 0 0 4e200"), expected=("cell is 4e+200",), line=7),
    copper("cell of eight numbers", (LATTICE, "4 0 0 0 4 0 0 0"), expected=("Lattice has 8 numbers",), line=7),
    copper("cell text", (LATTICE, "a b c d e f g h i"), expected=("Lattice is 'a'",), line=7),
    copper("cell twice", ("pbc", f'lattice="{LATTICE}" pbc'), expected=("Lattice", "twice"), line=7),
    copper("cell by another name", ("Lattice", "cell"), ('pbc="T T T"', ""), expected=("cell", "Lattice"), line=7),
    water("periodic without cell", ("F F F", "T T T"), expected=("pbc", "no Lattice"), line=7),
    copper("two periodic flags", ("T T T", "T T"), expected=("pbc is 'T T'",), line=7),
    copper("periodic flag of unknown meaning", ("T T T", "T T yes"), expected=("pbc is 'T T yes'",), line=7),
    # stress and groups
    copper("stress nan", ("pbc", 'stress="0 0 0 0 0 nan" pbc'), expected=("stress is 'nan'",), line=7),
    copper("stress of five numbers", ("pbc", 'stress="1 2 3 4 5" pbc'), expected=("stress has 5 numbers",), line=7),
    copper("stress not symmetric", ("pbc", 'stress="1 2 0 0 1 0 0 0 1" pbc'), expected=("stress", "symmetric"), line=7),
    copper(
        "stress against virial",
        ("pbc", 'stress="1 1 1 0 0 0" virial="9 9 9 0 0 0" pbc'),
        expected=("ambiguous",),
        line=7,
    ),
    water("stress of a molecule", ("pbc", 'stress="1 1 1 0 0 0" pbc'), expected=("stress", "no volume"), line=7),
    water("group with a control character", ("pbc", "config_type=a\x1b[31m pbc"), expected=("config_type",), line=7),
    # stores
    file("store of zero bytes", "", "no HDF5 file", suffix=".h5"),
    file("store that is text", WATER, "no HDF5 file", suffix=".h5"),
    file("store with a pickle", pickle.dumps(Bomb()), "no HDF5 file", suffix=".hdf5"),
    damaged("store cut in half", ".h5", lambda data: data[: len(data) // 2], DAMAGED),
    damaged("store cut by a byte", ".h5", lambda data: data[:-1], DAMAGED),
    damaged("store with a flipped bit in front", ".h5", lambda data: flipped(data, 20), DAMAGED),
    damaged("store with a flipped number", ".h5", lambda data: flipped(data, data.find(b"\x08\x01\x01\x1d")), DAMAGED),
    damaged("store of zeros", ".h5", lambda data: data[:512] + bytes(len(data) - 512), DAMAGED),
    store("store of another program", lambda f: f.attrs.__delitem__("format"), "no store of frames"),
    store("store of the future", lambda f: f.attrs.__setitem__("version", 2), "version 2", "update"),
    store("store without digest", lambda f: f.attrs.__delitem__("digest"), DAMAGED),
    store("store with fewer frames", lambda f: f.attrs.__setitem__("frames", 3), DAMAGED, "first"),
    store("store with absurd frames", lambda f: f.attrs.__setitem__("frames", 10**12), DAMAGED),
    store("store with frames as text", lambda f: f.attrs.__setitem__("frames", "many"), DAMAGED),
    store("store with other offsets", lambda f: f["first"].__setitem__(3, 10**9), "digest"),
    store("store with other positions", lambda f: f["positions"].__setitem__((4, 0), 9.0), "frame 1", "checksum"),
    store("store with other labels", lambda f: f["labels"].__setitem__(0, 7), "frame 0", "checksum"),
    store("store without positions", lambda f: f.__delitem__("positions"), DAMAGED),
    store("store without groups", lambda f: f.__delitem__("group_names"), DAMAGED, "group_names"),
    store("store of single precision", lambda f: replaced(f, "forces", data=np.zeros((150, 3), "<f4")), "float32"),
    store("store with a bomb", lambda f: replaced(f, "cell", shape=(10**9, 3, 3), dtype="<f8", chunks=True), DAMAGED),
    store(
        "store with a link",
        lambda f: (f.move("first", "other"), f.__setitem__("first", h5py.SoftLink("/other"))),
        DAMAGED,
    ),
    store("store with objects", lambda f: replaced(f, "numbers", data=np.zeros(150, "S4")), DAMAGED, "numbers"),
    # ASE databases
    file("db of zero bytes", "", "ASE cannot read it as db", suffix=".db"),
    damaged("db cut in half", ".db", lambda data: data[: len(data) // 2], "ASE cannot read it as db"),
    damaged("db without end", ".db", lambda data: data[:5000], "ASE cannot read it as db"),
    damaged("db of noise", ".db", lambda data: data[:100] + bytes(range(256)) * 40, "ASE cannot read it as db"),
    database("db of another program", lambda c: c.execute("drop table systems"), "ASE cannot read it as db"),
    database("db with text for positions", lambda c: c.execute("update systems set positions='x'"), "ASE cannot read"),
    database("db with short positions", lambda c: c.execute("update systems set positions=x'00'"), "ASE cannot read"),
    database("db with no rows", lambda c: c.execute("delete from systems"), "no structures"),
    database(
        "db with a pickle", lambda c: c.execute("update systems set data=?", (pickle.dumps(Bomb()),)), "ASE cannot"
    ),
    database("db without labels", lambda c: c.execute("select 1"), "energy is missing"),
    file("json db that is no json", "{", "ASE cannot read it as json", suffix=".json"),
    file("json db of something else", '{"a": [1, 2]}', "ASE cannot read it as json", suffix=".json"),
    file("json db without end", "[" * 100_000, "ASE cannot read it as json", suffix=".json"),
    # LMDB
    file("lmdb of zero bytes", "", "no LMDB file", suffix=".lmdb"),
    file("lmdb that is text", WATER * 100, "no LMDB file", suffix=".lmdb"),
    file("lmdb of one page", meta_page(2), DAMAGED, suffix=".lmdb"),
    file("lmdb that ends early", meta_page(2, 9) * 2, DAMAGED, "40960", suffix=".lmdb"),
    file("lmdb without root", meta_page(77) * 2 + bytes(4096), DAMAGED, "beyond its end", suffix=".lmdb"),
    file("lmdb of zeros", meta_page(2) * 2 + bytes(4096), DAMAGED, "overwritten", suffix=".lmdb"),
    file(
        "lmdb that circles",
        meta_page(2) * 2 + lmdb_page(2, 1, bytes([2, 0, 0, 0, 0, 0, 0, 0]), [18]),
        DAMAGED,
        "without end",
        suffix=".lmdb",
    ),
    file(
        "lmdb with a node outside", meta_page(2) * 2 + lmdb_page(2, 2, b"", [5000]), DAMAGED, "outside", suffix=".lmdb"
    ),
    file(
        "lmdb with a long value",
        meta_page(2) * 2 + lmdb_page(2, 2, b"\xff" * 4 + b"\0\0\1\0" + b"1", [18]),
        DAMAGED,
        "outside",
        suffix=".lmdb",
    ),
    lmdb("lmdb with a pickle", pickle.dumps(Bomb()), "pickles", "AseDBDataset"),
    lmdb("lmdb with a packed pickle", zlib.compress(pickle.dumps(Bomb())), "pickles", "AseDBDataset"),
    lmdb("lmdb with another key", packed(H2), "key", "row numbers", key=b"abc"),
    lmdb("lmdb with plain text", json.dumps(H2).encode(), NO_JSON),
    lmdb("lmdb with cut JSON", packed(H2)[:-5], NO_JSON),
    lmdb("lmdb with a list", packed([1, 2]), NO_JSON, "list"),
    lmdb("lmdb with brackets only", zlib.compress(b"[" * 10**6), NO_JSON),
    lmdb("lmdb without positions", packed({"numbers": [1]}), NO_ROW),
    lmdb("lmdb with too few positions", packed({**H2, "positions": [[0, 0, 0]]}), NO_ROW),
    lmdb("lmdb with words for numbers", packed({**H2, "numbers": ["H", "H"]}), NO_ROW),
    lmdb("lmdb with nan", packed({**H2, "energy": float("nan")}), "energy is"),
    lmdb("lmdb with text for energy", packed({**H2, "energy": "abc"}), "energy is 'abc'"),
    lmdb("lmdb with forces of one atom", packed({**H2, "forces": [[0, 0, 0]]}), "forces"),
    lmdb("lmdb with a force of nan", packed({**H2, "forces": [[0, 0, float("nan")], [0, 0, 0]]}), "forces is nan"),
    lmdb("lmdb with overlapping atoms", packed({**H2, "positions": [[0, 0, 0], [0, 0, 0.01]]}), "overlap"),
    lmdb("lmdb periodic without cell", packed({**H2, "pbc": [True] * 3}), "cell vector 0 is zero"),
    lmdb("lmdb with an array of objects", packed({**H2, "cell": {"__ndarray__": [[1], "object", [1]]}}), "object"),
    lmdb("lmdb with a wrong shape", packed({**H2, "cell": {"__ndarray__": [[9, 9], "float64", [1]]}}), NO_JSON),
]
