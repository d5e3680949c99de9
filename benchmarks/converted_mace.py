"""Your MACE model, converted: is it the same, and how many times faster on CPU? One random model, both sides.

    make bench-peers && python benchmarks/converted_mace.py [--quick] [--out benchmarks/results/converted_mace.json]

A model of mace-torch (64x0e+64x1o, correlation 3, 2 layers, 5 Angstrom) goes the way of a user's: saved, exported in
its environment, converted, loaded. Each side then runs in a process of its own, in turns; a round's ratio is one call
there over one call here. One thread is counted by processor time, two by the clock on the wall.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from intertwine.experiments.bench.pipe import Worker
from intertwine.experiments.bench.systems import graph_inputs, system
from intertwine.experiments.machine import library_versions, this_machine
from intertwine.experiments.timing import quartiles
from intertwine.potentials.engines import export_from_mace
from intertwine.potentials.engines.convert_mace import convert_mace
from intertwine.potentials.models.saved import save_potential

ROOT = Path(__file__).resolve().parents[1]
PEERS, PYTHON = ROOT / "benchmarks/peers", ROOT / ".peers/mace/bin/python"
SYSTEMS = {"27 atoms": {"molecules": 1}, "648 atoms, periodic water": {"water": 6}}
OURS = ("energy and forces", "with table")
ALLOWED = 1e-5
"""eV an atom and eV/Angstrom, in float64."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, the molecule and one thread only")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/converted_mace.json"))
    options = parser.parse_args()
    if not PYTHON.exists():
        print(f"{PYTHON} is missing: make bench-peers", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), quick=options.quick)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"written {options.out}")
    return 0 if all(each["agreement"]["ok"] for each in found["systems"].values()) else 1


def measure(folder: Path, *, quick: bool) -> dict:
    """Make the model, convert it, and run both sides."""
    model, exported = folder / "MACE.model", folder / "exported"
    for words in ([PEERS / "converted_mace_model.py", model], [export_from_mace.__file__, model, exported]):
        subprocess.run([PYTHON, *words], check=True, capture_output=True)
    converted = convert_mace(exported)
    case = {"model": str(model), "potential": str(folder / "potential"), "peers": str(PEERS)}
    save_potential(case["potential"], converted.potential)
    parameters = sum(each.numel() for each in converted.potential.parameters())
    found: dict = {
        "machine": asdict(this_machine()), "versions": library_versions(), "parameters": parameters,
        "conversion": {"energy_eV_per_atom": converted.energy_error, "force_eV_per_A": converted.force_error},
        "systems": {},
    }  # fmt: skip
    for name, which in list(SYSTEMS.items())[: 1 if quick else None]:
        found["systems"][name] = compare(folder, name, which, case, quick=quick)
    return found


def compare(folder: Path, name: str, which: dict, case: dict, *, quick: bool) -> dict:
    """One system: agreement in float64, then seconds with one and two threads."""
    inputs, small = folder / name / "inputs", "molecules" in which
    inputs.mkdir(parents=True)
    arrays = graph_inputs(system(which))
    for key, array in arrays.items():
        np.save(inputs / f"{key}.npy", array)
    atoms = len(arrays["positions"])
    result: dict = {"atoms": atoms, "edges": len(arrays["senders"])}
    for threads, measure in ((1, "cpu"), (2, "wall"))[: 1 if quick else None]:
        with (
            Worker(ROOT / "benchmarks/converted_mace_ours.py", threads=threads) as ours,
            Worker(PEERS / "converted_mace_model.py", threads=threads, python=PYTHON) as theirs,
        ):
            sides = {"ours": ours, "mace-torch": theirs}
            for side, worker in sides.items():
                worker.receive()
                worker.ask({
                    "do": "build", "row": "", "case": {**case, "periodic": not small}, "inputs": str(inputs),
                    "outputs": str(folder / name / side), "run": ["float64"] if threads == 1 else [],
                })  # fmt: skip
            if threads == 1:
                result["agreement"] = agreement(folder / name, atoms)
                print(f"{name}: {result['agreement']}", flush=True)
            rounds = (10 if small else 3) if quick else (40 if small else 9)
            seconds = in_turns(sides, measure, rounds=rounds, calls=5 if small else 1)
            result[f"{threads} threads, {measure}"] = found = summary(seconds)
            faster = ", ".join(f"{each['median']:.1f} {key}" for key, each in found["times_faster"].items())
            print(f"{name}, {threads} threads: times faster {faster}", flush=True)
    return result


def agreement(folder: Path, atoms: int) -> dict:
    """Largest differences of the two sides in float64."""
    ours, theirs = (
        {key: np.load(folder / side / "float64" / f"{key}.npy") for key in ("energy", "forces")}
        for side in ("ours", "mace-torch")
    )
    energy = float(abs(ours["energy"] - theirs["energy"]).max()) / atoms
    force = float(abs(ours["forces"] - theirs["forces"]).max())
    largest = float(abs(theirs["forces"]).max())
    ok = energy <= ALLOWED and force <= ALLOWED
    return {"energy_eV_per_atom": energy, "force_eV_per_A": force, "largest_force_eV_per_A": largest, "ok": ok}


def in_turns(sides: dict[str, Worker], measure: str, *, rounds: int, calls: int) -> dict[str, list[float]]:
    """Seconds a call: theirs, ours, ours with a table, round after round."""
    passes = {"mace-torch": ("mace-torch", OURS[0]), **{each: ("ours", each) for each in OURS}}
    seconds: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(rounds):
        for name, (side, each) in passes.items():
            command = {"do": "time", "pass": each, "calls": calls, "warm": True}
            seconds[name].append(sides[side].ask(command)[measure])
    return seconds


def summary(seconds: dict[str, list[float]]) -> dict:
    """Medians in milliseconds, and how many times faster we are, with quartiles over the rounds."""
    medians = {name: 1e3 * float(np.median(each)) for name, each in seconds.items()}
    ratios = {
        name: asdict(quartiles([a / b for a, b in zip(seconds["mace-torch"], seconds[name], strict=True)]))
        for name in OURS
    }
    return {"milliseconds": medians, "times_faster": ratios}


if __name__ == "__main__":
    sys.exit(main())
