"""`intertwine md POTENTIAL STRUCTURE`: molecular dynamics. No group acts here."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from intertwine.cli.options import (
    Device,
    Dispersion,
    Engine,
    EngineName,
    Frame,
    Head,
    PotentialFolder,
    Quiet,
    Seed,
    StructureFile,
    Tables,
    Trajectory,
    Workers,
)


class EnsembleName(StrEnum):
    """What is held constant."""

    nve = "nve"
    nvt = "nvt"
    npt = "npt"


class Thermostat(StrEnum):
    """What holds the temperature of nvt."""

    langevin = "langevin"
    nose_hoover = "nose-hoover"


def md(
    potential: PotentialFolder,
    structure: StructureFile,
    steps: Annotated[int, typer.Option(min=1, help="Time steps, those before a restart included.")] = 2000,
    timestep: Annotated[float, typer.Option(min=1e-6, help="fs.")] = 0.5,
    temperature: Annotated[float, typer.Option(min=0.0, help="Of the first velocities, and of the bath, K.")] = 300.0,
    final_temperature: Annotated[
        float | None, typer.Option(min=0.0, help="Warm or cool the bath evenly until here, K.")
    ] = None,
    ensemble: Annotated[
        EnsembleName, typer.Option(help="Constant energy, temperature, or temperature and pressure.")
    ] = EnsembleName.nve,
    thermostat: Annotated[Thermostat, typer.Option(help="Of nvt; npt has Nose-Hoover chains.")] = Thermostat.langevin,
    friction: Annotated[float, typer.Option(min=0.0, help="Of the Langevin bath, 1/fs.")] = 0.01,
    relaxation: Annotated[
        float | None, typer.Option(min=1e-6, help="Time in which a chain reacts, fs; else 100 time steps.")
    ] = None,
    pressure: Annotated[float, typer.Option(help="Of npt, GPa.")] = 0.0,
    breathing: Annotated[
        float | None, typer.Option(min=1e-6, help="Time in which the volume reacts, fs; else 1000 time steps.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Steps between records.")] = 10,
    trajectory: Trajectory = None,
    restart: Annotated[
        Path | None, typer.Option(help="Folder for the state; the same command goes on from it, bit for bit.")
    ] = None,
    restart_every: Annotated[int, typer.Option(min=1, help="Steps between two states.")] = 1000,
    max_uncertainty: Annotated[
        float | None, typer.Option(min=0.0, help="Stop where the energy of an atom is less certain, eV.")
    ] = None,
    dispersion: Dispersion = None,
    every_frame: Annotated[
        Path | None,
        typer.Option("--all", help="Run every frame; trajectories and states go to this folder."),
    ] = None,
    workers: Workers = None,
    engine: Engine = EngineName.processes,
    tabulate: Tables = None,
    head: Head = None,
    seed: Seed = 0,
    frame: Frame = 0,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Let a structure move, and say how well its energy was conserved."""
    from ase.units import GPa

    from intertwine.cli.bar import bar
    from intertwine.cli.boundary import CannotRun
    from intertwine.cli.structures import open_frame, open_potential
    from intertwine.potentials.simulation.md import simulate

    if final_temperature is not None and ensemble == EnsembleName.nve:
        raise CannotRun("--final-temperature needs a bath: choose --ensemble nvt or npt.")
    if ensemble != EnsembleName.nve and temperature == 0:
        raise CannotRun("--temperature 0: a bath needs a temperature above 0 K; choose --ensemble nve, or relax.")
    choices: dict[str, Any] = {
        "steps": steps, "timestep": timestep, "temperature": temperature, "final_temperature": final_temperature,
        "ensemble": ensemble.value, "thermostat": thermostat.value, "friction": friction, "relaxation": relaxation,
        "pressure": pressure * GPa, "breathing": breathing, "seed": seed, "record_every": every,
        "restart_every": restart_every, "dispersion": dispersion,
    }  # fmt: skip
    if every_frame is not None:
        if any(each is not None for each in (trajectory, restart, max_uncertainty, head)):
            raise CannotRun("--all FOLDER names trajectories and states itself; leave --trajectory, --restart, "
                            "--max-uncertainty and --head out.")  # fmt: skip
        crew = {"workers": workers, "engine": engine.value}
        _run_all(potential, structure, every_frame, choices, crew, tabulated=tabulate, quiet=quiet)
        return
    model = open_potential(potential, device, tabulated=tabulate, head=head)
    graph = open_frame(structure, frame)
    estimator = None
    if max_uncertainty is not None:
        from intertwine.potentials.judging.saved_uncertainty import load_uncertainty

        estimator = load_uncertainty(potential, model)
    with bar(quiet=quiet) as show:
        run = simulate(
            model, graph, trajectory=trajectory, restart=restart, estimator=estimator, max_uncertainty=max_uncertainty,
            progress=show, **choices,
        )  # fmt: skip
    typer.echo(f"time         {run.trace.time[-1] / 1000:g} ps in {steps} steps")
    typer.echo(f"temperature  {run.trace.temperature.mean():.1f} K on average")
    if ensemble == EnsembleName.npt:
        typer.echo(f"volume       {run.atoms.get_volume():.4f} A^3 at the end")
    if final_temperature is None:
        typer.echo(f"drift        {run.drift:.4g} meV/atom/ps{'' if ensemble == 'nve' else ', with the bath'}")
        typer.echo(f"fluctuation  {run.fluctuation:.4g} meV/atom")
    if trajectory is not None:
        typer.echo(f"written      {trajectory}")


def _run_all(
    potential: Path,
    structures: Path,
    folder: Path,
    choices: dict[str, Any],
    crew: dict[str, Any],
    *,
    tabulated: bool | None,
    quiet: bool,
) -> None:
    from intertwine.cli.fleets import run_all, tell_failures
    from intertwine.cli.structures import open_potential
    from intertwine.potentials.data.readers import read
    from intertwine.potentials.simulation.fleet_tasks import prepare_md

    open_potential(potential, "cpu", tabulated=tabulated)
    count = len(read(structures))
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = run_all(
        "md",
        prepare_md,
        (str(potential.absolute()), str(structures.absolute()), tabulated, str(folder.absolute()), choices),
        count,
        files=(potential / "checkpoint.json", structures),
        settings={"tabulated": tabulated, **choices},
        ledger=folder / "ledger.jsonl",
        crew=crew,
        quiet=quiet,
    )
    done = [outcome for outcome in outcomes if "failed" not in outcome]
    typer.echo(f"done         {len(done)} of {count} structures")
    if done:
        typer.echo(f"temperature  {sum(outcome['temperature'] for outcome in done) / len(done):.1f} K on average")
        typer.echo(f"drift        {max(abs(outcome['drift']) for outcome in done):.4g} meV/atom/ps at most")
    tell_failures([outcome.get("failed") for outcome in outcomes], column=13)
    typer.echo(f"written      {folder}: 000000.h5 and on")
