"""The data sets of the accuracy benchmark: files of ours, MACE's and NequIP's keys, the same frames for all."""

import io
import lzma
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

KEYS = {"energy": "REF_energy", "forces": "REF_forces"}


@dataclass(frozen=True)
class Source:
    """Where the frames of a set lie below the data folder, and how many to hold out for validation."""

    train: str
    tests: dict[str, str]
    isolated: str | None = None
    valid: int = 50


def molecule(name: str) -> Source:
    return Source(f"rmd17/{name}_train", {"test": f"rmd17/{name}_test"})


def crystal(element: str) -> Source:
    return Source(f"mlearn/{element}_train", {"test": f"mlearn/{element}_test"}, valid=20)


SETS = {
    "3bpa": Source(
        "3bpa/train_300K",
        {f"{kelvin} K": f"3bpa/heldout_{kelvin}K" for kelvin in (300, 600, 1200)},
        isolated="3bpa/isolated_atoms",
    ),
    "aspirin": molecule("aspirin"),
    "ethanol": molecule("ethanol"),
    "si": crystal("Si"),
    "cu": crystal("Cu"),
}


def read(path: Path) -> list[Atoms]:
    """Frames with energy and forces under `KEYS` and nothing else."""
    found = []
    text = lzma.decompress(path.read_bytes()).decode()
    for atoms in ase.io.read(io.StringIO(text), ":", format="extxyz"):
        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        bare.info[KEYS["energy"]] = atoms.get_potential_energy()
        bare.arrays[KEYS["forces"]] = (
            atoms.get_forces(apply_constraint=False) if "forces" in atoms.calc.results else np.zeros((len(atoms), 3))
        )
        found.append(bare)
    return found


def prepare(name: str, data: Path, folder: Path) -> dict[str, object]:
    """Write train, valid, test and isolated-atom files; what every side is told about them."""
    source = SETS[name]
    frames = read(data / f"{source.train}.extxyz.xz")
    order = np.random.default_rng(0).permutation(len(frames))
    parts = {
        "valid": [frames[i] for i in sorted(order[: source.valid])],
        "train": [frames[i] for i in sorted(order[source.valid :])],
        **{f"test {test}": read(data / f"{path}.extxyz.xz") for test, path in source.tests.items()},
    }
    if source.isolated:
        parts["isolated"] = read(data / f"{source.isolated}.extxyz.xz")
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for part, members in parts.items():
        files[part] = str(folder / f"{part.replace(' ', '_')}.extxyz")
        ase.io.write(files[part], members, format="extxyz")
    atoms = {int(a.numbers[0]): a.info[KEYS["energy"]] for a in parts.get("isolated", [])}
    species = sorted({int(number) for frame in frames for number in frame.numbers})
    tests = {test: files[f"test {test}"] for test in source.tests}
    return {
        "train": files["train"], "valid": files["valid"], "tests": tests, "isolated": files.get("isolated"),
        "isolated_energies": atoms, "species": species, "periodic": bool(frames[0].pbc.any()),
        "frames": {part: len(members) for part, members in parts.items()}, "keys": KEYS,
    }  # fmt: skip
