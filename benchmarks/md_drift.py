"""Does the energy of a long run drift? Prints JSON; fails where it drifts by more than --limit.

python benchmarks/md_drift.py [POTENTIAL] [--picoseconds 100] [--timestep 0.5] [--temperature 300] [--limit 0.01]
                              [--out FILE]

Velocity Verlet in float64 from the relaxed molecule of the shipped set. `drift` is the slope of the total energy in
meV/atom/ps, `fluctuation` its root mean square about that line in meV/atom. `negative_control` is the drift of a run a
tenth as long with forces that are no derivatives: those of the same potential cut to 0.01 eV/A; where that does not
drift, nothing has passed. Without POTENTIAL a small one is trained on the shipped frames first.
"""

import sys
import time

import numpy as np
from md_potential import molecules, options, show, small_potential

from intertwine.potentials.simulation import md
from intertwine.potentials.simulation.calculator import Calculator
from intertwine.potentials.simulation.relax import relax


class Rounded(Calculator):
    """A calculator whose forces are no derivative of its energy."""

    def compute(self, atoms, *, stress=False):
        results = super().compute(atoms, stress=stress)
        results["forces"] = np.trunc(results["forces"] * 100) / 100
        return results


def main() -> int:
    parser = options(__doc__)
    parser.add_argument("--picoseconds", type=float, default=100.0)
    parser.add_argument("--timestep", type=float, default=0.5)
    parser.add_argument("--temperature", type=float, default=300.0)
    parser.add_argument("--limit", type=float, default=0.01)
    chosen = parser.parse_args()
    potential, circumstances = small_potential(chosen)
    start = relax(potential, molecules("test_600K")[-1], fmax=0.01).atoms
    steps = round(1000 * chosen.picoseconds / chosen.timestep)
    choices = {"timestep": chosen.timestep, "temperature": chosen.temperature, "record_every": 10}
    wall, cpu = time.perf_counter(), time.process_time()
    run = md.simulate(potential, start, steps=steps, **choices)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    md.Calculator = Rounded
    control = md.simulate(potential, start, steps=max(steps // 10, 1), **choices)
    result = {
        **circumstances,
        "atoms": len(start),
        "picoseconds": steps * chosen.timestep / 1000,
        "timestep_fs": chosen.timestep,
        "dtype": str(potential.dtype).removeprefix("torch."),
        "drift_meV_per_atom_per_ps": run.drift,
        "fluctuation_meV_per_atom": run.fluctuation,
        "mean_temperature_K": float(run.trace.temperature.mean()),
        "negative_control_meV_per_atom_per_ps": control.drift,
        "wall_seconds": round(wall, 1),
        "cpu_ms_per_step": round(1e3 * cpu / steps, 3),
        "limit": chosen.limit,
        "passed": abs(run.drift) <= chosen.limit < abs(control.drift),
    }
    show(result, chosen.out)
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
