"""`intertwine data stats FILE...`: how much there is of what. No group acts here."""

from pathlib import Path
from typing import Annotated, Any

import typer

from intertwine.cli.data_options import Files, Json, write_json
from intertwine.cli.options import EnergyKey, ForcesKey, GroupKey, StressKey

COLUMNS = {
    "frames": "frames",
    "atoms_per_frame": "atoms",
    "energy_per_atom": "energy\nper atom",
    "force_rms": "force\nRMS",
    "force_largest": "largest\nforce",
    "volume_per_atom": "volume\nper atom",
    "neighbours": "neigh-\nbours",
}


def stats(
    files: Files,
    cutoff: Annotated[float, typer.Option(min=0.1, help="Count neighbours within this length, Angstrom.")] = 5.0,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    stress_key: StressKey = None,
    group_key: GroupKey = None,
    json_file: Json = None,
    plot: Annotated[Path | None, typer.Option(help="Draw histograms into this .png file.")] = None,
) -> None:
    """Frames, atoms, elements, energies, forces, stresses, neighbours and volumes, for each set and in all."""
    from intertwine.potentials.data.data_stats import measure_data, plot_data
    from intertwine.potentials.data.readers import read

    graphs = [
        graph
        for path in files
        for graph in read(
            path, energy_key=energy_key, forces_key=forces_key, stress_key=stress_key, group_key=group_key
        )
    ]
    results = measure_data(graphs, cutoff)
    show_table(results)
    if json_file is not None:
        write_json(json_file, results)
    if plot is not None:
        plot_data(plot, graphs)
        typer.echo(f"written  {plot}")


def show_table(results: dict[str, dict[str, Any]]) -> None:
    """A row a set, and what all of them have together below."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="eV, Angstrom; least .. largest", title_justify="left")
    table.add_column("set")
    for quantity in COLUMNS.values():
        table.add_column(quantity, justify="right")
    for name, result in results.items():
        table.add_row(name, *(shown(result[quantity]).replace(" .. ", " ..\n") for quantity in COLUMNS))
    Console().print(table)
    for quantity in ("elements", "pbc", "isolated_atoms", "with_energy", "with_forces", "with_stress", "stress_rms"):
        typer.echo(f"{quantity.replace('_', ' '):15} {shown(results['all'][quantity])}")


def shown(value: Any) -> str:
    """A number, the ends of a range, counts by name, or a dash."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        return "  ".join(f"{name} {count}" for name, count in value.items())
    if isinstance(value, list):
        least, _, largest = map(shown, value)
        return least if least == largest else f"{least} .. {largest}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
