"""`intertwine export POTENTIAL OUT`: one file for other programs, checked before it is named. No group acts."""

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from intertwine.cli.options import Device, PotentialFolder, Quiet, Tabulate


class ExportFormat(StrEnum):
    """Which kind of file."""

    torch_export = "torch-export"
    aoti = "aoti"
    metatomic = "metatomic"


def export(
    potential: PotentialFolder,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, for example water.pt2.")],
    format: Annotated[
        ExportFormat,
        typer.Option(
            help="torch-export: a graph that torch runs. aoti: compiled, for C++ too; takes minutes. metatomic: for "
            "LAMMPS, i-PI and others."
        ),
    ] = ExportFormat.torch_export,
    portable: Annotated[
        bool, typer.Option("--portable", help="Run without this library, slower; the other formats always do.")
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
    from intertwine.potentials.data.readers import read

    ending = ".pt" if format == ExportFormat.metatomic else ".pt2"
    if out.suffix != ending:
        raise CannotRun(f"{out}: expected a name that ends in {ending} for the format {format}.")
    write = _writer(format, portable)
    model = open_potential(potential, device, tabulated=tabulate)
    structures = None if check is None else read(check)
    with bar(quiet=quiet) as show:
        found = write(model, out, structures=structures, progress=show)
    typer.echo(f"checked   {found.structures} structures")
    typer.echo(f"energy    within {found.energy:.1e} eV/atom of the potential")
    typer.echo(f"forces    within {found.forces:.1e} eV/A")
    typer.echo(f"written   {out}" + ("" if format == ExportFormat.metatomic else f" and {out.name}.json"))


def _writer(format: ExportFormat, portable: bool) -> Callable[..., Any]:
    from intertwine.cli.boundary import CannotRun
    from intertwine.potentials.engines.export import export_potential

    if format != ExportFormat.metatomic:
        return partial(export_potential, format=format.value, portable=portable)
    try:
        from intertwine.potentials.engines.metatomic_export import export_metatomic
    except ImportError as error:
        raise CannotRun(str(error)) from error
    return export_metatomic
