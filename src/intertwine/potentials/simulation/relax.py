"""Relaxation: downhill on the potential energy until no force is left; E(3) acts on positions and cell."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from ase import Atoms
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, FIRE, LBFGS
from jaxtyping import Float

from intertwine.potentials.judging.report import RelaxationPath
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.simulation.calculator import Calculator
from intertwine.potentials.simulation.cell_strain import CellFreedom
from intertwine.potentials.simulation.dispersion import with_dispersion
from intertwine.potentials.simulation.trajectory import bare, open_trajectory
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.training.run import NumericalError

OPTIMIZERS = {"bfgs": BFGS, "lbfgs": LBFGS, "fire": FIRE}
Progress = Callable[[str, int, int], None]
"""Called with a line of text, the steps done and the steps in all."""


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Where a relaxation ended, and the way there."""

    atoms: Atoms
    """The relaxed structure, with its calculator."""
    path: RelaxationPath
    """Energy and largest force at every step, the start included."""
    positions: Float[np.ndarray, "frame node 3"]
    """The structure at every step, Angstrom."""


def relax(
    potential: Potential,
    structure: Graph | Atoms,
    *,
    fmax: float = 0.01,
    steps: int = 500,
    optimizer: Literal["bfgs", "lbfgs", "fire"] = "bfgs",
    cell: CellFreedom = "none",
    pressure: float = 0.0,
    dispersion: str | None = None,
    trajectory: Path | str | None = None,
    progress: Progress | None = None,
) -> Relaxation:
    """Move the atoms downhill until every force is shorter than `fmax` (eV/A), or `steps` are done.

    The structure that was given is not changed. Constraints that ASE atoms carry are kept.

    Args:
        optimizer: "bfgs" learns the whole curvature and takes few steps, its memory and time grow fast with the atoms
            (some hundreds are fine); "lbfgs" learns the recent part of it and needs a start near the minimum; "fire" is
            slow and hard to upset.
        cell: what of the lattice relaxes too, see `cell_strain`. Its generalised forces, virial / number of atoms, then
            count for `fmax`.
        pressure: to relax the lattice under, eV/A^3 (1 GPa is 0.00624).
        dispersion: functional whose D3 is added to the potential, see `with_dispersion`.
        trajectory: an extended XYZ or HDF5 file (.h5) for every step, with energy, forces and stress.
        progress: called at every step.

    Raises:
        GraphError: the structure cannot be computed with, or a free cell is asked for without a periodic one.
        NumericalError: the relaxation ran into a geometry that cannot be computed with.

    Example:
        >>> found = relax(potential, atoms, fmax=0.01)  # doctest: +SKIP
        >>> found.path.converged, found.path.energy[-1], found.path.fmax[-1]  # doctest: +SKIP
    """
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"relax: optimizer must be one of {', '.join(OPTIMIZERS)}, got {optimizer!r}.")
    if not fmax > 0 or steps < 0:
        raise ValueError(f"relax: fmax must be positive and steps at least 0, got {fmax} and {steps}.")
    atoms = bare(structure)
    if cell not in get_args(CellFreedom):
        raise ValueError(f"relax: cell must be one of {', '.join(get_args(CellFreedom))}, got {cell!r}.")
    if cell != "none" and not atoms.pbc.all():
        raise GraphError(f"{atoms.symbols}: a free cell needs a structure that is periodic along all three directions.")
    calculator = Calculator(potential)
    atoms.calc = calculator if dispersion is None else with_dispersion(calculator, dispersion)
    atoms.get_potential_energy()  # a bad structure is an error of the input, whatever comes later is not
    if atoms.pbc.all():
        atoms.get_stress()
    target: Any = atoms
    if cell != "none":
        target = FrechetCellFilter(
            atoms,
            scalar_pressure=pressure,
            hydrostatic_strain=cell == "volume",
            constant_volume=cell == "shape",
        )
    energy, largest, positions = [], [], []
    search = OPTIMIZERS[optimizer](target, logfile=None)
    with open_trajectory(trajectory, frames=steps + 1) as file:
        try:
            for _ in search.irun(fmax=fmax, steps=steps):
                energy.append(float(target.get_potential_energy()))
                largest.append(float(np.linalg.norm(target.get_forces(), axis=1).max()))
                positions.append(atoms.positions.copy())
                file.write(atoms, {"step": len(energy) - 1})
                if progress:
                    progress(f"relax  energy {energy[-1]:.4f} eV  fmax {largest[-1]:.4f} eV/A", len(energy) - 1, steps)
        except GraphError as error:
            raise NumericalError(
                f"relaxation failed after step {len(energy) - 1}: {error} Start nearer to a minimum, or try FIRE."
            ) from error
    path = RelaxationPath(np.array(energy), np.array(largest), converged=largest[-1] < fmax)
    return Relaxation(atoms, path, np.stack(positions))
