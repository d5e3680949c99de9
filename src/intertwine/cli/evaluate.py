"""`intertwine evaluate POTENTIAL DATA`: errors against labels, a row a set. No group acts here."""

from pathlib import Path
from typing import Annotated, Any

import typer

from intertwine.cli.options import Device, EnergyKey, ForcesKey, GroupKey, PotentialFolder, Quiet

COLUMNS = {
    "energy_rmse": "energy RMSE",
    "energy_rmse_predict_mean": "predict mean",
    "force_rmse": "force RMSE",
    "force_rmse_predict_zero": "predict zero",
}


def evaluate(
    potential: PotentialFolder,
    data: Annotated[list[Path], typer.Argument(metavar="DATA...", help="Files with labelled structures.")],
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    group_key: GroupKey = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every number to this file too.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Structures predicted at once.")] = 16,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Compare a potential with labels: errors in meV/atom and meV/A for every set, beside predicting nothing."""
    import json

    from intertwine.cli.bar import bar
    from intertwine.cli.structures import open_potential
    from intertwine.potentials.evaluate import evaluate as evaluate_sets
    from intertwine.potentials.readers import read

    model = open_potential(potential, device)
    graphs = [
        graph
        for path in data
        for graph in read(path, energy_key=energy_key, forces_key=forces_key, group_key=group_key)
    ]
    with bar(quiet=quiet) as show:
        results = evaluate_sets(
            model, graphs, batch_size=batch_size, progress=lambda done, total: show("structures", done, total)
        )
    show_table(results)
    if json_file is not None:
        json_file.write_text(json.dumps({result.name: result.metrics for result in results}, indent=1) + "\n")


def show_table(results: Any) -> None:
    """A row a set, on stdout."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="energy in meV/atom, forces in meV/A", title_justify="left")
    table.add_column("set")
    table.add_column("structures", justify="right")
    for title in COLUMNS.values():
        table.add_column(title, justify="right")
    for result in results:
        numbers = [f"{result.metrics[name]:.4g}" for name in COLUMNS]
        table.add_row(result.title, str(len(result.energy)), *numbers)
    Console().print(table)
