"""The three operations of the paper, alone: time and memory beside couplings, e3nn and MACE. O(3) acts on `dim`.

The measuring is done by the rows G1 to G3 of the benchmark, which first make sure that all compute the same map.
"""

from collections.abc import Sequence
from dataclasses import replace

from intertwine.experiments.bench import row as bench
from intertwine.experiments.bench.measure import Budget, Spread
from intertwine.experiments.bench.operations import OPERATIONS
from intertwine.experiments.bench.result import Entry, Limits, RowResult
from intertwine.experiments.bench.run import Options, run_row
from intertwine.experiments.experiment import Stage
from intertwine.experiments.outcome import Column, Number, Row, Table
from intertwine.experiments.verdict import Finding, Verdict, stays_below

PASS = "forward+backward"
NO_LIMITS = {1: Limits(1.0, 1.0)}
"""The roofline is left to `intertwine bench`."""
NOTEBOOK = {
    "G1": (("degrees 0 to 1", 6.7 / 0.76), ("degrees 0 to 13", 2270 / 3.1)),
    "G3": (("order 3 L = 1", 3.00 / 1.29), ("order 3 L = 2", 4.86 / 1.71), ("order 3 L = 3", 7.06 / 2.27)),
}
"""Times faster than e3nn's or MACE's forward pass, from milliseconds printed in the authors' notebooks."""


def measure(lmax: int, rounds: int, progress: Stage) -> list[RowResult]:
    """All three rows up to a degree, one thread, in processes of their own."""
    found: list[RowResult] = []
    if not lmax:
        return found
    for done, row in enumerate(OPERATIONS):
        progress(f"operations {row.key}", done, len(OPERATIONS))
        chosen = replace(row, degrees=tuple(degree for degree in row.degrees if degree <= lmax), passes=(PASS,))
        options = Options(threads=(1,), budget=Budget(rounds, total=1.5 * rounds), command="")
        found.append(run_row(chosen, options, NO_LIMITS))
    progress("operations", len(OPERATIONS), len(OPERATIONS))
    return found


def table(result: RowResult) -> Table:
    """Ours in milliseconds and MiB, and every other side over it."""
    row = next(each for each in OPERATIONS if each.key == result.row)
    others = [side.name for side in row.sides if side.name != bench.NAME]
    columns = [Column(bench.NAME, "ms", 2), *(Column(name, "times ours") for name in others)]
    columns += [Column("memory", "MiB"), *(Column(name, "times our memory") for name in others)]
    rows = []
    for entry, memory in zip(result.entries, result.memory, strict=True):
        ours = memory.bytes.get(bench.NAME)
        shares = [Number(memory.bytes[name] / ours) if ours and name in memory.bytes else None for name in others]
        cells = [_spread(entry.seconds.get(bench.NAME), 1000.0), *(_spread(entry.ratios.get(name)) for name in others)]
        rows.append(Row(entry.case, "this run", (*cells, None if ours is None else Number(ours / 2**20), *shares)))
    empty = (None,) * len(others)
    paper = tuple(
        Row(name, "authors' notebook", (None, *empty[1:], Number(times), None, *empty))
        for name, times in NOTEBOOK.get(result.row, ())
    )
    note = (
        f"{row.counted} Forward and backward, one thread, float32; median, ± half of the middle half; memory: what one "
        "call takes at most in a fresh process, in whole pages, so a few MiB are not to be compared."
    )
    if paper:
        note += " The notebook: forward passes on a GPU, from more than the same map; not the same ratio."
    return Table(row.title, tuple(columns), tuple(rows), paper, note)


def findings(results: Sequence[RowResult]) -> list[Finding]:
    """Whether each operation is faster and smaller than the library's whose product it replaces."""
    found = []
    for result in results:
        row = next(each for each in OPERATIONS if each.key == result.row)
        peer = next(side.name for side in row.sides if side.environment)
        speed = {entry.case: entry.ratios[peer].median for entry in result.entries if peer in entry.ratios}
        memory = {
            each.case: each.bytes[peer] / max(each.bytes[bench.NAME], 1)
            for each in result.memory
            if {peer, bench.NAME} <= set(each.bytes)
        }
        for what, shares in (("faster", speed), ("smaller", memory)):
            verdict = stays_below(1.0, [1 / share for share in shares.values()]) if shares else Verdict.not_decided
            words = f"{min(shares.values()):.1f} to {max(shares.values()):.1f} times" if shares else _why(result, peer)
            found.append(
                Finding(f"{row.title.lower().replace('gaunt, ', '')} is {what} than {peer}'s", verdict, f"{words}.")
            )
    return found


def _why(result: RowResult, peer: str) -> str:
    entry: Entry = result.entries[0]
    return f"no number: {entry.notes.get(peer, 'not timed')}"


def _spread(value: Spread | None, scale: float = 1.0) -> Number | None:
    return None if value is None else Number(scale * value.median, scale * value.spread)
