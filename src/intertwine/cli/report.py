"""`intertwine report RUN`: what a training run has to show, on one page. No group acts here."""

from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.options import Device, EnergyKey, ForcesKey, GroupKey, Quiet, StressKey


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Output folder of a training run.")],
    data: Annotated[list[Path] | None, typer.Option(help="Labelled structures to judge by; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="The page; RUN/report.html if not given.")] = None,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    stress_key: StressKey = None,
    group_key: GroupKey = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Write a self-contained HTML page: learning curves, and errors on the data that are given."""
    from intertwine.cli.bar import bar
    from intertwine.cli.structures import choose_device
    from intertwine.potentials.data.readers import read
    from intertwine.potentials.judging.page.page import write_report
    from intertwine.potentials.judging.run_report import run_report

    graphs = [
        graph
        for path in data or []
        for graph in read(
            path, energy_key=energy_key, forces_key=forces_key, stress_key=stress_key, group_key=group_key
        )
    ]
    with bar(quiet=quiet) as show:
        page = run_report(
            run, graphs, device=choose_device(device), progress=lambda done, total: show("structures", done, total)
        )
    target = out or run / "report.html"
    write_report(target, page)
    for sentence in page.summary:
        typer.echo(sentence)
    typer.echo(f"report     {target}")
