"""`intertwine bench`: how fast the products are, beside other libraries on this machine. No group acts here."""

from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.options import Quiet


def bench(
    rows: Annotated[
        list[str] | None, typer.Argument(metavar="[ROW]...", help="Which rows, as in docs/benchmarks.md; all if none.")
    ] = None,
    threads: Annotated[str, typer.Option(help="Numbers of threads: 1 by processor time, more by wall time.")] = "1,2",
    repeats: Annotated[int, typer.Option(min=1, help="Rounds in which every side takes its turn.")] = 9,
    out: Annotated[
        Path | None, typer.Option(help="Write results here: one .json file, or a folder with a file for each row.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few sizes, few repeats: shows that it runs.")] = False,
    quiet: Quiet = False,
) -> None:
    """Time the tensor products beside other libraries, in turns, and print ratios with their spread.

    Peers live in environments of their own: run `make bench-peers` once in a copy of the repository. Run it on a
    machine that does nothing else.
    """
    import json
    import sys

    from rich.console import Console
    from rich.table import Table

    from intertwine.experiments.bench.measure import Budget
    from intertwine.experiments.bench.result import machine_slug
    from intertwine.experiments.bench.row import BenchError
    from intertwine.experiments.bench.rows import find_rows
    from intertwine.experiments.bench.run import Options, measure_limits, run_row
    from intertwine.experiments.bench.table import header, line, remarks, versions

    try:
        numbers = tuple(sorted({int(part) for part in threads.split(",")}))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise BenchError(f"--threads: expected numbers such as 1,2, came {threads!r}")
    chosen = find_rows(rows or [])
    named = [f'"{row}"' if "'" in row else row for row in rows or []]  # a shell takes a prime for a quotation
    words = ["intertwine bench", *named, f"--threads {threads} --repeats {repeats}", "--quick" if quick else ""]
    options = Options(
        threads=numbers,
        budget=Budget(min(repeats, 3), 0.005, 2.0) if quick else Budget(repeats),
        quick=quick,
        command=" ".join(filter(None, words)),
    )
    if options.root is None and not quiet:
        typer.echo("benchmarks/peers is not at hand, so only our side runs; peers run from a copy of the repository.")
    limits = {number: measure_limits(number) for number in numbers}
    console, results = Console(width=None if sys.stdout.isatty() else 200), {}

    def report(text: str) -> None:
        if not quiet:
            print(f"\r\033[K{text}" if sys.stderr.isatty() else text, end="" if sys.stderr.isatty() else "\n",
                  file=sys.stderr, flush=True)  # fmt: skip

    for row in chosen:
        result = json.loads(json.dumps(run_row(row, options, limits, report).to_json()))
        results[row.key] = result
        report("")
        table = Table(*header(row), box=None, pad_edge=False)
        for entry in result["entries"]:
            table.add_row(*line(row, entry))
        console.print(f"[bold]{row.key}. {row.title}[/bold]\n{row.counted}\n", highlight=False)
        console.print(table)
        for remark in remarks(row, result):
            console.print(f"- {remark}", highlight=False, soft_wrap=True)
        console.print(versions(result), highlight=False)
        if out is not None and out.suffix != ".json":
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{row.file}-{machine_slug(result['machine'])}.json").write_text(json.dumps(result, indent=1))
    if out is not None and out.suffix == ".json":
        out.write_text(json.dumps(results, indent=1))
