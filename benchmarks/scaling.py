"""How time and memory of energies and forces grow with the number of atoms: boxes of water up to 20 000 atoms.

python benchmarks/scaling.py --out benchmarks/results

The model of row D of `intertwine bench`, with random weights, its radial networks as tables, as `intertwine md` uses
them. Each box runs in a process of its own, so that memory is that box's; neighbours are searched once before.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from intertwine.experiments.bench.potential_rows import MACE
from intertwine.experiments.bench.result import machine_slug
from intertwine.experiments.bench.systems import CUTOFF, ELEMENTS, NEIGHBORS, system
from intertwine.experiments.machine import PeakMemory, library_versions, this_machine
from intertwine.potentials.models.saved import build_potential
from intertwine.potentials.models.tabulate import tabulate

SIDES = (4, 6, 8, 11, 15, 19)
"""Molecules along an edge of the box: 192 to 20 577 atoms."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sides", type=int, nargs="*", default=SIDES)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--box", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.box:
        print(json.dumps(measure(options.box, options.threads)))
        return
    rows = []
    for side in options.sides:
        command = [sys.executable, __file__, "--box", str(side), "--threads", str(options.threads)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        rows.append(json.loads(done.stdout))
        print(rows[-1], flush=True)
    atoms, seconds = (np.array([row[name] for row in rows]) for name in ("atoms", "seconds"))
    large = atoms >= 600
    slope = float(np.polyfit(np.log(atoms[large]), np.log(seconds[large]), 1)[0]) if large.sum() > 1 else None
    print(f"time grows as atoms to the power {slope}, from 600 atoms on")
    if options.out:
        machine = this_machine().__dict__
        result = {
            "command": f"python benchmarks/scaling.py --threads {options.threads}", "machine": machine,
            "versions": library_versions(), "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "threads": options.threads, "exponent": slope, "rows": rows,
        }  # fmt: skip
        path = options.out / f"scaling-{machine_slug(machine)}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")


def measure(side: int, threads: int) -> dict[str, float]:
    """Median of five calls after one, and the most memory the process held above what it held before the first."""
    torch.set_num_threads(threads)
    hyperparameters = {**MACE["hyperparameters"], "species": list(ELEMENTS), "cutoff": CUTOFF, "neighbors": NEIGHBORS}
    potential = tabulate(build_potential("mace", hyperparameters, dict.fromkeys(ELEMENTS, 0.0), seed=0))
    begun = time.perf_counter()
    graph = system({"water": side})
    searched = time.perf_counter() - begun
    graph = graph.to(dtype=torch.float32)
    memory = PeakMemory()
    times = []
    for _ in range(6):
        begun = time.perf_counter()
        with torch.no_grad():
            potential(graph)
        times.append(time.perf_counter() - begun)
    return {
        "atoms": graph.node_count, "edges": len(graph.senders), "seconds": float(np.median(times[1:])),
        "microseconds_an_atom": 1e6 * float(np.median(times[1:])) / graph.node_count, "search_seconds": searched,
        "extra_bytes": memory.above_start,
    }  # fmt: skip


if __name__ == "__main__":
    main()
