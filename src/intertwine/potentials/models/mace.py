"""A many-body message-passing model of the MACE kind; O(3) acts on `dim`, and the products are the caller's choice."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.nn.linear import Linear
from intertwine.nn.mlp import MLP
from intertwine.nn.tabulated_convolution import convolve_by_length
from intertwine.o3.irreps import Irreps
from intertwine.potentials.models.message_passing import Edges, MessagePassing, radial_network
from intertwine.potentials.models.products import (
    CONTRACTIONS,
    EDGE_PRODUCTS,
    ContractionName,
    EdgeProductName,
    message_irreps,
)
from intertwine.tensor_products.convolution import Convolution


class MACE(MessagePassing):
    r"""Message passing with many-body messages: an `Interaction` a layer, a readout after each.

        h_0 = embedding[element],     h_t = interaction_t(h_(t-1), edges)
        energy = sum over t of readout_t(h_t)   -   the same for an atom of that element without neighbours

    An `EnergyModel`: give it to `Potential`. An isolated atom has no energy. The energy is smooth to the third
    derivative as neighbours cross the cutoff.

    Args:
        species: atomic numbers the model knows.
        cutoff: Angstrom.
        hidden: irreps carried between layers, "0e" first; the last layer keeps scalars only.
        edge_degree: largest degree of the harmonics of an edge, and of the messages.
        correlation: factors in the many-body product, the body order minus one.
        tensor_product: how a message is made of sender and edge, a name in `EDGE_PRODUCTS`. The first layer's senders
            are scalars, for which all products are the same map.
        contraction: how a message is multiplied with itself, a name in `CONTRACTIONS`.
        neighbors: average number of neighbours in the training set, the size of a sum of messages.

    Shapes: element `node` (indices into species), vectors `edge 3` in Angstrom, senders and receivers `edge`, result
    `node` in units of the potential's scale.

    Raises:
        IrrepsError: `hidden` does not begin with "0e", or a product does not reach all of it.

    Example:
        >>> model = MACE(species=(1, 8), cutoff=4.0, channels=8)
        >>> vectors = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
        >>> model(torch.tensor([0, 1]), vectors, torch.tensor([1, 0]), torch.tensor([0, 1])).shape
        torch.Size([2])

    Reference: Batatia et al., 2022, arXiv:2206.07697; with Gaunt products: Luo et al., 2024, arXiv:2401.10216.
    """

    def __init__(
        self,
        *,
        species: Sequence[int],
        cutoff: float,
        channels: int = 64,
        hidden: str = "0e+1o",
        edge_degree: int = 3,
        correlation: int = 3,
        layers: int = 2,
        tensor_product: EdgeProductName = "gaunt",
        contraction: ContractionName = "gaunt",
        radial_count: int = 8,
        radial_hidden: Sequence[int] = (64,),
        neighbors: float = 16.0,
    ):
        super().__init__(
            species=species, cutoff=cutoff, channels=channels, hidden=hidden, edge_degree=edge_degree, layers=layers
        )
        types = [Irreps("0e"), *[Irreps(hidden)] * (layers - 1), Irreps("0e")]
        self.interactions = nn.ModuleList(
            Interaction(
                (irreps_in, self.filters, irreps_out),
                channels=channels,
                elements=len(self.species),
                correlation=correlation,
                tensor_product=tensor_product if layer else "clebsch-gordan",
                contraction=contraction,
                radial=radial_network(cutoff, count=radial_count, hidden=radial_hidden, channels=channels),
                neighbors=neighbors,
            )
            for layer, (irreps_in, irreps_out) in enumerate(pairwise(types))
        )
        self.readouts = nn.ModuleList([*(MLP(channels, 1) for _ in range(layers - 1)), MLP(channels, 16, 1)])

    @property
    def last_weights(self) -> list[nn.Parameter]:
        """The weights that the energy is linear in."""
        return [readout.weights[-1] for readout in self.readouts if isinstance(readout, MLP)]

    def node_energies(
        self, h: Float[Tensor, "node 1 channel"], element: Int[Tensor, "node"], edges: Edges
    ) -> Float[Tensor, "node"]:
        """The sum of what is read after each layer."""
        energy = h.new_zeros(h.shape[0])
        for interaction, readout in zip(self.interactions, self.readouts, strict=True):
            h = interaction(h, element, edges)
            energy = energy + readout(h[:, 0]).squeeze(-1)
        return energy


class Interaction(nn.Module):
    r"""One layer: gather messages from neighbours, multiply them with themselves, add to what was there.

        A_i  = mix( sum over j of  product( mix(h_j), Y(r_ij), R(|r_ij|) ) ) / sqrt(neighbors)
        h_i' = mix( contraction(A_i) ) + skip[element_i] * mix(h_i)

    Args:
        irreps: types of the incoming feature, of the filters and messages, and of the outgoing feature.
        radial: makes the network R for a number of weight rows.

    Shapes: h `node dim_in channel`, result `node dim_out channel`.
    """

    def __init__(
        self,
        irreps: tuple[Irreps, Irreps, Irreps],
        *,
        channels: int,
        elements: int,
        correlation: int,
        tensor_product: EdgeProductName,
        contraction: ContractionName,
        radial: Callable[[int], nn.Module],
        neighbors: float,
    ):
        super().__init__()
        irreps_in, filters, irreps_out = irreps
        messages = message_irreps(tensor_product, irreps_in, filters, kept=filters)
        product = EDGE_PRODUCTS[tensor_product](irreps_in, filters, messages, weights="external")
        kept = irreps_in.filter(irreps_out)
        self.neighbors, self.fresh = neighbors, irreps_out.dim - kept.dim
        self.mix_senders = Linear(irreps_in, irreps_in, channels, channels)
        self.radial = radial(product.weight_count)
        self.convolution = Convolution(product)
        self.mix_messages = Linear(messages, filters, channels, channels)
        self.contraction = CONTRACTIONS[contraction](
            filters, irreps_out, channels=channels, correlation=correlation, elements=elements
        )
        self.mix_out = Linear(irreps_out, irreps_out, channels, channels)
        self.mix_skip = Linear(irreps_in, kept, channels, channels)
        self.skip = nn.Parameter(torch.ones(elements, 1, channels))

    def forward(
        self, h: Float[Tensor, "node dim_in channel"], element: Int[Tensor, "node"], edges: Edges
    ) -> Float[Tensor, "node dim_out channel"]:
        """Update the feature of every node."""
        a = convolve_by_length(self.convolution, self.radial, self.mix_senders(h), *edges)
        a = self.mix_messages(a) / sqrt(self.neighbors)
        skip = self.mix_skip(h) * self.skip.index_select(0, element)
        return self.mix_out(self.contraction(a, element)) + nn.functional.pad(skip, (0, 0, 0, self.fresh))
