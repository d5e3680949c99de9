"""`intertwine relax POTENTIAL STRUCTURE`: downhill to a minimum. No group acts here."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.options import Device, Frame, PotentialFolder, Quiet, StructureFile, Tabulate, Trajectory


class Optimizer(StrEnum):
    """How to go downhill."""

    bfgs = "bfgs"
    lbfgs = "lbfgs"
    fire = "fire"


def relax(
    potential: PotentialFolder,
    structure: StructureFile,
    out: Annotated[Path, typer.Option(help="The relaxed structure.")] = Path("relaxed.extxyz"),
    fmax: Annotated[float, typer.Option(min=1e-9, help="Longest force to leave, eV/A.")] = 0.01,
    steps: Annotated[int, typer.Option(min=0, help="At most so many.")] = 500,
    optimizer: Optimizer = Optimizer.bfgs,
    cell: Annotated[bool, typer.Option("--cell", help="Relax the lattice too.")] = False,
    pressure: Annotated[float, typer.Option(help="With --cell, GPa.")] = 0.0,
    trajectory: Trajectory = None,
    tabulate: Tabulate = False,
    frame: Frame = 0,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Relax a structure until its forces vanish."""
    from ase.units import GPa

    from intertwine.cli.bar import bar
    from intertwine.cli.structures import open_frame, open_potential
    from intertwine.potentials.relax import relax as relax_structure
    from intertwine.potentials.trajectory import TrajectoryFile

    model, graph = open_potential(potential, device, tabulated=tabulate), open_frame(structure, frame)
    with TrajectoryFile(out) as file, bar(quiet=quiet) as show:
        found = relax_structure(
            model, graph, fmax=fmax, steps=steps, optimizer=optimizer.value, cell=cell, pressure=pressure * GPa,
            trajectory=trajectory, progress=show,
        )  # fmt: skip
        file.write(found.atoms, {})
    energy, force = found.path.energy, found.path.fmax
    verdict = "converged" if found.path.converged else "not converged"
    typer.echo(f"{verdict} after {len(energy) - 1} steps")
    typer.echo(f"energy    {energy[0]:.6f} eV  ->  {energy[-1]:.6f} eV")
    typer.echo(f"fmax      {force[0]:.6f} eV/A  ->  {force[-1]:.6f} eV/A")
    typer.echo(f"written   {out}")
