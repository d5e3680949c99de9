"""Write docs/measurements.md from the results kept in benchmarks/results: accuracy, conversion, growth, long runs.

python docs/make_measurements_page.py
"""

import json
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "measurements.md"
HEAD = """# Measurements

What the scripts in `benchmarks/` found, with the machine that found it. How fast whole potentials are beside MACE,
NequIP and SevenNet stands in [benchmarks](benchmarks.md), rows D. This page is written by
`docs/make_measurements_page.py`; do not edit it by hand.

"""


def page(results: Path = RESULTS) -> str:
    """The whole page."""
    parts = []
    for pattern, section in SECTIONS.items():
        found = [json.loads(path.read_text("utf-8")) for path in sorted(results.glob(pattern))]
        parts += [section(result) for result in found]
    return HEAD + "\n".join(parts)


def accuracy(result: dict[str, Any]) -> str:
    """Errors of all sides after the same time."""
    tests = list(next(side["errors"] for side in result["sides"].values() if "errors" in side))
    rows = [["", "weights", "epochs", "minutes", *(f"{test}: energy | forces" for test in tests)]]
    for name, side in result["sides"].items():
        if "failed" in side:
            rows.append([name, side["failed"], *[""] * (len(rows[0]) - 2)])
            continue
        errors = (side["errors"][test] for test in tests)
        cells = [f"{each['energy_rmse']:.2f} | {each['force_rmse']:.1f}".replace("|", "&#124;") for each in errors]
        epochs = "" if side["epochs"] is None else str(side["epochs"])
        rows.append([name, str(side["parameters"]), epochs, f"{side['seconds'] / 60:.1f}", *cells])
    rows[0] = [cell.replace("|", "&#124;") for cell in rows[0]]
    frames = result["frames"]
    threads = f"{result['threads']} thread{'s' if result['threads'] > 1 else ''}"
    return (
        f"## Accuracy for equal wall time: {result['set']}, {result['minutes']:g} minutes, {threads} a side\n\n"
        f"Root mean square errors in meV/atom and meV/A. {frames['train']} frames to train on, {frames['valid']} to "
        f"validate; tests of {', '.join(str(frames[f'test {test}']) for test in tests)} frames. Sides have the "
        "settings of their own manuals, but that 'mace small' is of our size; NequIP's schedule follows its plateaus "
        "and is cut off. MACE's trial run, which says how long an epoch is, does not count. One seed. "
        "`benchmarks/accuracy/run.py` names the settings of each side; "
        f"all of them are in the result.\n\n{table(rows)}\n\n{machine(result)} {result.get('note', '')}\n"
    )


def conversion(result: dict[str, Any]) -> str:
    """A converted MACE model beside the original."""
    rows = [["system", "clock", "mace-torch, ms", "ours, ms", "times faster", "with table", "largest difference, eV/A"]]
    for name, found in result["systems"].items():
        for clock in (key for key in found if "threads" in key):
            each = found[clock]
            times = [each["times_faster"][key] for key in ("energy and forces", "with table")]
            rows.append(
                [name, clock, *(f"{each['milliseconds'][key]:.1f}" for key in ("mace-torch", "energy and forces")),
                 *(f"{ratio['median']:.1f}" for ratio in times), f"{found['agreement']['force_eV_per_A']:.0e}"]
            )  # fmt: skip
    return (
        "## A MACE model in our kernels\n\nThe same weights on both sides: exported from mace-torch, converted, "
        f"compared in float64 (last column), timed in float32, in turns. {result['parameters']} weights.\n\n"
        f"{table(rows)}\n\n{machine(result)} `python benchmarks/converted_mace.py`.\n"
    )


def growth(result: dict[str, Any]) -> str:
    """Time and memory by size."""
    rows = [["atoms", "edges", "energies and forces, s", "microseconds an atom", "memory, MiB"]]
    for row in result["rows"]:
        rows.append(
            [str(row["atoms"]), str(row["edges"]), f"{row['seconds']:.3f}", f"{row['microseconds_an_atom']:.0f}",
             f"{row['extra_bytes'] / 2**20:.0f}"]
        )  # fmt: skip
    return (
        "## How cost grows\n\nThe MACE architecture of row D with tables, in float32, boxes of water. From 600 atoms "
        f"on time grows as the number of atoms to the power {result['exponent']:.2f}.\n\n{table(rows)}\n\n"
        f"{machine(result)} `{result['command']}`.\n"
    )


def drift(result: dict[str, Any]) -> str:
    """Conservation of energy."""
    return (
        f"## Energy over {result['picoseconds']:g} ps\n\n{result['atoms']} atoms, {result['dtype']}, steps of "
        f"{result['timestep_fs']:g} fs, {result['mean_temperature_K']:.0f} K on average: drift "
        f"{result['drift_meV_per_atom_per_ps']:.2g} meV/atom/ps (limit {result['limit']:g}: "
        f"{'met' if result['passed'] else 'missed'}), fluctuation {result['fluctuation_meV_per_atom']:.2g} meV/atom. "
        "With forces rounded on purpose, which are then no derivatives: "
        f"{result['negative_control_meV_per_atom_per_ps']:.2g} meV/atom/ps.\n\n{machine(result)} "
        "`python benchmarks/md_drift.py`.\n"
    )


def memory(result: dict[str, Any]) -> str:
    """Growth of memory in a long run."""
    return (
        f"## Memory over {result['steps']} steps\n\n{result['atoms']} atoms with a trajectory and states for restarts: "
        f"{result['slope_kB_per_step']:.2g} kB a step (limit {result['limit']:g}: "
        f"{'met' if result['passed'] else 'missed'}). A run that keeps 50 kB at every step on purpose: "
        f"{result['negative_control_kB_per_step']:.3g} kB a step.\n\n{machine(result)} "
        "`python benchmarks/md_memory.py`.\n"
    )


def kills(result: dict[str, Any]) -> str:
    """Trainings that were killed."""
    return (
        f"## {result['kills']} kills\n\n{result['runs']} trainings killed at random moments, "
        f"{result['kills']} times in all, {result['kills_while_a_checkpoint_was_written']} times while a checkpoint "
        f"was written, and resumed: {result['runs_equal']} of {result['runs']} end with the bits of the run that "
        f"nobody killed.\n\n{machine(result)} `{result['command']}`.\n"
    )


def exports(result: dict[str, Any]) -> str:
    """Packages beside the potential they were made from."""
    sizes = list(result["systems"])
    rows = [
        ["", "to write, CPU s", "MB", "largest difference, eV/A", *(f"{size}, ms" for size in sizes), "times the time"]
    ]
    for name in next(iter(result["systems"].values()))["milliseconds"]:
        made = result["export"].get(name)
        cells = ["", "", ""]
        if made:
            error = made["agreement"]["forces"]
            cells = [f"{sum(made['cpu_seconds'].values()):.1f}", f"{made['bytes'] / 1e6:.1f}", f"{error:.0e}"]
        found = [result["systems"][size] for size in sizes]
        times = [each["over the potential"][name]["median"] for each in found if made]
        rows.append(
            [name, *cells, *(f"{each['milliseconds'][name]['median']:.1f}" for each in found),
             " | ".join(f"{each:.2f}" for each in times).replace("|", "&#124;")]
        )  # fmt: skip
    return (
        "## Exported potentials\n\nEnergies and forces by a MACE model of "
        f"{result['parameters']} random weights in float32 and by the packages it was exported to, in turns, on "
        f"{result['threads']} thread{'s' if result['threads'] > 1 else ''}.\n\n{table(rows)}\n\n{machine(result)} "
        f"`{result['command']}`.\n"
    )


def frames(result: dict[str, Any]) -> str:
    """The price of exact symmetry."""
    goal, clouds = result["goal"], result["clouds"]
    rows = [["", "times the bare net", "rotation error", "of a cube"]]
    for name, ratio in result["over the bare net"].items():
        error = result["rotation error"][name]
        rows.append([name, f"{ratio['median']:.2f}", f"{error['clouds']:.0e}", f"{error['cube']:.0e}"])
    return (
        f"## Any network made symmetric\n\nA PointNet in a frame over the bare one, forward and backward, float32, "
        f"{result['points']} points a cloud. One element by rule, {clouds['goal']} clouds: "
        f"{goal['over the bare net']['median']:.2f} times (limit {goal['at most']:g}: "
        f"{'met' if goal['met'] else 'missed'}). All sides, {clouds['all sides']} clouds each; rotation error is the "
        f"largest relative change of the output when clouds turn, in evaluation.\n\n{table(rows)}\n\n"
        f"{machine(result)} `{result['command']}`.\n"
    )


def busy(result: dict[str, Any]) -> str:
    """What other programs on the machine cost."""
    found = result["milliseconds"]
    rows = [["a step of training, ms (slowest process)", *(f"beside {count} busy programs" for count in found)]]
    for name in next(iter(found.values())):
        rows.append([name, *(f"{median(each[name]):.0f} ({max(each[name]):.0f})" for each in found.values())])
    return (
        "## Training beside other programs\n\nA NequIP-like model, 5 x 27 atoms, in processes with one thread for "
        "every core or one in all, beside programs that keep a core each busy. Threads of OpenMP hold their core "
        f"while they wait for each other; GOMP_SPINCOUNT says how long.\n\n{table(rows)}\n\n"
        f"{machine(result)} `{result['command']}`.\n"
    )


SECTIONS = {
    "accuracy-*.json": accuracy,
    "converted_mace*.json": conversion,
    "scaling-*.json": growth,
    "export_speed-*.json": exports,
    "md_drift*.json": drift,
    "md_memory*.json": memory,
    "kill-training-*.json": kills,
    "frames-*.json": frames,
    "busy_machine-*.json": busy,
}


def table(rows: list[list[str]]) -> str:
    """Markdown, the first row a header."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def machine(result: dict[str, Any]) -> str:
    """One line on what measured it."""
    where = result["machine"]
    if isinstance(where, str):
        return f"{where}."
    return f"{where['cores']} cores of {where['processor']}, load {where['load']} at the start."


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
