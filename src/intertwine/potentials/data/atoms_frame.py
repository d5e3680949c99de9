"""ASE structures as frames, before their labels are understood: raw forces, nothing computed. No group acts."""

from functools import partial

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.constraints import FixAtoms

from intertwine.potentials.data.label_keys import Frame
from intertwine.potentials.structures.graph import GraphError, Source


def frame_of_atoms(atoms: Atoms, source: Source, *, labels: bool = True) -> Frame:
    """A frame with what `info`, `arrays` and the stored results of the calculator hold, where they belong to it.

    Constraints become the column `move_mask`, 0 for a fixed atom; forces stay those that were computed.

    Raises:
        GraphError: the calculator and `info` disagree.
    """
    info = dict(atoms.info) if labels else {}
    columns = {key: partial(np.asarray, array, dtype=float) for key, array in atoms.arrays.items()} if labels else {}
    calculator = atoms.calc
    if labels and isinstance(calculator, Calculator) and not calculator.check_state(atoms):
        for key in {"energy", "free_energy", "stress"} & set(calculator.results):
            if key in info and not np.array_equal(info[key], calculator.results[key]):
                raise GraphError(f"{source}: {key} is ambiguous, calculator and atoms.info differ; remove one.")
            info[key] = calculator.results[key]
        if "forces" in calculator.results:
            columns["forces"] = partial(np.asarray, calculator.results["forces"], dtype=float)
    fixed = [constraint.index for constraint in atoms.constraints if isinstance(constraint, FixAtoms)]
    if labels and fixed:
        mask = np.ones((len(atoms), 1))
        mask[np.concatenate(fixed)] = 0
        columns["move_mask"] = partial(np.asarray, mask)
    return Frame(source, atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, info, columns)
