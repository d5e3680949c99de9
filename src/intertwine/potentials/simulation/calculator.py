"""A potential as an ASE calculator: E(3) acts on positions and cell; neighbours are kept while atoms stay near."""

from dataclasses import replace
from threading import RLock
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.calculator import all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from torch import Tensor

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.uncertainty import Deviation, Estimator
from intertwine.potentials.structures.graph import Graph, GraphError, Prediction
from intertwine.potentials.structures.neighbors import connect, edge_vectors
from intertwine.potentials.structures.ordering import curve_order, reordered, restored
from intertwine.potentials.structures.soundness import CLOSEST, check_distances, check_species

MANY = 4096
"""Atoms from which on it matters where in memory neighbours lie; fewer fit the caches in any order."""


class Calculator(AseCalculator):
    r"""Energy, forces and stress of ASE `Atoms` from a `Potential`.

    Neighbours are searched to cutoff + skin and the list is kept until an atom has moved more than skin / 2 since, so
    that no pair within the cutoff can be missing:

        |r_ij(now)| >= |r_ij(then)| - |step_i| - |step_j| > cutoff    for pairs left out

    A strain F of the cell, h = h_then F, is followed too: with d = x - x_then F the displacement beyond it and s the
    smallest singular value of F, the list is complete while s (cutoff + skin) - 2 max |d| > cutoff.

    Many atoms are computed in the order of a curve through space (`curve_order`), whatever their order in `atoms`, and
    results are put back: the same up to the order of sums.

    Pairs beyond the cutoff are dropped at every call: with and without skin the potential sees the same edges. A change
    of elements or of periodicity, and an atom wrapped into the cell, give a new list.

    Properties: energy and free_energy (equal, eV), energies (eV, with the reference energies), forces (eV/A), and
    stress (eV/A^3, Voigt order xx yy zz yz xz xy) where the cell has a volume: once it has been asked for, it is
    computed at every call. Edge vectors are made in float64 whatever the potential computes in, so that float32 loses
    no digits far from the origin.

    Args:
        skin: Angstrom; 0 searches anew at every call.
        estimator: knows how sure the potential is, a `Committee` or a `LastLayer`: `results` then hold
            "energy_uncertainty" (eV), "energies_uncertainty" and, of a committee, "forces_uncertainty" (eV/A), one
            number an atom.

    Raises:
        GraphError: in one line, at any call: an element the potential does not know, a coordinate that is not finite,
            a flat cell, atoms on top of each other, a result that is not finite.

    Example:
        >>> atoms.calc = Calculator(load("runs/demo/potential"))  # doctest: +SKIP
        >>> atoms.get_potential_energy(), atoms.get_forces()  # doctest: +SKIP

    Reference: the list with a skin is from Verlet, 1967, Phys. Rev. 159, 98.
    """

    implemented_properties = ["energy", "free_energy", "energies", "forces", "stress"]  # noqa: RUF012  ASE's interface

    def __init__(self, potential: Potential, *, skin: float = 0.5, estimator: Estimator | None = None):
        super().__init__()
        if not 0 <= skin < float("inf"):
            raise ValueError(f"Calculator: skin must be a length of at least 0 Angstrom, got {skin}.")
        self.potential = potential
        self.skin = float(skin)
        self.estimator = estimator
        self.searches = 0
        """How often neighbours were searched."""
        tensors = [*potential.parameters(), *potential.buffers()]
        self._device = tensors[0].device if tensors else torch.device("cpu")
        self._stress_wanted = False
        references = [potential.reference_energies.get(number, 0.0) + potential.shift for number in range(119)]
        self._references = np.array(references)
        self._listed: Graph | None = None
        self._order: Tensor | None = None
        self._lock = RLock()

    def get_property(self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True) -> Any:
        """One property; threads that share a calculator wait for each other, as it keeps what it last computed."""
        with self._lock:
            return super().get_property(name, atoms, allow_calculation)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Fill `results`; ASE calls this when the atoms have changed."""
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None
        self._stress_wanted |= "stress" in (properties or ())
        self.results = self.compute(self.atoms, stress=bool(self._stress_wanted and self.atoms.cell.rank == 3))

    def compute(self, atoms: Atoms, *, stress: bool = False) -> dict[str, Any]:
        """The properties of atoms as they are now, without what ASE compares and copies around it: for loops."""
        with self._lock:
            graph, order = self._connected(atoms)
        if order is None:
            prediction, deviation = self._evaluate(graph, stress)
        else:
            try:
                found, unsure = self._evaluate(graph, stress)
                prediction, deviation = restored(found, order), None if unsure is None else restored(unsure, order)
            except GraphError:  # names an atom: by its place in `atoms`, please
                self._evaluate(reordered(graph, order.argsort()), stress)
                raise
        assert prediction.forces is not None
        energy = prediction.energy.item()
        results = {
            "energy": energy,
            "free_energy": energy,
            "energies": prediction.node_energy.double().cpu().numpy() + self._references[atoms.numbers],
            "forces": prediction.forces.double().cpu().numpy(),
        }
        if prediction.stress is not None:
            results["stress"] = full_3x3_to_voigt_6_stress(prediction.stress[0].double().cpu().numpy())
        return results if deviation is None else results | named_uncertainties(deviation)

    def _evaluate(self, graph: Graph, stress: bool) -> tuple[Prediction, Deviation | None]:
        with torch.no_grad():
            if self.estimator is None:
                return self.potential(graph, forces=True, stress=stress), None
            return self.estimator(graph, forces=True, stress=stress)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=RLock())

    def _connected(self, atoms: Atoms) -> tuple[Graph, Tensor | None]:
        """The atoms with the edges within the cutoff, from the kept list when that is complete, and their order."""
        if self._listed is None or not self._near(atoms):
            graph = from_atoms(atoms, keys=None)
            check_species(graph, self.potential.species)
            self._then = atoms.numbers.copy(), atoms.pbc.copy(), atoms.cell.array.copy(), atoms.positions.copy()
            self._listed, self._order = connect(graph, self.potential.cutoff + self.skin).to(self._device), None
            if len(atoms) >= MANY:
                order = curve_order(atoms.get_positions(wrap=True), side=self.potential.cutoff / 2)
                self._order = torch.from_numpy(order).to(self._device)
                self._listed = reordered(self._listed, self._order)
            self.searches += 1
        listed, order = self._listed, self._order
        positions = torch.tensor(atoms.positions, dtype=torch.float64, device=self._device)
        positions = positions if order is None else positions[order]
        cell = torch.tensor(atoms.cell.array, dtype=torch.float64, device=self._device).unsqueeze(0)
        graph = replace(listed, positions=positions, cell=cell)
        lengths = edge_vectors(graph).norm(dim=1)
        if len(lengths) and lengths.min() < CLOSEST:
            check_distances(from_atoms(atoms, keys=None))
        (near,) = (lengths < self.potential.cutoff).nonzero(as_tuple=True)
        graph = replace(
            graph,
            senders=graph.senders.index_select(0, near),
            receivers=graph.receivers.index_select(0, near),
            shifts=graph.shifts.index_select(0, near),
            cutoff=self.potential.cutoff,
        )
        return graph, order

    def _near(self, atoms: Atoms) -> bool:
        """Whether the list is complete for these atoms still."""
        numbers, pbc, cell, positions = self._then
        if self.skin == 0 or not np.array_equal(atoms.numbers, numbers) or not np.array_equal(atoms.pbc, pbc):
            return False
        room = self.skin
        if not np.array_equal(atoms.cell.array, cell):
            if atoms.cell.rank < 3 or not cell.any(axis=1).all() or not np.isfinite(atoms.cell.array).all():
                return False
            strain = np.linalg.solve(cell, atoms.cell.array)
            smallest = np.linalg.svd(strain, compute_uv=False)[-1]
            room = smallest * (self.potential.cutoff + self.skin) - self.potential.cutoff
            positions = positions @ strain
        moved = np.square(atoms.positions - positions).sum(axis=1).max()
        return bool(room > 0 and moved < (room / 2) ** 2)  # false for NaN, which the new search then names


def named_uncertainties(deviation: Deviation) -> dict[str, Any]:
    """Standard deviations by the names of the properties that they belong to."""
    found = {
        "energy_uncertainty": deviation.energy.item(),
        "energies_uncertainty": deviation.node_energy.double().cpu().numpy(),
    }
    if deviation.forces is not None:
        found["forces_uncertainty"] = deviation.forces.double().cpu().numpy()
    return found
