"""Arguments and options that several verbs share, so that they read alike everywhere. No group acts here."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


def in_its_run(folder: Path) -> Path:
    """The potential in the output folder of a training, where that is what was named."""
    inside = folder / "potential"
    known = (folder / "checkpoint.json").exists() or not (inside / "checkpoint.json").exists()
    return folder if known else inside


PotentialFolder = Annotated[
    Path,
    typer.Argument(
        metavar="POTENTIAL",
        help="Folder of a trained potential, or of the run that made it: runs/demo.",
        callback=in_its_run,
    ),
]
StructureFile = Annotated[
    Path, typer.Argument(metavar="STRUCTURE", help="A file with the structure, for example .extxyz.")
]
Frame = Annotated[int, typer.Option(help="Which frame of the file, from 0; -1 is the last.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps, or auto.")]
Seed = Annotated[int, typer.Option(min=0, help="Of every random number.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only results.")]
Trajectory = Annotated[Path | None, typer.Option(help="Write every recorded step to this file, .extxyz or .h5.")]
EnergyKey = Annotated[str | None, typer.Option(help="Name of the energy in the files.")]
ForcesKey = Annotated[str | None, typer.Option(help="Name of the forces in the files.")]
StressKey = Annotated[str | None, typer.Option(help="Name of the stress or virial in the files.")]
GroupKey = Annotated[str | None, typer.Option(help="Name of the entry that says which set a frame belongs to.")]
Tabulate = Annotated[
    bool, typer.Option("--tabulate", help="Look radial weights up in a table (error 1e-5) instead of its networks.")
]
Tables = Annotated[
    bool | None,
    typer.Option(
        "--tabulate/--exact",
        help="Radial weights from tables, or from the networks. Left out: tables where they are below rounding, which "
        "is in float32.",
    ),
]
Dispersion = Annotated[
    str | None,
    typer.Option(
        help="Add D3(BJ) for this functional, for example pbe, where the labels had none; needs intertwine[dispersion]."
    ),
]
Head = Annotated[str | None, typer.Option(help="Of a potential with several heads: which one.")]


class EngineName(StrEnum):
    """Where the workers of a fleet live."""

    processes = "processes"
    ray = "ray"


Workers = Annotated[
    int | None,
    typer.Option(min=1, help="With --all: so many processes; the same command goes on after a crash."),
]
Engine = Annotated[EngineName, typer.Option(help="With --all: workers as processes here, or as actors of ray.")]
