"""`intertwine md POTENTIAL STRUCTURE`: molecular dynamics. No group acts here."""

from enum import StrEnum
from typing import Annotated

import typer

from intertwine.cli.options import Device, Frame, PotentialFolder, Quiet, Seed, StructureFile, Tabulate, Trajectory


class Ensemble(StrEnum):
    """What is held constant."""

    nve = "nve"
    nvt = "nvt"


def md(
    potential: PotentialFolder,
    structure: StructureFile,
    steps: Annotated[int, typer.Option(min=1, help="Time steps.")] = 2000,
    timestep: Annotated[float, typer.Option(min=1e-6, help="fs.")] = 0.5,
    temperature: Annotated[float, typer.Option(min=0.0, help="Of the first velocities, and of the bath, K.")] = 300.0,
    ensemble: Annotated[
        Ensemble, typer.Option(help="nve conserves energy; nvt couples to a Langevin bath.")
    ] = Ensemble.nve,
    friction: Annotated[float, typer.Option(min=0.0, help="Of the bath, 1/fs.")] = 0.01,
    every: Annotated[int, typer.Option(min=1, help="Steps between records.")] = 10,
    trajectory: Trajectory = None,
    tabulate: Tabulate = False,
    seed: Seed = 0,
    frame: Frame = 0,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Let a structure move, and say how well its energy was conserved."""
    from intertwine.cli.bar import bar
    from intertwine.cli.structures import open_frame, open_potential
    from intertwine.potentials.md import simulate

    model, graph = open_potential(potential, device, tabulated=tabulate), open_frame(structure, frame)
    with bar(quiet=quiet) as show:
        run = simulate(
            model, graph, steps=steps, timestep=timestep, temperature=temperature, ensemble=ensemble.value,
            friction=friction, seed=seed, record_every=every, trajectory=trajectory, progress=show,
        )  # fmt: skip
    typer.echo(f"time         {run.trace.time[-1] / 1000:g} ps in {steps} steps")
    typer.echo(f"temperature  {run.trace.temperature.mean():.1f} K on average")
    if ensemble == Ensemble.nve:
        typer.echo(f"drift        {run.drift:.4g} meV/atom/ps")
        typer.echo(f"fluctuation  {run.fluctuation:.4g} meV/atom")
    if trajectory is not None:
        typer.echo(f"written      {trajectory}")
