"""A measured row as a table of words, for the terminal and for the page of the documentation. No group acts here."""

from collections.abc import Mapping, Sequence
from typing import Any

from intertwine.experiments.bench.judge import judge, judge_memory
from intertwine.experiments.bench.row import NAME, Row


def header(row: Row) -> list[str]:
    """Titles of the columns."""
    peers = [side.name for side in row.sides if side.name != NAME]
    return ["case", "pass", "threads", f"{NAME}, ms", *(f"{name}, x ours" for name in peers), "roofline", "goal"]


def line(row: Row, entry: Mapping[str, Any]) -> list[str]:
    """One entry: our milliseconds, every peer's time over ours with its spread, and the word on each goal."""
    peers = [side.name for side in row.sides if side.name != NAME]
    ours = entry["seconds"].get(NAME)
    goals = [f"{each.promise}: {each.words}" for each in judge(row, entry)]
    return [
        entry["case"],
        entry["which"],
        f"{entry['threads']} ({entry['clock']})",
        _spread(ours, 1000.0) if ours else "–",
        *(_spread(entry["ratios"][name]) if name in entry["ratios"] else "–" for name in peers),
        f"{100 * entry['fraction']:.0f} %" if entry["fraction"] is not None else "–",
        "; ".join(goals) or "–",
    ]


def remarks(row: Row, result: Mapping[str, Any]) -> list[str]:
    """What else there is to say: who has no number and why, memory, slopes, first call, differences, limits, load."""
    found = []
    reasons: dict[tuple[str, str], list[str]] = {}
    for entry in result["entries"]:
        for name, reason in entry["notes"].items():
            where = f"{entry['case']} {entry['which']}"
            reasons.setdefault((name, reason), []).append(where)
    for (name, reason), places in reasons.items():
        everywhere = len(places) == len(result["entries"])
        found.append(f"{name}: {reason}" + ("" if everywhere else f" ({_some(places)})"))
    for memory in result["memory"]:
        megabytes = ", ".join(f"{name} {size / 2**20:.0f} MiB" for name, size in memory["bytes"].items())
        words = "; ".join(f"{each.promise}: {each.words}" for each in judge_memory(row, memory))
        found.append(f"memory of {row.memory_pass}, {memory['case']}: {megabytes or 'not measured'}. {words}")
    for where, exponents in result["slopes"].items():
        slopes = ", ".join(f"{name} {value:.1f}" for name, value in sorted(exponents.items()))
        found.append(f"time grows as L to the power, {where}: {slopes}. Expected: {row.asymptotic}")
    if result["first_call"]:
        case, seconds = max(result["first_call"].items(), key=lambda each: each[1])
        found.append(f"slowest first call of ours, building included: {seconds:.2f} s ({case})")
    worst = [value for entry in result["entries"] for each in entry["agreement"].values() for value in each.values()]
    if worst:
        found.append(f"largest difference between ours and a peer that is timed: {max(worst):.0e} of its size")
    for threads, limit in result["limits"].items():
        found.append(
            f"this machine with {threads} thread{'s' if int(threads) > 1 else ''}: GEMM {limit['flops'] / 1e9:.0f} "
            f"GF/s, copy {limit['bytes'] / 1e9:.0f} GB/s"
        )
    load = result["load"]
    found.append(f"load average {load['start']:.1f} at the start, {load['end']:.1f} at the end")
    return found


def versions(result: Mapping[str, Any]) -> str:
    """All versions in one line."""
    parts = {f"{name} {value}" for each in result["versions"].values() for name, value in each.items()}
    return ", ".join(sorted(parts))


def _some(places: Sequence[str]) -> str:
    return ", ".join(places[:2]) + (f" and {len(places) - 2} more" if len(places) > 2 else "")


def _spread(value: Mapping[str, float], scale: float = 1.0) -> str:
    return f"{scale * value['median']:.3g} ± {scale * value['spread']:.2g}"
