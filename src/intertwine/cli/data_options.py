"""Arguments and options that verbs of `intertwine data` share. No group acts here."""

from pathlib import Path
from typing import Annotated, Any

import typer

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", help="Structures: .extxyz (.gz, .xz), .h5, .db, .aselmdb, .traj, ..."),
]
EnergyUnit = Annotated[str, typer.Option(help="Of the input: eV, Hartree, Rydberg, kcal/mol, kJ/mol, meV.")]
LengthUnit = Annotated[str, typer.Option(help="Of the input: Angstrom, Bohr, nm, pm.")]
ForcesUnit = Annotated[
    str | None, typer.Option(help="Of the input, if not energy/length: Hartree/Bohr; a minus before it turns the sign.")
]
StressUnit = Annotated[
    str | None, typer.Option(help="Of the input, if not energy/length^3: GPa, kbar, eV/A^3; a minus turns the sign.")
]
Fortran = Annotated[bool, typer.Option("--fortran", help="Take 1.0D-3 for a number.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write everything to this file too.")]


def write_json(path: Path, content: Any) -> None:
    """Write a file that another program reads."""
    import json

    from intertwine.potentials.structures.textfile import write_text

    write_text(path, json.dumps(content, indent=1) + "\n")
