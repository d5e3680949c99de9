"""`intertwine compress POTENTIAL OUT`: linear maps in place of trained radial networks. No group acts here."""

from pathlib import Path
from typing import Annotated, Any

import typer

from intertwine.cli.boundary import CannotRun
from intertwine.cli.options import Device, EnergyKey, ForcesKey, GroupKey, PotentialFolder, Quiet, StressKey


def compress(
    potential: PotentialFolder,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder of the potential to write.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Structures whose distances count, with labels to compare errors on; repeat it."),
    ] = None,
    r2: Annotated[float, typer.Option(min=0.0, max=1.0, help="R2 that the fit of every layer should reach.")] = 0.99999,
    waves: Annotated[
        int | None, typer.Option(min=1, help="Radial functions, instead of as many as --r2 takes.")
    ] = None,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    stress_key: StressKey = None,
    group_key: GroupKey = None,
    head: Annotated[str | None, typer.Option(help="Which head to keep, of a potential with several.")] = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Make a trained potential smaller: one fitted matrix in place of each radial network, all else as it was."""
    from intertwine.cli.structures import choose_device
    from intertwine.potentials.data.readers import read
    from intertwine.potentials.models.compress import compress as compress_radial
    from intertwine.potentials.models.saved import load, save_potential

    if out.exists():
        raise CannotRun(f"{out}: is there already; choose another folder, the potential goes into a new one.")
    before = load(potential, head=head, device=choose_device(device))
    graphs = [
        graph
        for path in data or []
        for graph in read(
            path, energy_key=energy_key, forces_key=forces_key, stress_key=stress_key, group_key=group_key
        )
    ]
    try:
        found = compress_radial(before, graphs, r2=r2, waves=waves)
    except ValueError as error:
        raise CannotRun(str(error)) from error
    for fit in found.fits:
        typer.echo(f"R2          {100 * fit.r2:.5f} %  {fit.layer}")
    many, few = found.parameters
    typer.echo(f"waves       {found.waves}")
    typer.echo(f"parameters  {many}  ->  {few}  ({100 * (few - many) / many:+.1f} %)")
    if waves is None and found.r2 < r2:
        typer.echo(f"R2 stays below {100 * r2:g} %: compare errors before use, or give more --waves")
    if any(label is not None for graph in graphs for label in (graph.energy, graph.forces, graph.stress)):
        show_errors(before, found.potential, graphs, quiet=quiet)
    save_potential(out, found.potential, notes={"compressed from": str(potential), "R2": found.r2})
    typer.echo(f"written     {out}")


def show_errors(before: Any, after: Any, graphs: Any, *, quiet: bool) -> None:
    """Root mean square errors of both potentials, a row a set and quantity."""
    from rich.console import Console

    from intertwine.cli.bar import bar
    from intertwine.cli.evaluate import empty_table
    from intertwine.potentials.judging.evaluate import evaluate
    from intertwine.potentials.judging.set_result import UNITS

    with bar(quiet=quiet) as show:
        old, new = (
            evaluate(each, graphs, progress=lambda done, total, name=name: show(f"errors {name}", done, total))
            for name, each in (("before", before), ("after", after))
        )
    table = empty_table("RMSE")
    table.add_column("quantity")
    table.add_column("before", justify="right")
    table.add_column("after", justify="right")
    for one, other in zip(old, new, strict=True):
        for quantity, errors in one.errors.items():
            numbers = (f"{each.rmse:.4g}" for each in (errors, other.errors[quantity]))
            table.add_row(one.title, f"{quantity}, {UNITS[quantity]}", *numbers)
    Console().print(table)
