"""`intertwine reproduce PAPER`: one experiment, our number beside the paper's. No group acts here."""

from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.options import Quiet, Seed


def reproduce(
    name: Annotated[
        str | None,
        typer.Argument(metavar="PAPER", help="Which experiment; none: a list of all."),
    ] = None,
    budget: Annotated[str, typer.Option(help="How long it may take: smoke, small or full.")] = "smoke",
    data: Annotated[
        Path | None, typer.Option(help="Folder with all sets, or the set itself, to use instead of the shipped one.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Output folder; runs/PAPER if not given.")] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Repeat the experiment of a paper and print its number beside ours."""
    from intertwine.cli.bar import bar
    from intertwine.experiments.catalog import EXPERIMENTS, find
    from intertwine.experiments.page import show

    if name is None:
        for known in EXPERIMENTS:
            typer.echo(known.summary())
        return
    experiment = find(name)
    typer.echo(experiment.opening(budget, data))
    with bar(quiet=quiet) as stage:
        outcome = experiment.run(budget, data=data, seed=seed, out=out, progress=stage)
    show(outcome)
