"""`intertwine data convert IN... OUT`: any format to any, keys and units by their names. No group acts here."""

import re
from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.boundary import CannotRun
from intertwine.cli.data_options import EnergyUnit, Files, ForcesUnit, Fortran, LengthUnit, StressUnit
from intertwine.cli.options import EnergyKey, ForcesKey, GroupKey, StressKey


def convert(
    files: Files,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write: .extxyz (.gz, .xz), .h5 or .db.")],
    frames: Annotated[str | None, typer.Option(help="Which, over all files: begin:end:step, or one number.")] = None,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    stress_key: StressKey = None,
    group_key: GroupKey = None,
    energy_unit: EnergyUnit = "eV",
    length_unit: LengthUnit = "Angstrom",
    forces_unit: ForcesUnit = None,
    stress_unit: StressUnit = None,
    fortran: Fortran = False,
    compress: Annotated[bool, typer.Option("--compress", help="Pack an .h5 file with gzip.")] = False,
) -> None:
    """Read files and write them as one: labels energy, forces, stress and config_type, in eV and Angstrom."""
    from intertwine.potentials.data.readers import read, require_writable, write
    from intertwine.potentials.structures.units import Units

    chosen = _slice(frames)
    require_writable(out)
    units = Units(energy_unit, length_unit, forces_unit, stress_unit)
    graphs = [
        graph
        for path in files
        for graph in read(
            path, energy_key=energy_key, forces_key=forces_key, stress_key=stress_key, group_key=group_key,
            units=units, fortran=fortran,
        )
    ]  # fmt: skip
    kept = graphs[chosen]
    if not kept:
        raise CannotRun(f"--frames {frames}: chooses none of the {len(graphs)} frames, which count from 0.")
    write(out, kept, compress=compress)
    labels = [name for name in ("energy", "forces", "stress") if any(getattr(g, name) is not None for g in kept)]
    typer.echo(f"{len(kept)} frames with {', '.join(labels) or 'no labels'}\nwritten  {out}")


def _slice(text: str | None) -> slice:
    """What begin:end:step says, or one number."""
    if text is None:
        return slice(None)
    if re.fullmatch(r"-?\d{1,15}", text):
        index = int(text)
        return slice(index, index + 1 or None)
    if not re.fullmatch(r"(-?\d{1,15})?:(-?\d{1,15})?(:-?[1-9]\d{0,14})?", text):
        raise CannotRun(f"--frames {text}: expected begin:end:step or one number, for example 0:100:2.")
    return slice(*(int(part) if part else None for part in text.split(":")))
