"""`intertwine committee A B C --out FOLDER`: several potentials as one that knows its spread. No group acts here."""

from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.boundary import CannotRun


def committee(
    potentials: Annotated[list[Path], typer.Argument(metavar="POTENTIAL...", help="Folders of at least two.")],
    out: Annotated[Path, typer.Option(help="The folder to write; every verb takes it as a potential.")],
) -> None:
    """Join potentials of the same elements and cutoff: their mean predicts, their spread tells how sure it is."""
    from intertwine.potentials.models.mean_model import mean_potential
    from intertwine.potentials.models.saved import load, save_potential

    same = {path.resolve() for path in potentials}
    if len(same) < max(2, len(potentials)):
        raise CannotRun("committee needs at least two folders, each of them once; a potential agrees with itself.")
    if out.exists():
        raise CannotRun(f"{out}: is there already; choose another folder, or remove it.")
    members = [load(path) for path in potentials]
    try:
        mean = mean_potential(members)
    except ValueError as error:
        names = ", ".join(f"{index} is {path}" for index, path in enumerate(potentials))
        raise CannotRun(f"{error} ({names})") from error
    save_potential(out, mean, notes={"members": [str(path) for path in potentials]})
    typer.echo(f"committee  {out}   ({len(members)} potentials)")
