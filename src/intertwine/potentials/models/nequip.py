"""A message-passing model of the NequIP kind: a convolution and a gate a layer; O(3) acts on `dim`."""

from collections.abc import Callable, Sequence
from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.nn.gate import Gate
from intertwine.nn.linear import Linear
from intertwine.nn.mlp import MLP
from intertwine.nn.tabulated_convolution import convolve_by_length
from intertwine.o3.irreps import Irreps
from intertwine.potentials.models.message_passing import Edges, MessagePassing, radial_network
from intertwine.potentials.models.products import EDGE_PRODUCTS, EdgeProductName, message_irreps, reached
from intertwine.tensor_products.convolution import Convolution


class NequIP(MessagePassing):
    r"""Message passing with gated pair messages; angles and higher body orders come from depth.

        h_0 = embedding[element],     h_t = layer_t(h_(t-1), edges)
        energy = readout(h_T)   -   the same for an atom of that element without neighbours

    An `EnergyModel`: give it to `Potential`. An isolated atom has no energy. Cheaper a layer than `MACE`, whose
    messages are products of several neighbours, and in need of more layers. With tensor_product="cp" all paths share
    one radial weight a channel, which is the drop-in of tensor decomposition networks.

    Args:
        species: atomic numbers the model knows.
        cutoff: Angstrom.
        hidden: irreps carried between layers, as far as a layer can reach them; the last layer keeps scalars only.
            Irreps of both parities, such as 0e+0o+1o+1e, make use of products with a bracket or all paths.
        edge_degree: largest degree of the harmonics of an edge.
        tensor_product: how a message is made of sender and edge, a name in `EDGE_PRODUCTS`.
        neighbors: average number of neighbours in the training set, the size of a sum of messages.

    Shapes: element `node` (indices into species), vectors `edge 3` in Angstrom, senders and receivers `edge`, result
    `node` in units of the potential's scale.

    Raises:
        IrrepsError: `hidden` does not begin with "0e".

    Example:
        >>> model = NequIP(species=(1, 8), cutoff=4.0, channels=8)
        >>> vectors = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
        >>> model(torch.tensor([0, 1]), vectors, torch.tensor([1, 0]), torch.tensor([0, 1])).shape
        torch.Size([2])

    Reference: Batzner et al., 2022, Nature Communications 13, 2453; with decomposed products: Lin et al., 2025, Tensor
    Decomposition Networks, section 3.
    """

    def __init__(
        self,
        *,
        species: Sequence[int],
        cutoff: float,
        channels: int = 64,
        hidden: str = "0e+1o",
        edge_degree: int = 2,
        layers: int = 3,
        tensor_product: EdgeProductName = "clebsch-gordan",
        radial_count: int = 8,
        radial_hidden: Sequence[int] = (64,),
        neighbors: float = 16.0,
    ):
        super().__init__(
            species=species, cutoff=cutoff, channels=channels, hidden=hidden, edge_degree=edge_degree, layers=layers
        )
        self.layers = nn.ModuleList()
        irreps = Irreps("0e")
        for layer in range(layers):
            wanted = Irreps(hidden) if layer + 1 < layers else Irreps("0e")
            found = wanted.filter(irreps + reached(tensor_product, irreps, self.filters))
            self.layers.append(
                GatedConvolution(
                    (irreps, self.filters, found),
                    channels=channels,
                    elements=len(self.species),
                    tensor_product=tensor_product,
                    radial=radial_network(cutoff, count=radial_count, hidden=radial_hidden, channels=channels),
                    neighbors=neighbors,
                )
            )
            irreps = found
        self.readout = MLP(channels, 16, 1)

    @property
    def last_weights(self) -> list[nn.Parameter]:
        """The weights that the energy is linear in."""
        return [self.readout.weights[-1]]

    def node_energies(
        self, h: Float[Tensor, "node 1 channel"], element: Int[Tensor, "node"], edges: Edges
    ) -> Float[Tensor, "node"]:
        """What is read after the last layer."""
        for layer in self.layers:
            h = layer(h, element, edges)
        return self.readout(h[:, 0]).squeeze(-1)


class GatedConvolution(nn.Module):
    r"""One layer: gather messages from neighbours, mix them with what was there, and gate.

        a_i  = sum over j of  product( mix(h_j), Y(r_ij), R(|r_ij|) ) / sqrt(neighbors)
        h_i' = gate( mix( a_i (+) skip[element_i] h_i ) )                               (+): one below the other

    Args:
        irreps: types of the incoming feature, of the filters, and of the outgoing feature.
        radial: makes the network R for a number of weight rows.

    Shapes: h `node dim_in channel`, result `node dim_out channel`.
    """

    def __init__(
        self,
        irreps: tuple[Irreps, Irreps, Irreps],
        *,
        channels: int,
        elements: int,
        tensor_product: EdgeProductName,
        radial: Callable[[int], nn.Module],
        neighbors: float,
    ):
        super().__init__()
        irreps_in, filters, irreps_out = irreps
        self.gate = Gate(irreps_out)
        messages = message_irreps(tensor_product, irreps_in, filters, kept=self.gate.irreps_in)
        product = EDGE_PRODUCTS[tensor_product](irreps_in, filters, messages, weights="external")
        self.neighbors = neighbors
        self.mix_senders = Linear(irreps_in, irreps_in, channels, channels)
        self.radial = radial(product.weight_count)
        self.convolution = Convolution(product)
        self.skip = nn.Parameter(torch.ones(elements, 1, channels))
        self.mix = Linear(messages + irreps_in, self.gate.irreps_in, channels, channels)

    def forward(
        self, h: Float[Tensor, "node dim_in channel"], element: Int[Tensor, "node"], edges: Edges
    ) -> Float[Tensor, "node dim_out channel"]:
        """Update the feature of every node."""
        a = convolve_by_length(self.convolution, self.radial, self.mix_senders(h), *edges) / sqrt(self.neighbors)
        stays = self.skip.index_select(0, element) * h
        return self.gate(self.mix(torch.cat([a, stays], dim=-2)))
