"""`intertwine phonons POTENTIAL STRUCTURE`: vibrations of a crystal. No group acts here."""

from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.options import Device, Frame, PotentialFolder, Quiet, StructureFile


def phonons(
    potential: PotentialFolder,
    structure: StructureFile,
    out: Annotated[Path, typer.Option(help="Folder for phonons.json, phonons.png and phonopy.yaml.")] = Path("phonons"),
    supercell: Annotated[str, typer.Option(help="Repeats along the lattice vectors.")] = "2,2,2",
    mesh: Annotated[str, typer.Option(help="Of wave vectors, for density and heat.")] = "20,20,20",
    displacement: Annotated[float, typer.Option(min=1e-5, help="Of an atom, Angstrom.")] = 0.01,
    frame: Frame = 0,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Phonon bands, density of states and thermal properties of a relaxed crystal."""
    from intertwine.cli.bar import bar
    from intertwine.cli.structures import open_frame, open_potential
    from intertwine.potentials.simulation.phonons import phonons as phonons_of
    from intertwine.potentials.simulation.phonons import write_phonons

    repeats, points = _three(supercell, "--supercell"), _three(mesh, "--mesh")
    model, graph = open_potential(potential, device), open_frame(structure, frame)
    with bar(quiet=quiet) as show:
        found = phonons_of(model, graph, supercell=repeats, mesh=points, displacement=displacement, progress=show)
    files = write_phonons(out, found)
    room = int(abs(found.temperature - 300.0).argmin())
    typer.echo(f"bands       {found.bands.shape[1]}, up to {found.bands.max():.3f} THz")
    typer.echo(f"acoustic    {found.acoustic:.2g} THz at Gamma, before the sum rule was imposed")
    if found.stable:
        typer.echo("stable      no imaginary frequency")
    else:
        place, lowest = min(found.imaginary, key=lambda pair: pair[1])
        where = ", ".join(f"{value:.3g}" for value in place)
        typer.echo(f"unstable    {len(found.imaginary)} wave vectors, down to {-lowest:.3f}i THz at ({where})")
    typer.echo(f"zero point  {found.free_energy[0]:.5f} eV per primitive cell")
    typer.echo(f"heat        {found.heat_capacity[room] * 1000:.4f} meV/K at {found.temperature[room]:.0f} K")
    typer.echo(f"written     {', '.join(file.name for file in files)} in {out}")


def _three(text: str, option: str) -> tuple[int, int, int]:
    """Three whole numbers."""
    words = text.split(",")
    if len(words) != 3 or not all(word.strip().isdigit() and int(word) > 0 for word in words):
        raise typer.BadParameter(f"expected three whole numbers, for example 2,2,2, got {text!r}.", param_hint=option)
    first, second, third = map(int, words)
    return first, second, third
