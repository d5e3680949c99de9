"""Write docs/benchmarks.md from the results kept in benchmarks/results.

python docs/make_benchmarks_page.py

To keep results, on a machine that does nothing else: make bench-peers, then intertwine bench --out benchmarks/results.
"""

import json
import re
from pathlib import Path
from typing import Any

from intertwine.experiments.bench.judge import judge, judge_memory
from intertwine.experiments.bench.row import Row
from intertwine.experiments.bench.rows import ROWS
from intertwine.experiments.bench.table import header, line, remarks, versions

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

`intertwine bench` times our products beside other libraries on the same machine, in turns, after it has checked that
outputs and gradients agree to 1e-4. One thread is timed by processor time, two by the clock on the wall. Numbers are
medians, ± half of the middle half; a peer's number is its time over ours, so above one we are faster. The roofline is
the least time that this machine needs for the arithmetic and the memory traffic of a row, by its measured GEMM rate and
copy bandwidth. Goals were set before the measurement. This page is written by `docs/make_benchmarks_page.py`; do not
edit it by hand.

"""


def page(results: Path = RESULTS) -> str:
    """The whole page."""
    return HEAD + "\n".join(section(row, kept(row, results)) for row in ROWS)


def kept(row: Row, results: Path) -> list[dict[str, Any]]:
    """Results of a row on every machine; quick runs are no results."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted(results.glob(f"{row.file}-*.json"))]
    return [result for result in found if result["row"] == row.key and not result["quick"]]


def section(row: Row, results: list[dict[str, Any]]) -> str:
    """What a row is, and how it came out on each machine."""
    text = f"## {row.key}. {row.title}\n\n{row.counted}\n\n"
    if not results:
        return text + "No result kept yet.\n"
    return text + "\n".join(measured(row, result) for result in results)


def measured(row: Row, result: dict[str, Any]) -> str:
    """One row on one machine."""
    machine = result["machine"]
    judged = [each for entry in result["entries"] for each in judge(row, entry)]
    judged += [each for memory in result["memory"] for each in judge_memory(row, memory)]
    met = sum(each.met for each in judged)
    names = header(row)
    rows = [names, ["---"] * len(names), *(line(row, entry) for entry in result["entries"])]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    notes = "\n".join(f"- {remark}" for remark in remarks(row, result))
    where = f"{machine['cores']} cores of {machine['processor']}"
    goals = f"{met} of {len(judged)} goals met. " if judged else ""
    command = re.sub(r" ([A-Z]'+)(?= )", r' "\1"', result["command"])  # a shell takes a prime for a quotation
    return f"{goals}{where}, {result['started'][:10]}, `{command}`. {versions(result)}.\n\n{table}\n\n{notes}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
