"""Atoms in motion: arrays that integrators change in place, and the forces on them; E(3) acts on all vectors."""

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms
from ase.stress import voigt_6_to_full_3x3_stress
from jaxtyping import Float

from intertwine.potentials.simulation.calculator import Calculator
from intertwine.potentials.structures.graph import GraphError

AT_REST = 1e-9
"""Momentum of the whole, relative to the sum of all lengths, below which the whole is at rest."""


class Particles:
    """Positions, momenta and cell of ASE atoms as arrays to change in place, and what a calculator makes of them.

        kinetic = sum p^2 / (2 m),      temperature = 2 kinetic / (degrees_of_freedom k_B)

    Atoms that `FixAtoms` holds have no momentum and feel no force.

    Args:
        stress: compute it at every update, for ensembles of constant pressure.

    Raises:
        GraphError: another constraint than `FixAtoms`.
    """

    def __init__(self, atoms: Atoms, calculator: Calculator, *, stress: bool = False):
        strange = [type(held).__name__ for held in atoms.constraints if not isinstance(held, FixAtoms)]
        if strange:
            raise GraphError(
                f"{atoms.symbols}: dynamics knows no constraint but FixAtoms, got {', '.join(strange)}; remove it, or "
                "run ASE's own integrators with Calculator."
            )
        self.atoms, self.calculator = atoms, calculator
        self.fixed = np.zeros(len(atoms), dtype=bool)
        for held in atoms.constraints:
            self.fixed[held.index] = True
        if not atoms.has("momenta"):
            atoms.set_momenta(np.zeros((len(atoms), 3)), apply_constraint=False)
        self.positions: Float[np.ndarray, "node 3"] = atoms.arrays["positions"]
        """Angstrom."""
        self.momenta: Float[np.ndarray, "node 3"] = atoms.arrays["momenta"]
        """ASE's unit, sqrt(eV u)."""
        self.cell: Float[np.ndarray, "3 3"] = atoms.cell.array
        """Lattice vectors as rows, Angstrom."""
        self.momenta[self.fixed] = 0.0
        self.masses = atoms.get_masses()[:, None]
        self.mobility = np.where(self.fixed[:, None], 0.0, 1.0 / self.masses)
        """1 / mass, 0 for an atom that is held."""
        self.degrees_of_freedom = 3 * int((~self.fixed).sum())
        self._stress_wanted = stress
        self.update()

    def update(self) -> None:
        """Energy, forces and stress where the atoms are now."""
        results = self.calculator.compute(self.atoms, stress=self._stress_wanted)
        self.energy: float = results["energy"]
        """eV."""
        self.forces: Float[np.ndarray, "node 3"] = results["forces"]
        """eV/Angstrom, those of held atoms 0."""
        self.results = dict(results)
        if self.fixed.any():
            self.forces = np.where(self.fixed[:, None], 0.0, self.forces)

    @property
    def pressure(self) -> float:
        """Of the forces alone, without the kinetic part, eV/Angstrom^3."""
        return -float(np.trace(voigt_6_to_full_3x3_stress(self.results["stress"]))) / 3

    @property
    def volume(self) -> float:
        """Angstrom^3."""
        return abs(float(np.linalg.det(self.cell)))

    @property
    def kinetic(self) -> float:
        """Kinetic energy, eV."""
        return 0.5 * float((self.momenta * self.momenta * self.mobility).sum())

    def count_conserved(self) -> int:
        """Degrees of freedom that rest for good: those of the whole, and in vacuum those of its turning."""
        if self.fixed.any():
            return 0
        lengths = np.linalg.norm(self.momenta, axis=1).sum()
        if np.linalg.norm(self.momenta.sum(axis=0)) > AT_REST * lengths:
            return 0
        if self.atoms.pbc.any():
            return 3
        arms = self.positions - np.average(self.positions, axis=0, weights=self.masses[:, 0])
        turning = np.linalg.norm(np.cross(arms, self.momenta).sum(axis=0))
        if turning > AT_REST * (np.linalg.norm(arms, axis=1).max(initial=0.0) * lengths):
            return 3
        return 3 + min(int(np.linalg.matrix_rank(arms, tol=1e-6)) + 1, 3) * (len(arms) > 1)

    def show(self) -> Atoms:
        """The atoms, with the results of the last update in their calculator."""
        self.calculator.atoms, self.calculator.results = self.atoms.copy(), dict(self.results)
        return self.atoms
