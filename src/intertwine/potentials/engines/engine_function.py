"""A potential as one function of tensors, for programs that are not Python; E(3) acts on positions, cell and forces."""

from copy import deepcopy
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.potentials.models.potential import Potential, pair_forces
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import edge_vectors


class ExportError(ArithmeticError):
    """A potential that cannot be exported, or whose export disagrees with it; no file is left. One line."""


class EngineInputs(NamedTuple):
    """What an engine hands over: a batch of structures and their edges, as `Graph` describes them."""

    numbers: Int[Tensor, "node"]
    """Atomic numbers."""
    positions: Float[Tensor, "node 3"]
    """Angstrom, float64, as are cell and shifts."""
    cell: Float[Tensor, "graph 3 3"]
    """Lattice vectors as rows, Angstrom; zero without one."""
    senders: Int[Tensor, "edge"]
    receivers: Int[Tensor, "edge"]
    shifts: Float[Tensor, "edge 3"]
    """Whole lattice vectors: vector = positions[receivers] - positions[senders] + shifts @ cell."""
    structure: Int[Tensor, "node"]
    """Structure that an atom belongs to, ascending from 0."""


class EngineOutputs(NamedTuple):
    """What comes back, all of it float64."""

    energy: Float[Tensor, "graph"]
    """Total energy, eV; NaN for a structure with an element that the potential does not know."""
    node_energy: Float[Tensor, "node"]
    """Energy per atom without the reference energies and the shift, eV."""
    forces: Float[Tensor, "node 3"]
    """eV/A."""
    virial: Float[Tensor, "graph 3 3"]
    """dE/dstrain, symmetric, eV: the stress times the volume."""
    gradient: Float[Tensor, "edge 3"]
    """dE/d(vector) of every edge, eV/A: it pulls the receiver by its negative and the sender by itself."""


class EngineFunction(nn.Module):
    """`Potential.forward` without its questions, so that it can be traced: who calls it answers for the structure.

    vectors  = positions[receivers] - positions[senders] + shifts @ cell,      gradient = dE / d vectors
    energy   = sum of node_energy + reference[number] + shift
    forces   = sum of gradient over edges that leave, minus those that enter
    virial   = sum of vector x gradient

    Only within the cutoff may edges lie; longer ones do no harm, the model's envelope ends there.

    Example:
        >>> from intertwine.potentials.models.mace import MACE
        >>> potential = Potential(MACE(species=(1, 8), cutoff=4.0, channels=4), {1: -13.6, 8: -2041.8})
        >>> far = torch.zeros(1, 3, dtype=torch.float64), torch.zeros(1, 3, 3, dtype=torch.float64)
        >>> none = torch.zeros(0, dtype=torch.long)
        >>> inputs = EngineInputs(torch.tensor([8]), *far, none, none, far[0][:0], torch.tensor([0]))
        >>> EngineFunction(potential)(*inputs).energy
        tensor([-2041.8000], dtype=torch.float64)
    """

    def __init__(self, potential: Potential):
        super().__init__()
        self.potential, self.dtype = deepcopy(potential).requires_grad_(False), potential.dtype
        index = potential.get_buffer("species_index")
        values = [potential.reference_energies.get(number, torch.nan) + potential.shift for number in range(len(index))]
        self.register_buffer("index", index.clone())
        self.register_buffer("reference", torch.tensor(values, dtype=torch.float64, device=index.device))

    def forward(
        self,
        numbers: Int[Tensor, "node"],
        positions: Float[Tensor, "node 3"],
        cell: Float[Tensor, "graph 3 3"],
        senders: Int[Tensor, "edge"],
        receivers: Int[Tensor, "edge"],
        shifts: Float[Tensor, "edge 3"],
        structure: Int[Tensor, "node"],
    ) -> EngineOutputs:
        """Energies and their gradients."""
        pbc = torch.zeros_like(cell[:, 0], dtype=torch.bool)
        graph = Graph(positions, numbers, structure, cell, pbc, senders, receivers, shifts)
        index, reference = self.get_buffer("index"), self.get_buffer("reference")
        number = numbers.clamp(0, index.shape[0] - 1)
        known = (number == numbers) & (index[number] >= 0)
        with torch.enable_grad():
            vectors = edge_vectors(graph).detach().to(self.dtype).requires_grad_()
            node_energy = self.potential.atom_energies(index[number].clamp(min=0), vectors, senders, receivers)
            (gradient,) = torch.autograd.grad(node_energy.sum(), vectors)
        vectors, gradient = vectors.detach().double(), gradient.double()
        node_energy = torch.where(known, node_energy.detach(), torch.nan)
        zeros = reference.new_zeros(cell.shape[0])
        outer = vectors.unsqueeze(-1) * gradient.unsqueeze(-2)
        virial = zeros.new_zeros(cell.shape).index_add(0, structure[receivers], outer)
        return EngineOutputs(
            zeros.index_add(0, structure, node_energy + reference[number]),
            node_energy,
            pair_forces(gradient, graph),
            (virial + virial.transpose(1, 2)) / 2,
            gradient,
        )


def engine_inputs(graph: Graph) -> EngineInputs:
    """A connected graph as the function takes it."""
    graph = graph.to(dtype=torch.float64)
    return EngineInputs(
        graph.numbers, graph.positions, graph.cell, graph.senders, graph.receivers, graph.shifts, graph.structure
    )
