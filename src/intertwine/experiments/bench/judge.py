"""Promise beside measurement: which goals a row meets, and by how much it misses others. No group acts here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intertwine.experiments.bench.row import NAME, Row


@dataclass(frozen=True)
class Judgement:
    """One goal in one entry: what was promised, what was measured, and the word on it."""

    promise: str
    measured: float | None
    words: str

    @property
    def met(self) -> bool:
        """Whether the measured median reaches the goal."""
        return self.words.startswith("met")


def judge(row: Row, entry: Mapping[str, Any]) -> list[Judgement]:
    """Every goal that speaks about an entry of a result, as in `RowResult.to_json`.

    A goal against several peers is one against the fastest of them; peers without a number are named.
    """
    found = []
    for goal in row.goals:
        if entry["which"] not in goal.times or entry["degree"] not in goal.degrees:
            continue
        times = goal.times[entry["which"]]
        timed = {name: entry["ratios"][name]["median"] for name in goal.peers if name in entry["ratios"]}
        missing = [name for name in goal.peers if name not in timed]
        promise = f"{times:g} x {' and '.join(goal.peers)}"
        if not timed:
            found.append(Judgement(promise, None, f"not measured: {_reason(entry, missing[0])}"))
            continue
        measured = min(timed.values())
        without = f", without {' and '.join(missing)}" if missing else ""
        found.append(Judgement(promise, measured, reached(measured, times) + without))
    if row.of_roofline is not None and entry["which"] == "forward" and entry["degree"] >= 4:
        promise = f"{100 * row.of_roofline:.0f} % of the roofline"
        fraction = entry["fraction"]
        words = _reason(entry, NAME) if fraction is None else reached(fraction, row.of_roofline)
        found.append(Judgement(promise, fraction, words if fraction is not None else f"not measured: {words}"))
    return found


def judge_memory(row: Row, memory: Mapping[str, Any]) -> list[Judgement]:
    """The goal on memory in one case."""
    if row.memory is None:
        return []
    peer = next(side.name for side in row.sides if side.environment)
    promise = f"at most 1/{1 / row.memory:g} of {peer}"
    if set(memory["bytes"]) < {NAME, peer}:
        return [Judgement(promise, None, f"not measured: {'; '.join(memory['notes'].values())}")]
    times = memory["bytes"][peer] / max(memory["bytes"][NAME], 1)
    return [Judgement(promise, times, reached(times, 1 / row.memory))]


def reached(measured: float, promised: float) -> str:
    """The word on a number.

    Example:
        >>> reached(31.0, 30.0), reached(20.0, 30.0)
        ('met', 'missed by 1.50 x')
    """
    return "met" if measured >= promised else f"missed by {promised / measured:.2f} x"


def _reason(entry: Mapping[str, Any], name: str) -> str:
    return entry["notes"].get(name) or entry["notes"].get(NAME) or "no number"
