"""A potential as an ASE calculator: E(3) acts on positions and cell; neighbours are kept while atoms stay near."""

from dataclasses import replace

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.calculator import all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from intertwine.potentials.graph import Graph
from intertwine.potentials.neighbors import connect, edge_vectors
from intertwine.potentials.potential import Potential
from intertwine.potentials.readers import from_atoms
from intertwine.potentials.soundness import CLOSEST, check_distances, check_species


class Calculator(AseCalculator):
    r"""Energy, forces and stress of ASE `Atoms` from a `Potential`.

    Neighbours are searched to cutoff + skin and the list is kept until an atom has moved more than skin / 2 since, so
    that no pair within the cutoff can be missing:

        |r_ij(now)| >= |r_ij(then)| - |step_i| - |step_j| > cutoff    for pairs left out

    Pairs beyond the cutoff are dropped at every call: with and without skin the potential sees the same edges. A change
    of cell, of elements or of periodicity, and an atom wrapped into the cell, give a new list.

    Properties: energy and free_energy (equal, eV), energies (eV, with the reference energies), forces (eV/A), and
    stress (eV/A^3, Voigt order xx yy zz yz xz xy) where the cell has a volume. Computed in the dtype and on the device
    of the potential, relative to the centre of the atoms, so that float32 loses no digits far from the origin.

    Args:
        skin: Angstrom; 0 searches anew at every call.

    Raises:
        GraphError: in one line, at any call: an element the potential does not know, a coordinate that is not finite,
            a flat cell, atoms on top of each other, a result that is not finite.

    Example:
        >>> atoms.calc = Calculator(load("runs/demo/potential"))  # doctest: +SKIP
        >>> atoms.get_potential_energy(), atoms.get_forces()  # doctest: +SKIP

    Reference: the list with a skin is from Verlet, 1967, Phys. Rev. 159, 98.
    """

    implemented_properties = ["energy", "free_energy", "energies", "forces", "stress"]  # noqa: RUF012  ASE's interface

    def __init__(self, potential: Potential, *, skin: float = 0.5):
        super().__init__()
        if not 0 <= skin < float("inf"):
            raise ValueError(f"Calculator: skin must be a length of at least 0 Angstrom, got {skin}.")
        self.potential = potential
        self.skin = float(skin)
        self.searches = 0
        """How often neighbours were searched."""
        tensors = [tensor for tensor in [*potential.parameters(), *potential.buffers()] if tensor.is_floating_point()]
        self._dtype = tensors[0].dtype if tensors else torch.float64
        self._device = tensors[0].device if tensors else torch.device("cpu")
        references = [potential.reference_energies.get(number, 0.0) + potential.shift for number in range(119)]
        self._references = np.array(references)
        self._listed: Graph | None = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Fill `results` with every property; ASE calls this when the atoms have changed."""
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None
        graph = self._connected(self.atoms)
        with torch.no_grad():
            prediction = self.potential(self._computed(graph), forces=True, stress=bool(graph.cell.det() != 0))
        assert prediction.forces is not None
        energy = prediction.energy.item()
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "energies": prediction.node_energy.double().cpu().numpy() + self._references[self.atoms.numbers],
            "forces": prediction.forces.double().cpu().numpy(),
        }
        if prediction.stress is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(prediction.stress[0].double().cpu().numpy())

    def _connected(self, atoms: Atoms) -> Graph:
        """The atoms with the edges within the cutoff, from the kept list when that is complete."""
        if self._listed is None or not self._near(atoms):
            graph = from_atoms(atoms, keys=None)
            check_species(graph, self.potential.species)
            self._listed = connect(graph, self.potential.cutoff + self.skin)
            self._cell, self._pbc = atoms.cell.array.copy(), atoms.pbc.copy()
            self.searches += 1
        graph = replace(self._listed, positions=torch.tensor(atoms.positions, dtype=torch.float64))
        lengths = edge_vectors(graph).norm(dim=1)
        if len(lengths) and lengths.min() < CLOSEST:
            check_distances(graph)
        near = lengths < self.potential.cutoff
        return replace(
            graph,
            senders=graph.senders[near],
            receivers=graph.receivers[near],
            shifts=graph.shifts[near],
            cutoff=self.potential.cutoff,
        )

    def _near(self, atoms: Atoms) -> bool:
        """Whether the atoms are those of the list, and each nearer than skin / 2 to its place there."""
        listed = self._listed
        assert listed is not None
        if (
            self.skin == 0
            or not np.array_equal(atoms.numbers, listed.numbers.numpy())
            or not np.array_equal(atoms.cell.array, self._cell)
            or not np.array_equal(atoms.pbc, self._pbc)
        ):
            return False
        moved = np.square(atoms.positions - listed.positions.numpy()).sum(axis=1)
        return bool((moved < (self.skin / 2) ** 2).all())  # false for NaN, which the new search then names

    def _computed(self, graph: Graph) -> Graph:
        """The graph in the potential's dtype and place, about its centre."""
        centred = replace(graph, positions=graph.positions - graph.positions.mean(dim=0))
        return centred.to(self._device, self._dtype)
