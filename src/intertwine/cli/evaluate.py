"""`intertwine evaluate POTENTIAL DATA`: errors against labels, a row a set. No group acts here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from intertwine.cli.boundary import CannotRun
from intertwine.cli.options import Device, EnergyKey, ForcesKey, GroupKey, PotentialFolder, Quiet, StressKey

HEADINGS = {"energy": "energy, meV/atom", "forces": "forces, meV/A", "stress": "stress, meV/A^3"}


def evaluate(
    potential: PotentialFolder,
    data: Annotated[list[Path], typer.Argument(metavar="DATA...", help="Files with labelled structures.")],
    by: Annotated[
        list[str] | None,
        typer.Option(help="How to divide the structures: group, file, temperature, or a key of the frames; repeat it."),
    ] = None,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    stress_key: StressKey = None,
    group_key: GroupKey = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every number to this file.")] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write a row for each set, quantity and element to this file.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report page to this .html file.")] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write the frames with labels and predictions to this .extxyz file.")
    ] = None,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Tell how sure the potential is, and whether that is true.")
    ] = False,
    head: Annotated[str | None, typer.Option(help="Which head, for a potential with several.")] = None,
    batch_edges: Annotated[
        int, typer.Option(min=1, help="Atoms and edges predicted at once; lower it if memory is short.")
    ] = 16_384,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Compare a potential with labels: errors of energy, forces and stress for every set, beside predicting nothing."""
    import json

    from intertwine.cli.bar import bar
    from intertwine.cli.structures import open_potential
    from intertwine.potentials.data.readers import read
    from intertwine.potentials.judging.evaluate import compare
    from intertwine.potentials.judging.labelled_frames import require_extxyz, write_predictions
    from intertwine.potentials.judging.saved_uncertainty import load_uncertainty
    from intertwine.potentials.judging.tables import as_json, csv_text
    from intertwine.potentials.structures.textfile import write_text

    for path in (json_file, csv_file, report, predictions):
        require_folder(path)
    if predictions is not None:
        require_extxyz(predictions)
    if uncertainty and head is not None:
        raise CannotRun("evaluate --uncertainty knows the main head only; leave out --head or --uncertainty.")
    model = open_potential(potential, device, head=head)
    graphs = [
        graph
        for path in data
        for graph in read(
            path, energy_key=energy_key, forces_key=forces_key, stress_key=stress_key, group_key=group_key
        )
    ]
    names = {way: divide(way, graphs, data) for way in by or ["group"]}
    estimator = load_uncertainty(potential, model) if uncertainty else None
    with bar(quiet=quiet) as show:
        found = compare(
            model, graphs, estimator=estimator, batch_edges=batch_edges, unlabelled=predictions is not None,
            progress=lambda done, total: show("structures", done, total),
        )  # fmt: skip
    total = found.total()
    tables = {way: found.sets(each) for way, each in names.items()}
    if len(found.counted) < len(found.structures):
        typer.echo(f"{len(found.structures) - len(found.counted)} isolated atoms give reference energies: not judged")
    if not total.errors:
        typer.echo("the frames have no labels to compare with")
    for way, results in tables.items():
        show_table(results, total=total, by=way)
    if json_file is not None:
        write_text(json_file, json.dumps(as_json(tables, total), indent=1, allow_nan=False) + "\n")
    if csv_file is not None:
        write_text(csv_file, csv_text({**tables, "total": [total]}))
    if predictions is not None:
        write_predictions(predictions, found.structures, found.predicted, found.deviations)
    if report is not None:
        from intertwine.potentials.judging.page.page import write_report
        from intertwine.potentials.judging.run_report import evaluation_report

        title = f"{'/'.join(potential.absolute().parts[-2:])} on {', '.join(path.name for path in data)}"
        configuration = {"potential": potential, "data": [str(path) for path in data]}
        sets = tables[next(iter(tables))]
        write_report(report, evaluation_report(title, found, sets, configuration=configuration))


def divide(way: str, graphs: Sequence[Any], data: Sequence[Path]) -> list[str]:
    """The name of the set of each structure."""
    from intertwine.potentials.data.readers import read
    from intertwine.potentials.structures.grouping import by_file, by_group, by_temperature

    ways = {"group": by_group, "file": by_file, "temperature": by_temperature}
    if way in ways:
        return ways[way](graphs)
    return by_group([graph for path in data for graph in read(path, group_key=way)])


def require_folder(path: Path | None) -> None:
    """Refuse a file that could not be written, before anything is computed for it."""
    if path is not None and not path.absolute().parent.is_dir():
        raise CannotRun(f"{path}: there is no folder {path.parent} to write to; make it first, or choose another.")


def show_table(results: Sequence[Any], *, total: Any = None, by: str = "group") -> None:
    """A table for each quantity on stdout: a row a set, then their total, then the forces element by element."""
    from rich.console import Console

    console = Console()
    last = [total] if total is not None and len(results) > 1 else []
    for quantity, title in HEADINGS.items():
        if any(quantity in result.errors for result in results):
            heading = title if by == "group" else f"{title}, by {by}"
            console.print(quantity_table(quantity, heading, results, last))
    if any(result.calibrations for result in results):
        console.print(calibration_table([*results, *last]))
    if any(result.element_errors for result in results):
        console.print(element_table([*results, *last]))


def quantity_table(quantity: str, title: str, results: Sequence[Any], last: Sequence[Any]) -> Any:
    """Errors of one quantity beside a model that predicts a constant; "12 of 60" where the others lack the label."""
    table = empty_table(title)
    constant = "mean" if quantity == "energy" else "zero"
    for name in ("frames", "RMSE", "MAE", "95 %", "max", "R2", f"predict\n{constant}", "RMSE /\npredict"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in [*results, *last]:
        errors, labelled = result.errors.get(quantity), result.labelled[quantity]
        count = str(labelled) if labelled == result.structures else f"{labelled} of {result.structures}"
        numbers = cells(errors) if errors else ["-"] * 7
        table.add_row(result.title, count, *numbers, end_section=bool(last) and result is results[-1])
    return table


def empty_table(title: str) -> Any:
    """A table of the house."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        min_width=min(len(title), 72),  # a title is broken at the width of its table
    )
    table.add_column("set")
    return table


def cells(errors: Any) -> list[str]:
    """The numbers of a row."""
    from intertwine.potentials.judging.report import plain

    values = [plain(value) for value in (errors.rmse, errors.mae, errors.q95, errors.max)]
    fit = "-" if errors.r2 is None else f"{errors.r2:.4f}"
    share = "-" if errors.relative is None else f"{plain(errors.relative)} %"
    return [*values, fit, plain(errors.baseline), share]


def element_table(results: Sequence[Any]) -> Any:
    """RMSE of the forces on each element, a row a set."""
    from intertwine.potentials.judging.report import plain

    elements = list(dict.fromkeys(element for result in results for element in result.element_errors))
    table = empty_table("force RMSE by element, meV/A")
    for element in elements:
        table.add_column(element, justify="right")
    for result in results:
        errors = (result.element_errors.get(element) for element in elements)
        table.add_row(result.title, *("-" if each is None else plain(each.rmse) for each in errors))
    return table


def calibration_table(results: Sequence[Any]) -> Any:
    """Whether deviations tell the truth, a row for each quantity of each set."""
    from intertwine.potentials.judging.report import plain

    table = empty_table("predicted deviations; a Gaussian has 68 % within 1 and 95 % within 2")
    for name in ("of", "within 1", "within 2", "error /\ndeviation", "area", "rank"):
        table.add_column(name, justify="right")
    for result in results:
        for quantity, each in result.calibrations.items():
            shares = (f"{100 * each.within(count):.0f} %" for count in (1.0, 2.0))
            rank = "-" if each.rank is None else f"{each.rank:.2f}"
            table.add_row(result.title, quantity, *shares, plain(each.ratio), f"{each.area:.3f}", rank)
    return table
