"""Training beside other busy programs: with which threads, and how long they should wait before they let go of a core.

python benchmarks/busy_machine.py --out benchmarks/results

The same step of training, in processes that differ in their threads: one for every core, as OpenMP of GNU has them wait
(asking again and again, for milliseconds) and with a short wait, and a single one; on the machine as it is, and beside
programs that keep a core each busy. In turns, on a machine that does nothing else.
"""

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from intertwine.experiments.bench.result import machine_slug
from intertwine.experiments.machine import library_versions, this_machine

SHORT = 1000
"""Times that a thread asks for work before it sleeps, in place of some hundred thousand."""
SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
CORES = len(os.sched_getaffinity(0))
SIDES = {
    f"{CORES} threads": {"OMP_NUM_THREADS": str(CORES)},
    f"{CORES} threads, GOMP_SPINCOUNT={SHORT}": {"OMP_NUM_THREADS": str(CORES), "GOMP_SPINCOUNT": str(SHORT)},
    "1 thread": {"OMP_NUM_THREADS": "1"},
}
PROGRAMS = (0, 1, 4)
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
        "milliseconds": {str(count): {side: [] for side in SIDES} for count in PROGRAMS},
    }  # fmt: skip
    for _ in range(options.rounds):
        for count, sides in result["milliseconds"].items():
            others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(int(count))]
            try:
                for side, found in sides.items():
                    found.append(1000 * seconds(SIDES[side], options.seconds))
            finally:
                for other in others:
                    other.kill()
                    other.wait()
    for count, sides in result["milliseconds"].items():
        print(count, {side: round(median(found), 1) for side, found in sides.items()})
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"busy_machine-{machine_slug(result['machine'])}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
