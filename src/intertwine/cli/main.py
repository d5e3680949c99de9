"""The command `intertwine`: a verb a file, nothing heavy imported before a verb runs. No group acts here."""

import os
from typing import Annotated

import typer

from intertwine import __version__
from intertwine.cli import (
    bench,
    calibrate,
    committee,
    compress,
    convert,
    data,
    demo,
    doctor,
    evaluate,
    export,
    finetune,
    info,
    md,
    phonons,
    relax,
    report,
    reproduce,
    symmetry,
    train,
)
from intertwine.cli.boundary import Boundary

app = typer.Typer(
    cls=Boundary,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Train equivariant interatomic potentials, judge them, and use them.\n\n"
        "Start with [bold]intertwine demo[/bold]; [bold]intertwine doctor[/bold] looks at this machine."
    ),
    epilog="Exit codes: 0 done, 2 wrong usage, 3 bad input, 4 numerical failure, 5 interrupted.",
)
FOR_POTENTIALS = (
    train.train,
    finetune.finetune,
    evaluate.evaluate,
    compress.compress,
    relax.relax,
    md.md,
    phonons.phonons,
    report.report,
    export.export,
)
for verb in (demo.demo, *FOR_POTENTIALS):
    app.command()(verb)
for verb in (committee.committee, calibrate.calibrate, info.info):
    app.command()(verb)
app.add_typer(convert.app, name="convert", help="Take over models of other tools.")
app.add_typer(data.app, name="data", help="Look at, convert, split and label sets of structures.")
app.add_typer(symmetry.app, name="symmetry", help="Hold a torch module of your own to a group.")
for verb in (reproduce.reproduce, bench.bench, doctor.doctor):
    app.command()(verb)


def _show_version(asked: bool) -> bool:
    if asked:
        typer.echo(f"intertwine {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line.

    Linear algebra of numpy has one thread, unless the user has said otherwise: its threads and those of torch hold
    their cores while they wait, so that on two cores every small matrix of an optimiser waits for the others.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    app(prog_name="intertwine")
