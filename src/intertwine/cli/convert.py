"""`intertwine convert mace EXPORTED OUT`: a model of mace-torch as a potential of this library. No group acts here."""

from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.boundary import CannotRun

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _verbs() -> None:
    """Keep `mace` a word of its own while it is the only one."""


@app.command()
def mace(
    exported: Annotated[
        Path, typer.Argument(metavar="EXPORTED", help="The folder that export_from_mace.py wrote from MODEL.model.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder of the potential to write.")],
    head: Annotated[str | None, typer.Option(help="Which head, for a model with several.")] = None,
    elements: Annotated[
        str | None, typer.Option(metavar="H,C,O", help="Keep only these elements: less memory and time.")
    ] = None,
) -> None:
    """Take over the weights of a MACE model and check its energies and forces against those of mace-torch.

    A model file is a pickle, which only the environment of MACE can open: give it in place of EXPORTED to see the
    command that exports it there.
    """
    from intertwine.potentials.engines.convert_mace import convert_mace
    from intertwine.potentials.models.saved import save_potential

    found = convert_mace(exported, head=head, elements=None if elements is None else _numbers(elements))
    save_potential(out, found.potential, notes={"converted from": str(exported), "head": head})
    errors = f"{found.energy_error:.0e} eV an atom, {found.force_error:.0e} eV/A"
    typer.echo(f"difference   {errors} from mace-torch on the structures of the export, in float64")
    typer.echo(f"written      {out}")


def _numbers(symbols: str) -> list[int]:
    """Atomic numbers of symbols between commas."""
    from ase.data import atomic_numbers

    found = [symbol.strip() for symbol in symbols.split(",")]
    for symbol in found:
        if symbol not in atomic_numbers or not atomic_numbers[symbol]:
            raise CannotRun(f"convert mace: {symbol!r} in --elements is no element; give symbols, such as H,C,O.")
    return [atomic_numbers[symbol] for symbol in found]
