"""A message-passing model of the Facet kind: linear radial weights, a network on the sphere; O(3) acts on `dim`."""

from collections.abc import Sequence
from itertools import pairwise, takewhile
from math import sqrt
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.nn.grid_layer import Pointwise
from intertwine.nn.grid_mlp import GridMLP
from intertwine.nn.linear import Linear
from intertwine.nn.mlp import MLP
from intertwine.nn.norm import RMSNorm
from intertwine.nn.quadratic import quadratic
from intertwine.nn.radial import BesselBasis, RadialMLP
from intertwine.nn.tabulated_convolution import convolve_by_length
from intertwine.nn.trainable_cutoff import TrainableCutoff
from intertwine.o3.grid import SphereGrid, smallest_grid
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.potentials.models.message_passing import Edges, MessagePassing
from intertwine.potentials.models.products import EDGE_PRODUCTS, EdgeProductName, message_irreps
from intertwine.tensor_products.base import check_choice
from intertwine.tensor_products.convolution import Convolution

ActivationName = Literal["quadratic", "silu"]
SOFTENING = 0.1
"""Added to the mean square by which an update is divided: an entry that symmetry makes small stays small."""


class Facet(MessagePassing):
    r"""Message passing with cheap radial weights and a network at the points of a sphere: a `GridUpdate` a layer.

        h_0 = embedding[element],     h_t = update_t(h_(t-1), edges)
        energy = scale[element] readout(h_T)   -   the same for an atom of that element without neighbours

    An `EnergyModel`: give it to `Potential`. An isolated atom has no energy. Every layer starts as the identity, so
    that a fresh model has no forces; a short training wants a learning rate several times that of `MACE`.

    Args:
        species: atomic numbers the model knows.
        cutoff: Angstrom.
        hidden: irreps carried between layers, "0e" first, each with the parity of its harmonics (0e, 1o, 2e, ...); the
            last layer keeps scalars only.
        edge_degree: largest degree of the harmonics of an edge.
        tensor_product: how a message is made of sender and edge, a name in `EDGE_PRODUCTS`.
        radial_count: waves of which the weights of an edge are sums.
        grid_hidden: width of the network at the points.
        activation: of that network. "quadratic", the first two terms of silu, makes polynomials, which the grid takes
            exactly; "silu" is that of the paper, equivariant to about 1e-5 of a feature and so no more for energies.
        neighbors: average number of neighbours in the training set, the size of a sum of messages.

    Shapes: element `node` (indices into species), vectors `edge 3` in Angstrom, senders and receivers `edge`, result
    `node` in units of the potential's scale.

    Raises:
        IrrepsError: `hidden` does not begin with "0e", holds another parity, or `channels` is odd.

    Example:
        >>> model = Facet(species=(1, 8), cutoff=4.0, channels=8)
        >>> vectors = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
        >>> model(torch.tensor([0, 1]), vectors, torch.tensor([1, 0]), torch.tensor([0, 1])).shape
        torch.Size([2])

    Reference: Miklaucic et al., 2025, arXiv:2509.08418, with the parities of O(3) and an exact activation added.
    """

    def __init__(
        self,
        *,
        species: Sequence[int],
        cutoff: float,
        channels: int = 64,
        hidden: str = "0e+1o+2e",
        edge_degree: int = 2,
        layers: int = 3,
        tensor_product: EdgeProductName = "clebsch-gordan",
        radial_count: int = 8,
        grid_hidden: int = 16,
        activation: ActivationName = "quadratic",
        neighbors: float = 16.0,
    ):
        super().__init__(
            species=species, cutoff=cutoff, channels=channels, hidden=hidden, edge_degree=edge_degree, layers=layers
        )
        check_choice("Facet", "activation", activation, list(ACTIVATIONS))
        carried = Irreps(hidden)
        if any(ir.p != (-1) ** ir.l for ir in carried):
            raise IrrepsError(
                f"Facet: hidden is {hidden}, but its layers read features as functions on the sphere, whose degree l "
                f"has parity (-1)^l: keep 0e, 1o, 2e, 3o and so on."
            )
        types = [Irreps("0e"), *[carried] * (layers - 1), Irreps("0e")]
        self.updates = nn.ModuleList(
            GridUpdate(
                (irreps_in, self.filters, carried, irreps_out),
                channels=channels,
                elements=len(self.species),
                tensor_product=tensor_product,
                basis=BesselBasis(cutoff, count=radial_count),
                grid_hidden=grid_hidden,
                activation=activation,
                neighbors=neighbors,
            )
            for irreps_in, irreps_out in pairwise(types)
        )
        self.readout = MLP(channels, 1)
        self.scale = nn.Parameter(torch.ones(len(self.species)))

    @property
    def last_weights(self) -> list[nn.Parameter]:
        """The weights that the energy is linear in."""
        return [self.readout.weights[-1]]

    def node_energies(
        self, h: Float[Tensor, "node 1 channel"], element: Int[Tensor, "node"], edges: Edges
    ) -> Float[Tensor, "node"]:
        """What is read after the last layer, in units of the element."""
        for update in self.updates:
            h = update(h, element, edges)
        return self.scale.index_select(0, element) * self.readout(h[:, 0]).squeeze(-1)


class GridUpdate(nn.Module):
    r"""One layer: gather messages from neighbours, mix everything point by point on a sphere, add a normalised part.

        a_i  = sum over j of  product( mix(h_j), Y(r_ij), R(|r_ij|) ) / sqrt(neighbors)     R: waves u W
        h_i' = h_i + gamma norm( grid_mlp( a_i (+) skip[element_i] h_i ) )                      (+): one below the other

    Entries of h_i that the result lacks are left out, and those that it has besides begin as zero. gamma is the weight
    of the norm, zero at the start.

    Args:
        irreps: types of the incoming feature, of the filters, of messages as far as they are made, and of the result.
        basis: waves of the length of an edge.

    Shapes: h `node dim_in channel`, result `node dim_out channel`.
    """

    def __init__(
        self,
        irreps: tuple[Irreps, Irreps, Irreps, Irreps],
        *,
        channels: int,
        elements: int,
        tensor_product: EdgeProductName,
        basis: BesselBasis,
        grid_hidden: int,
        activation: ActivationName,
        neighbors: float,
    ):
        super().__init__()
        irreps_in, filters, carried, irreps_out = irreps
        messages = message_irreps(tensor_product, irreps_in, filters, kept=carried)
        product = EDGE_PRODUCTS[tensor_product](irreps_in, filters, messages, weights="external")
        self.neighbors = neighbors
        self.mix_senders = Linear(irreps_in, irreps_in, channels, channels)
        envelope = TrainableCutoff(basis.cutoff)
        self.radial = RadialMLP(basis, envelope, hidden=(), rows=product.weight_count, channels=channels)
        self.convolution = Convolution(product)
        self.skip = nn.Parameter(torch.ones(elements, 1, channels))
        self.grid_mlp = GridMLP(
            messages + irreps_in,
            irreps_out,
            channels,
            channels,
            hidden=grid_hidden,
            activation=ACTIVATIONS[activation],
            grid=exact_grid(messages + irreps_in, irreps_out) if activation == "quadratic" else None,
        )
        self.norm = RMSNorm(irreps_out, channels, eps=SOFTENING)
        nn.init.zeros_(self.norm.weight)
        common = takewhile(lambda pair: pair[0] == pair[1], zip(irreps_in, irreps_out, strict=False))
        self.kept = sum(ir.dim for ir, _ in common)
        self.fresh = irreps_out.dim - self.kept

    def forward(
        self, h: Float[Tensor, "node dim_in channel"], element: Int[Tensor, "node"], edges: Edges
    ) -> Float[Tensor, "node dim_out channel"]:
        """Update the feature of every node."""
        sent = self.mix_senders(h / sqrt(self.neighbors))
        a = convolve_by_length(self.convolution, self.radial, sent, *edges)
        stays = self.skip.index_select(0, element) * h
        kept = nn.functional.pad(h[:, : self.kept], (0, 0, 0, self.fresh))
        return kept + self.norm(self.grid_mlp(torch.cat([a, stays], dim=1)))


ACTIVATIONS: dict[ActivationName, Pointwise] = {"quadratic": quadratic, "silu": nn.functional.silu}
"""Of each value at a point."""


def exact_grid(irreps_in: Irreps, irreps_out: Irreps) -> SphereGrid:
    """The smallest grid that resolves two quadratic layers, a polynomial of degree four in the feature.

    Example:
        >>> len(exact_grid(Irreps("0e+1o"), Irreps("0e+1o")))
        14
    """
    return smallest_grid(4 * irreps_in.lmax + irreps_out.lmax)
