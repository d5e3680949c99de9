"""From energy to forces and stress; the only place that differentiates. E(3) acts on positions, the energy stays."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.potentials.graph import Graph, GraphError, Prediction
from intertwine.potentials.neighbors import edge_vectors
from intertwine.potentials.reference import composition_energy


class NonFiniteError(GraphError):
    """A potential that answered with NaN or infinity; never a number."""


@runtime_checkable
class EnergyModel(Protocol):
    """What `Potential` needs of a model: the energy per atom from species and edge vectors, and nothing else."""

    species: tuple[int, ...]
    cutoff: float

    def __call__(
        self,
        element: Int[Tensor, "node"],
        vectors: Float[Tensor, "edge 3"],
        senders: Int[Tensor, "edge"],
        receivers: Int[Tensor, "edge"],
    ) -> Float[Tensor, "node"]:
        """Energy of every atom in units of the potential's `scale`; `element` indexes `species`."""
        ...


class Potential(nn.Module):
    r"""An interatomic potential: total energy, forces and stress of a `Graph`.

        energy = sum over atoms ( reference[species] + shift + scale model(...) )     summed in float64
        forces = - d energy / d positions,      stress = d energy / d strain / volume

    The model sees positions only through the edge vectors, so one gradient g with respect to them gives both:
    an edge pulls its receiver by -g and its sender by +g, and adds vector x g to the virial. Translation invariance,
    zero net force and Newton's third law are exact by construction.

    Args:
        model: any `EnergyModel`.
        reference_energies: energy of an isolated atom of each species, eV.
        scale: unit of the model's energy, eV; the root mean square of the training forces is a good one.
        shift: constant added per atom, eV.

    Raises:
        GraphError: unknown species, missing edges, stress without a cell, or a non-finite result.

    Reference: virial from edge vectors: Thompson, Plimpton, Mattson, 2009, J. Chem. Phys. 131, 154107, equation (25).
    """

    def __init__(self, model: nn.Module, reference_energies: Mapping[int, float], *, scale: float = 1.0, shift: float = 0.0):
        super().__init__()
        assert isinstance(model, EnergyModel)
        missing = [number for number in model.species if number not in reference_energies]
        if missing:
            raise GraphError(f"Potential: no reference energy for atomic numbers {missing}; give one, 0.0 will do.")
        self.model = model
        self.species, self.cutoff = tuple(model.species), float(model.cutoff)
        self.scale, self.shift = float(scale), float(shift)
        self.reference_energies = {number: float(reference_energies[number]) for number in self.species}
        self.recipe: dict[str, Any] | None = None
        """How `build_potential` made this, for saving."""
        index = torch.full((max(self.species) + 1,), -1)
        index[list(self.species)] = torch.arange(len(self.species))
        self.register_buffer("species_index", index, persistent=False)

    def forward(self, graph: Graph, *, forces: bool = True, stress: bool = False) -> Prediction:
        """Evaluate; with gradients enabled the forces can be differentiated again, for training."""
        if graph.cutoff is None or graph.cutoff < self.cutoff:
            raise GraphError(
                f"Potential: the graph has edges within {graph.cutoff} A, the model needs {self.cutoff} A. "
                f"Call connect(graph, potential.cutoff) first."
            )
        element = self._elements(graph)
        training = torch.is_grad_enabled()
        with torch.enable_grad():
            vectors = edge_vectors(graph).detach().requires_grad_(forces or stress)
            node_energy = self.scale * self.model(element, vectors, graph.senders, graph.receivers)
            gradient = None
            if forces or stress:
                (gradient,) = torch.autograd.grad(
                    node_energy.sum(), vectors, create_graph=training, materialize_grads=True
                )
        atoms = torch.bincount(graph.structure, minlength=graph.graph_count)
        learned = torch.zeros(len(atoms), dtype=torch.float64, device=atoms.device)
        learned = learned.index_add(0, graph.structure, node_energy.double())
        references = composition_energy(graph.numbers, graph.structure, graph.graph_count, self.reference_energies)
        prediction = Prediction(
            references + self.shift * atoms + learned,
            node_energy,
            None if gradient is None or not forces else pair_forces(gradient, graph),
            None if gradient is None or not stress else virial_stress(gradient, vectors, graph),
        )
        return prediction if training else _checked(prediction, graph)

    def _elements(self, graph: Graph) -> Int[Tensor, "node"]:
        index = self.get_buffer("species_index")
        known = graph.numbers.clamp(max=len(index) - 1)
        element = torch.where(graph.numbers < len(index), index[known], -1)
        if (element < 0).any():
            strangers = sorted(set(graph.numbers[element < 0].tolist()))
            raise GraphError(
                f"Potential: atomic numbers {strangers} are unknown to this model, which knows {list(self.species)}. "
                f"Train with frames that hold them."
            )
        return element


def pair_forces(gradient: Float[Tensor, "edge 3"], graph: Graph) -> Float[Tensor, "node 3"]:
    """Forces from g = dE / d(edge vector): -g on the receiver, +g on the sender."""
    forces = torch.zeros_like(graph.positions, dtype=gradient.dtype)
    return forces.index_add(0, graph.senders, gradient).index_add(0, graph.receivers, -gradient)


def virial_stress(
    gradient: Float[Tensor, "edge 3"], vectors: Float[Tensor, "edge 3"], graph: Graph
) -> Float[Tensor, "graph 3 3"]:
    """Stress = sum over edges of vector x g / volume, made symmetric; vectors strain as vector -> (1 + strain) vector."""
    volume = torch.linalg.det(graph.cell).abs()
    if (volume == 0).any():
        structure = int((volume == 0).nonzero()[0, 0])
        raise GraphError(
            f"Potential: stress was asked for, but structure {structure} has no cell and so no volume. "
            f"Give it a cell, or ask for forces only."
        )
    outer = vectors.unsqueeze(-1) * gradient.unsqueeze(-2)
    virial = outer.new_zeros(graph.graph_count, 3, 3).index_add(0, graph.structure[graph.receivers], outer)
    return (virial + virial.transpose(1, 2)) / (2 * volume.to(virial.dtype)[:, None, None])


def _checked(prediction: Prediction, graph: Graph) -> Prediction:
    """The prediction cut from autograd; an error where a number is not finite."""
    energy, forces, stress = prediction.energy.detach(), prediction.forces, prediction.stress
    if not energy.isfinite().all():
        structure = int((~energy.isfinite()).nonzero()[0, 0])
        raise NonFiniteError(
            f"Potential: the energy of structure {structure} is {float(energy[structure])}. "
            f"Check the geometry for atoms that (nearly) coincide, or the model for a failed training run."
        )
    for name, values in (("force", forces), ("stress", stress)):
        if values is not None and not values.isfinite().all():
            row = int((~values.isfinite()).nonzero()[0, 0])
            where = f"atom {row}" if name == "force" else f"structure {row}"
            raise NonFiniteError(f"Potential: the {name} on {where} is not finite. Check the geometry and the model.")
    return Prediction(
        energy,
        prediction.node_energy.detach(),
        None if forces is None else forces.detach(),
        None if stress is None else stress.detach(),
    )
