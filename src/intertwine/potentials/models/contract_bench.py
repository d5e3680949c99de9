"""Structures to try a potential on, made to measure for its cutoff and elements; no group acts before a check."""

from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from jaxtyping import Float, Int
from torch import Tensor

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph, Prediction
from intertwine.potentials.structures.neighbors import connect

MOLECULES = ("molecule", "line")
CRYSTALS = ("crystal", "left-handed crystal", "slab")


@dataclass(frozen=True)
class Bench:
    """Float64 copies of a potential on the CPU, and structures in which its atoms have neighbours."""

    whole: Potential
    """As given."""
    potential: Potential
    """Without reference energies, beside which the rounding of large totals would hide small errors, and without a
    shift that lonely atoms have too."""
    structures: dict[str, Graph]
    """Without edges: `MOLECULES`, which have no cell, and `CRYSTALS`, which have a volume."""
    generator: torch.Generator

    @classmethod
    def around(cls, potential: Potential, generator: torch.Generator) -> "Bench":
        """Structures whose nearest neighbours are 0.3 to 0.45 cutoffs apart, with elements drawn at random."""
        rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
        species, cutoff = np.array(potential.species), potential.cutoff
        ethanol = molecule("CH3CH2OH")
        ethanol.positions *= 0.3 * cutoff / 0.97  # its O-H bond has 0.97 Angstrom
        line = Atoms("H4", [[0, 0.4 * cutoff * step, 0] for step in range(4)])  # along the pole of the harmonics
        crystal = bulk("NaCl", "rocksalt", a=0.9 * cutoff)
        crystal.set_cell(crystal.cell.array @ (np.eye(3) + 0.1 * np.triu(rng.uniform(-1, 1, (3, 3)), 1)), True)
        mirrored = crystal.copy()
        mirrored.set_cell(crystal.cell.array[[1, 0, 2]])
        slab = fcc111("Cu", size=(1, 2, 2), a=0.45 * cutoff * 2**0.5, vacuum=cutoff)
        made = dict(zip((*MOLECULES, *CRYSTALS), (ethanol, line, crystal, mirrored, slab), strict=True))
        for name, atoms in made.items():
            if name != "line":
                atoms.positions += 0.03 * cutoff * rng.uniform(-1, 1, atoms.positions.shape)
            atoms.numbers[:] = rng.permutation(np.resize(species, len(atoms)))
        structures = {name: from_atoms(atoms, keys=None) for name, atoms in made.items()}
        whole = deepcopy(potential).to("cpu", torch.float64).eval()
        bare = deepcopy(whole)
        bare.reference_energies = dict.fromkeys(whole.species, 0.0)
        bare.shift = 0.0 if whole.shift_alone else whole.shift
        return cls(whole, bare, structures, generator)

    def predict(self, *graphs: Graph, stress: bool = False) -> tuple[Graph, Prediction]:
        """Find neighbours, join, evaluate."""
        batch = self.joined(*graphs)
        with torch.no_grad():
            return batch, self.potential(batch, forces=True, stress=stress)

    def joined(self, *graphs: Graph) -> Graph:
        """A batch of connected graphs."""
        return collate([connect(graph, self.potential.cutoff) for graph in graphs])

    def atoms(self, positions: Float[Tensor, "node 3"], numbers: Int[Tensor, "node"] | None = None) -> Graph:
        """A molecule of given positions; elements in turn where none are given."""
        if numbers is None:
            numbers = torch.tensor(np.resize(self.potential.species, len(positions)))
        return from_atoms(Atoms(numbers.numpy(), positions.numpy()), keys=None)


def moved(graph: Graph, atom: int, step: Float[Tensor, "3"]) -> Graph:
    """One atom displaced."""
    positions = graph.positions.clone()
    positions[atom] += step
    return replace(graph, positions=positions)


def strained(graph: Graph, strain: Float[Tensor, "3 3"]) -> Graph:
    """Positions and cell under a symmetric strain: x -> (1 + strain) x."""
    change = torch.eye(3, dtype=torch.float64) + strain
    return replace(graph, positions=graph.positions @ change, cell=graph.cell @ change)


def repeated(graph: Graph, times: int) -> Graph:
    """A crystal as a supercell, copy after copy."""
    steps = torch.cartesian_prod(*[torch.arange(times, dtype=torch.float64)] * 3) @ graph.cell[0]
    positions = (steps[:, None] + graph.positions).reshape(-1, 3)
    count = len(steps)
    structure = torch.zeros(len(positions), dtype=torch.long)
    return replace(
        graph, positions=positions, numbers=graph.numbers.repeat(count), structure=structure, cell=graph.cell * times
    )
