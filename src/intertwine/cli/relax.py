"""`intertwine relax POTENTIAL STRUCTURE`: downhill to a minimum. No group acts here."""

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
    StructureFile,
    Tables,
    Trajectory,
    Workers,
)


class Optimizer(StrEnum):
    """How to go downhill."""

    bfgs = "bfgs"
    lbfgs = "lbfgs"
    fire = "fire"


class Cell(StrEnum):
    """What of the lattice relaxes too."""

    none = "none"
    full = "full"
    shape = "shape"
    volume = "volume"


def relax(
    potential: PotentialFolder,
    structure: StructureFile,
    out: Annotated[Path, typer.Option(help="The relaxed structure, or structures.")] = Path("relaxed.extxyz"),
    every: Annotated[bool, typer.Option("--all", help="Every frame of the file, many at once.")] = False,
    fmax: Annotated[float, typer.Option(min=1e-9, help="Longest force to leave, eV/A.")] = 0.01,
    steps: Annotated[int, typer.Option(min=0, help="At most so many, for each.")] = 500,
    optimizer: Annotated[Optimizer, typer.Option(help="Of a single structure; --all has its own L-BFGS.")] = (
        Optimizer.bfgs
    ),
    cell: Annotated[
        Cell, typer.Option(help="Relax the lattice too: all of it, its shape alone, or its volume alone.")
    ] = Cell.none,
    pressure: Annotated[float, typer.Option(help="On a lattice that relaxes, GPa.")] = 0.0,
    trajectory: Trajectory = None,
    workers: Workers = None,
    engine: Engine = EngineName.processes,
    tabulate: Tables = None,
    head: Head = None,
    dispersion: Dispersion = None,
    frame: Frame = 0,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Relax a structure, or all of a file, until the forces vanish."""
    from ase.units import GPa

    from intertwine.cli.bar import bar
    from intertwine.cli.boundary import CannotRun
    from intertwine.cli.structures import open_frame, open_potential
    from intertwine.potentials.simulation.relax import relax as relax_structure
    from intertwine.potentials.simulation.trajectory import TrajectoryFile

    choices: dict[str, Any] = {"fmax": fmax, "steps": steps, "cell": cell.value, "pressure": pressure * GPa}
    if every:
        if trajectory is not None or optimizer != Optimizer.bfgs or head is not None or dispersion is not None:
            raise CannotRun(
                "--all takes no --trajectory, --optimizer, --head or --dispersion; relax one --frame with them."
            )
        if workers is not None or engine == EngineName.ray:
            crew = {"workers": workers, "engine": engine.value}
            _relax_fleet(potential, structure, out, choices, crew, tabulated=tabulate, quiet=quiet)
        else:
            _relax_all(potential, structure, out, choices, tabulated=tabulate, device=device, quiet=quiet)
        return
    model = open_potential(potential, device, tabulated=tabulate, head=head)
    graph = open_frame(structure, frame)
    with TrajectoryFile(out) as file, bar(quiet=quiet) as show:
        found = relax_structure(
            model,
            graph,
            optimizer=optimizer.value,
            trajectory=trajectory,
            dispersion=dispersion,
            progress=show,
            **choices,
        )
        file.write(found.atoms, {})
    energy, force = found.path.energy, found.path.fmax
    verdict = "converged" if found.path.converged else "not converged"
    typer.echo(f"{verdict} after {len(energy) - 1} steps")
    typer.echo(f"energy    {energy[0]:.6f} eV  ->  {energy[-1]:.6f} eV")
    typer.echo(f"fmax      {force[0]:.6f} eV/A  ->  {force[-1]:.6f} eV/A")
    typer.echo(f"written   {out}")


def _relax_all(
    potential: Path,
    structures: Path,
    out: Path,
    choices: dict[str, Any],
    *,
    tabulated: bool | None,
    device: str,
    quiet: bool,
) -> None:
    import numpy as np

    from intertwine.cli.bar import bar
    from intertwine.cli.fleets import tell_failures
    from intertwine.cli.structures import open_potential
    from intertwine.potentials.data.readers import read
    from intertwine.potentials.simulation.batched_relax import relax_all
    from intertwine.potentials.simulation.trajectory import TrajectoryFile

    model, graphs = open_potential(potential, device, tabulated=tabulated), read(structures)
    with TrajectoryFile(out) as file, bar(quiet=quiet) as show:
        outcomes = relax_all(model, graphs, progress=show, **choices)
        for index, found in enumerate(outcomes):
            if found.failure is None:
                file.write(found.atoms, {"frame": index, "steps": found.steps, "converged": int(found.converged)})
    converged = sum(found.converged for found in outcomes)
    steps = np.median([found.steps for found in outcomes])
    typer.echo(f"converged  {converged} of {len(outcomes)} structures, after {steps:.0f} steps at the median")
    tell_failures([found.failure for found in outcomes], column=11)
    typer.echo(f"written    {out}")


def _relax_fleet(
    potential: Path,
    structures: Path,
    out: Path,
    choices: dict[str, Any],
    crew: dict[str, Any],
    *,
    tabulated: bool | None,
    quiet: bool,
) -> None:
    from intertwine.cli.fleets import run_all, tell_failures, write_frames
    from intertwine.cli.structures import open_potential
    from intertwine.potentials.data.readers import read, require_writable
    from intertwine.potentials.simulation.fleet_tasks import prepare_relax

    require_writable(out)
    open_potential(potential, "cpu", tabulated=tabulated)
    count, ledger = len(read(structures)), out.with_name(f"{out.name}.ledger")
    outcomes = run_all(
        "relax",
        prepare_relax,
        (str(potential.absolute()), str(structures.absolute()), tabulated, choices),
        count,
        files=(potential / "checkpoint.json", structures),
        settings={"tabulated": tabulated, **choices},
        ledger=ledger,
        crew=crew,
        unit=max(1, min(32, count // (4 * (crew["workers"] or 1)))),
        quiet=quiet,
    )
    written = write_frames(outcomes, out, ledger)
    converged = sum(outcome.get("converged", False) for outcome in outcomes)
    typer.echo(f"converged  {converged} of {count} structures")
    tell_failures([outcome.get("failed") for outcome in outcomes], column=11)
    typer.echo(f"written    {out}" if written else "written    nothing: every structure failed")
