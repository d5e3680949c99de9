"""From energy to forces and stress; the only place that differentiates. E(3) acts on positions, the energy stays."""

from collections.abc import Mapping
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.potentials.models.loneliness import Loneliness
from intertwine.potentials.structures.graph import Graph, GraphError, Prediction
from intertwine.potentials.structures.neighbors import edge_vectors
from intertwine.potentials.structures.pairs import Pairs, pairs_of
from intertwine.potentials.structures.reference import composition_energy
from intertwine.potentials.structures.soundness import check_species


class NonFiniteError(GraphError, ArithmeticError):
    """A potential that answered with NaN or infinity; never a number."""


@runtime_checkable
class EnergyModel(Protocol):
    """What `Potential` needs of a model: the energy per atom from species and edge vectors, and nothing else.

    Example:
        >>> from intertwine.potentials.models.mace import MACE
        >>> isinstance(MACE(species=(1, 8), cutoff=4.0, channels=8), EnergyModel)
        True
    """

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


@runtime_checkable
class PairedModel(EnergyModel, Protocol):
    """An `EnergyModel` that, told which edges are two directions of one pair, reads the length of one of them.

    It then answers the same; see `Pairs` for its slopes.
    """

    takes_pairs: bool
    """Whether it can make use of them."""

    def __call__(
        self,
        element: Int[Tensor, "node"],
        vectors: Float[Tensor, "edge 3"],
        senders: Int[Tensor, "edge"],
        receivers: Int[Tensor, "edge"],
        pairs: Pairs | None = None,
    ) -> Float[Tensor, "node"]:
        """As that of an `EnergyModel`."""
        ...


class Potential(nn.Module):
    r"""An interatomic potential: total energy, forces and stress of a `Graph`.

        energy = sum over atoms ( reference[species] + shift (1 - alone) + scale model(...) )     summed in float64
        forces = - d energy / d positions,      stress = d energy / d strain / volume

    The shift is what atoms gain in company on average; `Loneliness` takes it from those without: an isolated atom has
    its reference energy.

    The model sees positions only through the edge vectors, so one gradient g with respect to them gives both:
    an edge pulls its receiver by -g and its sender by +g, and adds vector x g to the virial. Translation invariance,
    zero net force and Newton's third law are exact by construction. Edge vectors are made in the dtype of the graph and
    cast to that of the model, so that a float32 model takes a float64 graph and loses no digits far from the origin.

    A new potential is in evaluation mode; `train()` is for loops that look for non-finite numbers themselves.

    Args:
        model: any `EnergyModel`.
        reference_energies: energy of an isolated atom of each species, eV.
        scale: unit of the model's energy, eV; the root mean square of the training forces is a good one.
        shift: added per atom with neighbours, eV.
        shift_alone: add the shift to isolated atoms too, as MACE does, and older files of this library.

    Raises:
        GraphError: no reference energy for a species; when called: unknown species, no edges, no cell for the stress.
        NonFiniteError: when called: a result that is not finite.

    Example:
        >>> from ase.build import molecule
        >>> from intertwine.potentials.models.mace import MACE
        >>> from intertwine.potentials.structures.neighbors import connect
        >>> from intertwine.potentials.data.readers import from_atoms
        >>> potential = Potential(MACE(species=(1, 8), cutoff=4.0, channels=8), {1: -13.6, 8: -2041.8})
        >>> water = connect(from_atoms(molecule("H2O")), potential.cutoff)
        >>> potential(water).forces.shape
        torch.Size([3, 3])

    Reference: virial from edge vectors: Thompson, Plimpton, Mattson, 2009, J. Chem. Phys. 131, 154107, equation (25).
    """

    def __init__(
        self,
        model: nn.Module,
        reference_energies: Mapping[int, float],
        *,
        scale: float = 1.0,
        shift: float = 0.0,
        shift_alone: bool = False,
    ):
        super().__init__()
        if not isinstance(model, EnergyModel):
            raise TypeError(
                f"Potential: a model needs `species` and `cutoff`, which {type(model).__name__} lacks. See EnergyModel."
            )
        missing = [number for number in model.species if number not in reference_energies]
        if missing:
            raise GraphError(f"Potential: no reference energy for atomic numbers {missing}; give one, 0.0 will do.")
        self.model = model
        self.species, self.cutoff = tuple(model.species), float(model.cutoff)
        self.scale, self.shift, self.shift_alone = float(scale), float(shift), shift_alone
        self.alone = Loneliness(self.cutoff)
        self.reference_energies = {number: float(reference_energies[number]) for number in self.species}
        self.recipe: dict[str, Any] | None = None
        """Kind and hyperparameters of a model that `build_potential` made, for saving."""
        index = torch.full((max(self.species) + 1,), -1)
        index[list(self.species)] = torch.arange(len(self.species))
        self.register_buffer("species_index", index, persistent=False)

        self.eval()

    @property
    def dtype(self) -> torch.dtype:
        """What the model computes in."""
        tensors = chain(self.parameters(), self.buffers())
        return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), torch.float64)

    def forward(self, graph: Graph, *, forces: bool = True, stress: bool = False) -> Prediction:
        """Evaluate; with gradients enabled the result can be differentiated by the parameters, for training."""
        if graph.cutoff is None or graph.cutoff < self.cutoff:
            raise GraphError(
                f"Potential: the graph has edges within {graph.cutoff} A, the model needs {self.cutoff} A. "
                f"Call connect(graph, potential.cutoff) first."
            )
        element = self._elements(graph)
        differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            vectors = edge_vectors(graph).detach().to(self.dtype).requires_grad_(forces or stress)
            pairs = pairs_of(graph) if takes_pairs(self.model) else None
            node_energy = self.atom_energies(element, vectors, graph.senders, graph.receivers, pairs)
            gradient = None
            if forces or stress:
                (gradient,) = torch.autograd.grad(
                    node_energy.sum(), vectors, create_graph=differentiable, materialize_grads=True
                )
        atoms = torch.bincount(graph.structure, minlength=graph.graph_count)
        learned = torch.zeros(len(atoms), dtype=torch.float64, device=atoms.device)
        learned = learned.index_add(0, graph.structure, node_energy)
        references = composition_energy(graph.numbers, graph.structure, graph.graph_count, self.reference_energies)
        prediction = Prediction(
            references + (self.shift * atoms.double() + learned),
            node_energy,
            None if gradient is None or not forces else pair_forces(gradient, graph),
            None if gradient is None or not stress else virial_stress(gradient, vectors, graph),
        )
        if not (self.training and differentiable):
            check_finite(prediction, graph)
        return prediction if differentiable else _detached(prediction)

    def atom_energies(
        self,
        element: Int[Tensor, "node"],
        vectors: Float[Tensor, "edge 3"],
        senders: Int[Tensor, "edge"],
        receivers: Int[Tensor, "edge"],
        pairs: Pairs | None = None,
    ) -> Float[Tensor, "node"]:
        """scale model(...) - shift alone: what comes on top of reference and shift of every atom, eV, float64."""
        given = () if pairs is None else (pairs,)
        energy = (self.scale * self.model(element, vectors, senders, receivers, *given)).double()
        if self.shift_alone or self.shift == 0:
            return energy
        return energy - self.shift * self.alone(vectors, receivers, element.shape[0]).double()

    def _elements(self, graph: Graph) -> Int[Tensor, "node"]:
        index = self.get_buffer("species_index")
        element = torch.where(graph.numbers < len(index), index[graph.numbers.clamp(0, len(index) - 1)], -1)
        if (element < 0).any():
            check_species(graph, self.species)
        return element


def takes_pairs(model: nn.Module) -> bool:
    """Whether a model has use for the pairs of a graph."""
    return isinstance(model, PairedModel) and model.takes_pairs


def pair_forces(gradient: Float[Tensor, "edge 3"], graph: Graph) -> Float[Tensor, "node 3"]:
    """Forces from g = dE / d(edge vector): -g on the receiver, +g on the sender."""
    forces = torch.zeros_like(graph.positions, dtype=gradient.dtype)
    return forces.index_add(0, graph.senders, gradient).index_add(0, graph.receivers, -gradient)


def virial_stress(
    gradient: Float[Tensor, "edge 3"], vectors: Float[Tensor, "edge 3"], graph: Graph
) -> Float[Tensor, "graph 3 3"]:
    """Stress = sum over edges of vector x g / volume, made symmetric; a strain takes vector to (1 + strain) vector."""
    volume = torch.linalg.det(graph.cell).abs()
    if (volume == 0).any():
        structure = int((volume == 0).nonzero()[0, 0])
        raise GraphError(
            f"{graph.place(structure)}: stress was asked for, but without a cell there is no volume; "
            f"give it a cell, or ask for forces only."
        )
    outer = vectors.unsqueeze(-1) * gradient.unsqueeze(-2)
    virial = outer.new_zeros(graph.graph_count, 3, 3).index_add(0, graph.structure[graph.receivers], outer)
    return (virial + virial.transpose(1, 2)) / (2 * volume.to(virial.dtype)[:, None, None])


def check_finite(prediction: Prediction, graph: Graph) -> None:
    """Refuse energies, forces and stresses that are not finite.

    Raises:
        NonFiniteError: naming the structure, or the atom.
    """
    for name, rows in (("energy", prediction.energy), ("force", prediction.forces), ("stress", prediction.stress)):
        if rows is None or rows.isfinite().all():
            continue
        row = int((~rows.isfinite()).nonzero()[0, 0])
        where = graph.place(int(graph.structure[row]), row) if name == "force" else graph.place(row)
        value = rows[row].detach()[~rows[row].isfinite()].flatten()[0]
        raise NonFiniteError(
            f"Potential: the {name} of {where} is {float(value)}. Check the geometry for atoms that nearly coincide, "
            f"and the model for a failed training run."
        )


def _detached(prediction: Prediction) -> Prediction:
    """The prediction cut from autograd."""
    forces, stress = prediction.forces, prediction.stress
    return Prediction(
        prediction.energy.detach(),
        prediction.node_energy.detach(),
        None if forces is None else forces.detach(),
        None if stress is None else stress.detach(),
    )
