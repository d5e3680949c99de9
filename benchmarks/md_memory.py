"""Does memory grow with the steps of a long run? Prints JSON; fails where it grows by more than --limit kB/step.

python benchmarks/md_memory.py [POTENTIAL] [--steps 100000] [--limit 1.0] [--out FILE]

Resident memory is read a thousand times in a run at 300 K with a trajectory in HDF5 and states for restarts; `slope` is
that of a straight line by least squares after the first tenth, in kB/step. `negative_control` is the slope of a short
run that keeps 50 kB at every step on purpose; where that is not seen, nothing has passed. Without POTENTIAL a small one
is trained on the shipped frames first.
"""

import ctypes
import gc
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from md_potential import molecules, options, show, small_potential

from intertwine.potentials.models.potential import Potential
from intertwine.potentials.simulation.md import simulate
from intertwine.potentials.simulation.relax import relax

LEAK = 50_000
"""Bytes that the negative control keeps at every step."""


def resident() -> float:
    """kB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1000


def slope(potential: Potential, start, steps: int, *, leak: int = 0) -> tuple[float, list[float]]:
    """Growth of resident memory, kB/step, and what was read."""
    seen, leaked, every = [], [], max(steps // 1000, 1)

    def watch(text: str, done: int, total: int) -> None:
        if leak:
            leaked.append(b"x" * leak)
        if done % every == 0:
            seen.append((done, resident()))

    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free already would hide what is kept from now on
    with tempfile.TemporaryDirectory() as folder:
        simulate(
            potential, start, steps=steps, temperature=300.0, record_every=100, trajectory=f"{folder}/run.h5",
            restart=f"{folder}/state", restart_every=max(steps // 20, 1), progress=watch,
        )  # fmt: skip
    step, memory = np.array(seen[len(seen) // 10 :]).T
    return float(np.polyfit(step, memory, 1)[0]), [float(memory[0]), float(memory[-1])]


def main() -> int:
    parser = options(__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--limit", type=float, default=1.0)
    chosen = parser.parse_args()
    potential, circumstances = small_potential(chosen)
    start = relax(potential, molecules("test_600K")[-1], fmax=0.01).atoms
    wall = time.perf_counter()
    found, ends = slope(potential, start, chosen.steps)
    wall = time.perf_counter() - wall
    control, _ = slope(potential, start, min(chosen.steps, 1000), leak=LEAK)
    result = {
        **circumstances,
        "atoms": len(start),
        "steps": chosen.steps,
        "slope_kB_per_step": found,
        "resident_kB_after_warm_up_and_at_the_end": ends,
        "negative_control_kB_per_step": control,
        "wall_seconds": round(wall, 1),
        "limit": chosen.limit,
        "passed": found < chosen.limit and control > LEAK / 2000,
    }
    show(result, chosen.out)
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
