"""Accuracy for equal wall time: the same frames, the same seconds, the same cores; ours, MACE and NequIP in turn.

python benchmarks/accuracy/run.py ../shared/data 3bpa --minutes 30 --out benchmarks/results

Peers live in environments of their own: `make bench-peers`. Each side has the settings that its own manual recommends
and ends its schedule with the time. On a machine that does nothing else.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sets import KEYS, SETS, prepare

from intertwine.experiments.bench.result import machine_slug
from intertwine.experiments.machine import library_versions, this_machine

ROOT = Path(__file__).parents[2]
OURS, MACE, NEQUIP = "benchmarks/accuracy/ours.py", "benchmarks/peers/mace_fit.py", "benchmarks/peers/nequip_fit.py"
SIDES = {
    "intertwine gaunt": ("", OURS, {"variant": "gaunt"}),
    "intertwine clebsch-gordan": ("", OURS, {"variant": "clebsch-gordan"}),
    "intertwine bracket": ("", OURS, {"variant": "bracket"}),
    "mace": ("mace", MACE, {"hidden": "128x0e + 128x1o", "batch_size": 10, "float32": True}),
    "mace small": ("mace", MACE, {"hidden": "64x0e + 64x1o", "batch_size": 5, "float32": True}),
    "nequip": ("nequip", NEQUIP, {"degree": 1, "channels": 32}),
    "nequip l=2": ("nequip", NEQUIP, {"degree": 2, "channels": 32}),
}  # fmt: skip
"""Environment, script, choices. MACE: its README's model, and one of our size; NequIP: its tutorial's, and degree 2."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--sides", default="intertwine gaunt,intertwine clebsch-gordan,mace,mace small,nequip")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cutoff", type=float, default=5.0)
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "accuracy")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sides = [side.strip() for side in options.sides.split(",")]
    if unknown := [side for side in sides if side not in SIDES]:
        parser.error(f"there is no side {unknown[0]!r}; there are {', '.join(SIDES)}")
    work = (options.work / options.set).resolve()
    task = prepare(options.set, options.data.resolve(), work / "data")
    task |= {"seconds": 60 * options.minutes, "cutoff": options.cutoff}
    command = (
        f"python benchmarks/accuracy/run.py DATA {options.set} --minutes {options.minutes:g} --sides '{options.sides}' "
        f"--threads {options.threads}"
    )
    result = {
        "set": options.set, "minutes": options.minutes, "threads": options.threads, "frames": task["frames"],
        "machine": this_machine().__dict__, "versions": library_versions(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"), "sides": {},
    }  # fmt: skip
    path = None
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        name = f"accuracy-{options.set}-{options.minutes:g}min-{options.threads}threads"
        path = options.out / f"{name}-{machine_slug(result['machine'])}.json"
        if path.exists():  # sides measured before stay, each with its own command
            result["sides"] = json.loads(path.read_text())["sides"]
    for side in sides:
        result["sides"][side] = {"command": command, **run_side(side, task, work, options.threads)}
        print(side, json.dumps({k: v for k, v in result["sides"][side].items() if k != "settings"}), flush=True)
        if path:
            path.write_text(json.dumps(result, indent=1) + "\n")


def run_side(side: str, task: dict, work: Path, threads: int) -> dict:
    """Train and predict one side in a process of its own; its errors by the same lines for all."""
    environment, script, choices = SIDES[side]
    python = ROOT / ".peers" / environment / "bin" / "python" if environment else Path(sys.executable)
    if not python.exists():
        return {"failed": "not installed: make bench-peers"}
    out = work / side.replace(" ", "-").replace("=", "")
    shutil.rmtree(out, ignore_errors=True)  # a model that an earlier run left must not be taken for this one's
    out.mkdir(parents=True)
    (out / "task.json").write_text(json.dumps({**task, **choices, "out": str(out)}))
    begun = time.perf_counter()
    with (out / "output.txt").open("w") as log:
        done = subprocess.run(
            [str(python), str(ROOT / script), str(out / "task.json")], stdout=log, stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)}, cwd=out,
        )  # fmt: skip
    if done.returncode:
        last = (out / "output.txt").read_text().strip().splitlines()[-1:]
        return {"failed": f"exit code {done.returncode}: {' '.join(last)[:300]}"}
    answer = json.loads((out / "answer.json").read_text().replace(str(work), "FOLDER"))
    errors = {test: errors_of(path, out / f"{test}.npz") for test, path in task["tests"].items()}
    return {"errors": errors, "wall_with_predictions": time.perf_counter() - begun, **answer}


def errors_of(path: str, found: Path) -> dict[str, float]:
    """Root mean square errors, meV/atom and meV/A, and those of predicting the mean and zero."""
    import ase.io

    frames = ase.io.read(path, ":")
    predicted = np.load(found, allow_pickle=False)
    atoms = np.array([len(frame) for frame in frames])
    energy = np.array([frame.info[KEYS["energy"]] for frame in frames])
    forces = np.concatenate([frame.arrays[KEYS["forces"]] for frame in frames])

    def rms(values: np.ndarray) -> float:
        return float(1000 * np.sqrt(np.mean(values**2)))

    difference = (predicted["energy"] - energy) / atoms
    return {
        "energy_rmse": rms(difference),
        "energy_rmse_shifted": rms(difference - difference.mean()),
        "force_rmse": rms(predicted["forces"] - forces),
        "force_rms": rms(forces),
    }


if __name__ == "__main__":
    main()
