"""What models that pass messages along edges begin and end with, written once; O(3) acts on `dim`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.nn.edge_harmonics import EdgeHarmonics
from intertwine.nn.radial import BesselBasis, PolynomialCutoff, RadialMLP
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.potentials.models.isolated import above_isolated, with_isolated
from intertwine.potentials.structures.pairs import Pairs


class Edges(NamedTuple):
    """What a layer is told about the edges, in the order in which `convolve_by_length` takes it."""

    filters: Float[Tensor, "edge dim 1"]
    """Harmonics of their directions."""
    lengths: Float[Tensor, "pair"]
    """Angstrom; of pairs, or of edges where nobody knows which ones are pairs."""
    senders: Int[Tensor, "edge"]
    receivers: Int[Tensor, "edge"]
    pair: Int[Tensor, "edge"] | None = None
    """The pair of every edge."""

    def by_edge(self, x: Float[Tensor, "pair *size"]) -> Float[Tensor, "edge *size"]:
        """What was computed of `lengths`, for every edge."""
        return x if self.pair is None else x.index_select(0, self.pair)


class MessagePassing(nn.Module, ABC):
    r"""An `EnergyModel` up to what makes it one kind or another: the layers between embedding and energy.

        energy = node_energies( embedding[element], edges )   -   the same without edges

    Args:
        species: atomic numbers the model knows.
        cutoff: Angstrom.
        hidden: irreps carried between layers, "0e" first.
        edge_degree: largest degree of the harmonics of an edge.

    Raises:
        IrrepsError: `hidden` does not begin with "0e".
        ValueError: no layer, no species, or one twice.

    Example:
        >>> from intertwine.potentials.models.nequip import NequIP
        >>> isinstance(NequIP(species=(1, 8), cutoff=4.0, channels=8), MessagePassing)
        True
    """

    takes_pairs: bool = True

    def __init__(
        self, *, species: Sequence[int], cutoff: float, channels: int, hidden: str, edge_degree: int, layers: int
    ):
        super().__init__()
        name = type(self).__name__
        if Irreps(hidden)[:1] != Irreps("0e"):
            raise IrrepsError(f"{name}: hidden is {hidden}, but energies are read from scalars: begin it with 0e.")
        if layers < 1 or len(set(species)) < len(species) or not species:
            raise ValueError(f"{name}: expected layers >= 1 and different species, came {layers} and {list(species)}.")
        self.species, self.cutoff = tuple(species), float(cutoff)
        self.embedding = nn.Embedding(len(self.species), channels)
        self.harmonics = EdgeHarmonics(edge_degree)
        self.filters = self.harmonics.irreps

    def forward(
        self,
        element: Int[Tensor, "node"],
        vectors: Float[Tensor, "edge 3"],
        senders: Int[Tensor, "edge"],
        receivers: Int[Tensor, "edge"],
        pairs: Pairs | None = None,
    ) -> Float[Tensor, "node"]:
        """Energy of every atom."""
        filters = self.harmonics(vectors)
        if pairs is None:
            edges = Edges(filters, vectors.norm(dim=-1), senders, receivers)
        else:
            lengths = vectors.index_select(0, pairs.first).norm(dim=-1)
            edges = Edges(filters, lengths, senders, receivers, pairs.of_edge)
        nodes = with_isolated(element, len(self.species))
        energy = self.node_energies(self.embedding(nodes).unsqueeze(1), nodes, edges)
        return above_isolated(energy, element, receivers)

    @abstractmethod
    def node_energies(
        self, h: Float[Tensor, "node 1 channel"], element: Int[Tensor, "node"], edges: Edges
    ) -> Float[Tensor, "node"]:
        """Energies of nodes from their embeddings; the last nodes, one an element, have no edges."""


def radial_network(cutoff: float, *, count: int, hidden: Sequence[int], channels: int) -> Callable[[int], RadialMLP]:
    """What makes the network from the length of an edge to so many rows of weights.

    Args:
        count: waves of the basis.
        hidden: widths of the network; without any it is a linear map of basis times envelope.

    Example:
        >>> radial_network(4.0, count=8, hidden=(64,), channels=16)(5).rows
        5
    """

    def make(rows: int) -> RadialMLP:
        basis, envelope = BesselBasis(cutoff, count=count), PolynomialCutoff(cutoff)
        return RadialMLP(basis, envelope, hidden=hidden, rows=rows, channels=channels)

    return make
