"""Write docs/papers.md from the catalogue and from the outcomes kept in docs/outcomes.

python docs/make_papers_page.py

To keep an outcome: intertwine reproduce NAME --budget small --out runs/NAME, then copy runs/NAME/outcome.json to
docs/outcomes/NAME.json and run this script.
"""

import json
from pathlib import Path
from typing import Any

from intertwine.experiments.catalog import EXPERIMENTS
from intertwine.experiments.experiment import Experiment, duration

DOCS = Path(__file__).parent
HEAD = """# Papers

Each line is one command; it prints our numbers beside the paper's, with seeds, machine and versions, and a verdict that
is computed from the numbers. This page is written by `docs/make_papers_page.py`; do not edit it by hand.

| system | claim | command | status |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(f"{line(experiment)}\n" for experiment in EXPERIMENTS) + "\n" + budgets()


def line(experiment: Experiment) -> str:
    """One row of the table."""
    kept = DOCS / "outcomes" / f"{experiment.name}.json"
    status = words(json.loads(kept.read_text("utf-8"))) if kept.exists() else "runs; no outcome kept yet"
    return (
        f"| {experiment.system}. {experiment.title} ({experiment.reference}) | {experiment.claim} "
        f"| `intertwine reproduce {experiment.name}` | {status} |"
    )


def words(outcome: dict[str, Any]) -> str:
    """What a kept outcome says."""
    parts = "; ".join(f"{finding['statement']}: {finding['verdict']}" for finding in outcome["findings"])
    machine = outcome["machine"]
    where = f"{machine['cores']} cores of {machine['processor']}" + (
        f" and {machine['accelerator']}" if machine["accelerator"] else ""
    )
    seeds = ", ".join(map(str, outcome["seeds"]))
    return (
        f"**{outcome['verdict']}** ({parts}). Budget {outcome['budget']}, seeds {seeds}, "
        f"{duration(round(outcome['seconds'] / 60, 1))} on {where}. {outcome['data']}"
    )


def budgets() -> str:
    """What each budget of each experiment means."""
    lines = ["Budgets, with `--budget`:\n"]
    for experiment in EXPERIMENTS:
        for name, budget in experiment.budgets.items():
            seeds = f"{budget.seeds} seed{'' if budget.seeds == 1 else 's'}"
            lines.append(f"- `{experiment.name}` {name}: {budget.words}; planned {duration(budget.minutes)}, {seeds}.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (DOCS / "papers.md").write_text(page(), "utf-8")
