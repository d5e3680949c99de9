"""`intertwine export POTENTIAL OUT`: one file for other programs, checked before it is named. No group acts."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.options import Device, PotentialFolder, Quiet, Tabulate


class ExportFormat(StrEnum):
    """Which kind of file."""

    torch_export = "torch-export"
    aoti = "aoti"


def export(
    potential: PotentialFolder,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, for example water.pt2.")],
    format: Annotated[
        ExportFormat,
        typer.Option(help="torch-export: a graph that torch runs. aoti: compiled, for C++ too; takes minutes."),
    ] = ExportFormat.torch_export,
    portable: Annotated[
        bool, typer.Option("--portable", help="Run without this library, slower; aoti always does.")
    ] = False,
    check: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Structures to check on, in place of 20 made to measure.")
    ] = None,
    tabulate: Tabulate = False,
    device: Device = "cpu",
    quiet: Quiet = False,
) -> None:
    """Write a potential as one file for other programs, after it was loaded back and compared with the potential."""
    from intertwine.cli.bar import bar
    from intertwine.cli.boundary import CannotRun
    from intertwine.cli.structures import open_potential
    from intertwine.potentials.export import export_potential
    from intertwine.potentials.readers import read

    if out.suffix != ".pt2":
        raise CannotRun(f"{out}: expected a name that ends in .pt2 for the format {format}.")
    model = open_potential(potential, device, tabulated=tabulate)
    structures = None if check is None else read(check)
    with bar(quiet=quiet) as show:
        found = export_potential(
            model, out, format=format.value, portable=portable, structures=structures, progress=show
        )
    typer.echo(f"checked   {found.structures} structures")
    typer.echo(f"energy    within {found.energy:.1e} eV/atom of the potential")
    typer.echo(f"forces    within {found.forces:.1e} eV/A")
    typer.echo(f"written   {out} and {out.name}.json")
