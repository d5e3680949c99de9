"""An outcome on the terminal: the paper's rows under ours, the verdict, the circumstances. No group acts here."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from intertwine.experiments.outcome import Column, Number, Outcome, Table
from intertwine.experiments.verdict import Verdict

COLORS = {Verdict.reproduced: "green", Verdict.not_reproduced: "red", Verdict.not_decided: "yellow"}
PIPE_WIDTH = 140
"""Characters a line where no terminal says how many it has."""


def show(outcome: Outcome, console: Console | None = None) -> None:
    """Print all of an outcome."""
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(f"\n[bold]{escape(outcome.title)}[/] (system {outcome.system}; {escape(outcome.reference)})")
    console.print(f"Claim: {outcome.claim}", markup=False)
    console.print(outcome.data, markup=False)
    for table in outcome.measured.tables:
        console.print()
        console.print(drawn(table))
        if table.note:
            console.print(table.note, markup=False)
    console.print(f"\n[bold {COLORS[outcome.verdict]}]Verdict: {outcome.verdict}[/]")
    for finding in outcome.measured.findings:
        said = escape(f"{finding.statement}. {finding.evidence}")
        console.print(f"  [{COLORS[finding.verdict]}]{finding.verdict}[/]: {said}")
    for remark in outcome.measured.remarks:
        console.print(f"  Note: {remark}", markup=False)
    console.print()
    console.print(f"Seeds: {', '.join(map(str, outcome.seeds))}. Budget: {outcome.budget}, {outcome.seconds:.0f} s.")
    console.print(f"Machine: {outcome.machine}.", markup=False)
    console.print(f"Versions: {', '.join(f'{name} {v}' for name, v in outcome.versions.items())}.", markup=False)
    console.print(f"Again: {outcome.command}", markup=False)
    console.print(f"All of it as JSON: {outcome.folder}/outcome.json", markup=False)


def drawn(table: Table) -> RichTable:
    """A table with its units in the head and the paper's rows below a line."""
    drawing = RichTable(title=table.title, title_justify="left", title_style="bold", header_style="")
    drawing.add_column("")
    for column in table.columns:
        drawing.add_column(f"{column.name}\n{column.unit}", justify="right")
    drawing.add_column("source", style="dim")
    for place, rows in (("ours", table.ours), ("paper", table.paper)):
        for row in rows:
            cells = [text(cell, column) for cell, column in zip(row.cells, table.columns, strict=True)]
            drawing.add_row(row.name, *cells, row.source, style="italic" if place == "paper" else "")
        drawing.add_section()
    return drawing


def text(number: Number | None, column: Column) -> str:
    """A number as it stands in a table.

    Example:
        >>> text(Number(12.34, 0.5), Column("time", "s")), text(None, Column("time", "s"))
        ('12.3 ± 0.5', '-')
    """
    if number is None:
        return "-"
    value = f"{number.value:,.{column.decimals}f}"
    return value if number.spread is None else f"{value} ± {number.spread:,.{column.decimals}f}"
