"""`intertwine reproduce PAPER`: one experiment, our number beside the paper's. No group acts here."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.options import Quiet, Seed


class Budget(StrEnum):
    """How long it may take."""

    smoke = "smoke"
    small = "small"
    full = "full"


def reproduce(
    name: Annotated[str, typer.Argument(metavar="PAPER", help="Which experiment, for example gaunt.")],
    budget: Annotated[
        Budget, typer.Option(help="smoke: a minute; small: an evening; full: as in the paper.")
    ] = Budget.smoke,
    data: Annotated[Path | None, typer.Option(help="Data to use instead of the shipped set.")] = None,
    out: Annotated[Path | None, typer.Option(help="Output folder; runs/PAPER if not given.")] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Repeat the experiment of a paper and print its number beside ours."""
    from intertwine.experiments.catalog import find

    find(name).run(budget=budget.value, data=data, out=out or Path("runs") / name, seed=seed, quiet=quiet)
