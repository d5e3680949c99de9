"""Training on all cores beside another busy program: how long threads should wait before they let go of a core.

python benchmarks/busy_machine.py --out benchmarks/results

The same step of training, in processes that differ in how their OpenMP threads wait: as the library does by default,
as the command `intertwine` does, and with one thread; on the machine as it is, and beside a program that keeps one core
busy. In turns, on a machine that does nothing else.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from intertwine.cli.waiting_threads import ASKED, SETTINGS
from intertwine.experiments.bench.result import machine_slug
from intertwine.experiments.machine import library_versions, this_machine

CORES = len(os.sched_getaffinity(0))
SIDES = {
    f"{CORES} threads, waiting as by default": {"OMP_NUM_THREADS": str(CORES)},
    f"{CORES} threads, waiting briefly": {"OMP_NUM_THREADS": str(CORES), "GOMP_SPINCOUNT": str(ASKED)},
    "1 thread": {"OMP_NUM_THREADS": "1"},
}
BUSY = "while True: pass"
STEP = """
import json, sys, time
from intertwine.experiments.bench.potential_rows import NEQUIP
from intertwine.experiments.bench.systems import CUTOFF, ELEMENTS, NEIGHBORS, system
from intertwine.potentials.models.saved import build_potential
graph = system({"molecules": 5})
choices = {**NEQUIP["hyperparameters"], "species": list(ELEMENTS), "cutoff": CUTOFF, "neighbors": NEIGHBORS}
potential = build_potential("nequip", choices, dict.fromkeys(ELEMENTS, 0.0), seed=0).train()
times = []
end = time.perf_counter() + float(sys.argv[1])
while len(times) < 4 or time.perf_counter() < end:
    begun = time.perf_counter()
    found = potential(graph)
    (found.energy.square().mean() + found.forces.square().mean()).backward()
    times.append(time.perf_counter() - begun)
print(json.dumps(times[1:]))
"""


def seconds(side: dict[str, str], limit: float) -> float:
    """The median step of one process."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS} | side
    done = subprocess.run([sys.executable, "-c", STEP, str(limit)], env=environment, capture_output=True, check=True)
    return median(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="that a process takes steps for")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    result = {
        "command": "python benchmarks/busy_machine.py " + f"--rounds {options.rounds} --seconds {options.seconds:g}",
        "machine": this_machine().__dict__, "versions": library_versions(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "milliseconds": {"quiet": {side: [] for side in SIDES}, "busy": {side: [] for side in SIDES}},
    }  # fmt: skip
    for _ in range(options.rounds):
        for name, sides in result["milliseconds"].items():
            other = subprocess.Popen([sys.executable, "-c", BUSY]) if name == "busy" else None
            try:
                for side, found in sides.items():
                    found.append(1000 * seconds(SIDES[side], options.seconds))
            finally:
                if other:
                    other.kill()
                    other.wait()
            time.sleep(0.2)
    for name, sides in result["milliseconds"].items():
        print(name, {side: round(median(found), 1) for side, found in sides.items()})
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"busy_machine-{machine_slug(result['machine'])}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
