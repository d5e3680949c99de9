"""Files that must be refused: each with a function that writes it and the words its one-line error must hold.

All are read with energy and forces required. Other tests, of the command line for one, may run over the same list.
"""

import gzip
import lzma
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
]
