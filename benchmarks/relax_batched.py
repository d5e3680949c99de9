"""How much faster do many small structures relax in one graph than one by one? Prints JSON.

python benchmarks/relax_batched.py [POTENTIAL] [--structures 64] [--rounds 3] [--cell none|full] [--fmax 0.01]
                                   [--out FILE]

Rattled frames of the shipped molecule, with `--cell full` in a periodic box of their own. On one thread by CPU time. In
every round both sides relax the same structures: `relax` (ASE's BFGS) one after the other, and `relax_all`; `ratio` is
the first time over the second, median and quartiles over the rounds. `steps` are medians. Where both ended in the same
minimum, `energy_difference` is the largest difference, meV/atom; `elsewhere` counts those that differ by more than 1.
Without POTENTIAL a small one is trained on the shipped frames first.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch
from ase import Atoms
from md_potential import molecules, options, show, small_potential

from intertwine.experiments.timing import quartiles
from intertwine.potentials.simulation.batched_relax import relax_all
from intertwine.potentials.simulation.relax import relax


def starts(count: int, *, boxed: bool) -> list[Atoms]:
    rng, frames, found = np.random.default_rng(0), molecules(), []
    for index in range(count):
        atoms = frames[index * len(frames) // count].copy()
        atoms.positions += 0.05 * rng.standard_normal(atoms.positions.shape)
        if boxed:
            atoms.center(vacuum=1.5)
            atoms.pbc = True
        found.append(atoms)
    return found


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    found = run()
    return time.process_time() - begun, found


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--structures", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cell", choices=["none", "full"], default="none")
    parser.add_argument("--fmax", type=float, default=0.01)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    potential, circumstances = small_potential(chosen)
    structures = starts(chosen.structures, boxed=chosen.cell != "none")
    choices: dict[str, Any] = {"fmax": chosen.fmax, "cell": chosen.cell}
    ratios, seconds = [], []
    for _ in range(chosen.rounds):
        one, singly = timed(lambda: [relax(potential, atoms, **choices) for atoms in structures])
        all_, together = timed(lambda: relax_all(potential, structures, **choices))
        ratios.append(one / all_)
        seconds.append((one, all_))
    pairs = [
        1000 * (alone.path.energy[-1] - found.atoms.get_potential_energy()) / len(found.atoms)
        for alone, found in zip(singly, together)
        if alone.path.converged and found.converged
    ]
    same = [abs(difference) for difference in pairs if abs(difference) < 1]
    ratio = quartiles(ratios)
    result = {
        **circumstances,
        "clock": "process_time",
        "structures": chosen.structures,
        "atoms": len(structures[0]),
        **choices,
        "seconds": [[round(value, 2) for value in row] for row in seconds],
        "ratio": [round(value, 2) for value in (ratio.low, ratio.median, ratio.high)],
        "steps": {
            "one by one": median(len(alone.path.energy) - 1 for alone in singly),
            "together": median(found.steps for found in together),
        },
        "converged": {
            "one by one": sum(alone.path.converged for alone in singly),
            "together": sum(found.converged for found in together),
        },
        "energy_difference_meV_per_atom": max(same, default=None),
        "elsewhere": len(pairs) - len(same),
    }
    show(result, chosen.out)


if __name__ == "__main__":
    main()
