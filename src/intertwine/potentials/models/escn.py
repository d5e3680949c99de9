"""A message-passing model of the eSCN kind: messages made where the edge is the polar axis; O(3) acts on `dim`."""

from collections.abc import Callable, Sequence
from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.nn.feed_forward import FeedForward
from intertwine.nn.gate import Gate
from intertwine.nn.linear import Linear
from intertwine.nn.mlp import MLP
from intertwine.nn.norm import RMSNorm
from intertwine.o3.edge_frame import EdgeFrame
from intertwine.o3.irreps import Irreps
from intertwine.potentials.models.edge_embedding import EdgeEmbedding
from intertwine.potentials.models.message_passing import Edges, MessagePassing, radial_network
from intertwine.tensor_products.edge_frame.so2_linear import SO2Linear

SOFT = 1.0
"""Added to the mean square that a feature is divided by, so that small features stay small: see `TDN`."""
Frames = list[Tensor]
"""Wigner matrices of the edges by degree, `edge dim dim`."""


class ESCN(MessagePassing):
    r"""Message passing with high degrees: in the frame of an edge a product of degree L costs O(L^3), not O(L^6).

        h_0 = edge_embedding(embedding[element], edges)
        h_t = x + feed_forward(norm(x)),       x = h_(t-1) + messages_t(norm(h_(t-1)), edges)
        energy = readout(norm(h_T))   -   the same for an atom of that element without neighbours

    An `EnergyModel`: give it to `Potential`. An isolated atom has no energy. The frame of an edge is free to turn about
    it, and no frame is smooth for all edges; nothing here depends on that turn, so energies are smooth everywhere, at
    the poles of frames too, and at the cutoff to the third derivative. Gates take the place of the paper's functions at
    points of a sphere, which are equivariant only about as far as the points are many.

    Args:
        species: atomic numbers the model knows.
        cutoff: Angstrom.
        hidden: irreps of the features, "0e" first, each the parity of its harmonics (0e, 1o, 2e, ...); the last layer
            keeps scalars only. Degrees up to 6 are affordable.
        neighbors: average number of neighbours in the training set, the size of a sum of messages.

    Shapes: element `node` (indices into species), vectors `edge 3` in Angstrom, senders and receivers `edge`, result
    `node` in units of the potential's scale.

    Raises:
        IrrepsError: `hidden` does not begin with "0e", or holds what no harmonics are.

    Example:
        >>> model = ESCN(species=(1, 8), cutoff=4.0, channels=8)
        >>> vectors = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
        >>> model(torch.tensor([0, 1]), vectors, torch.tensor([1, 0]), torch.tensor([0, 1])).shape
        torch.Size([2])

    Reference: Passaro and Zitnick, 2023, arXiv:2302.03655; with gates: Liao et al., 2023, EquiformerV2, 2306.12059.
    """

    def __init__(
        self,
        *,
        species: Sequence[int],
        cutoff: float,
        channels: int = 64,
        hidden: str = "0e+1o+2e+3o",
        layers: int = 2,
        radial_count: int = 8,
        radial_hidden: Sequence[int] = (64,),
        neighbors: float = 16.0,
    ):
        irreps = Irreps(hidden)
        degree = max(1, irreps.lmax)  # harmonics of degree 1 are the directions
        super().__init__(
            species=species, cutoff=cutoff, channels=channels, hidden=hidden, edge_degree=degree, layers=layers
        )
        radial = radial_network(cutoff, count=radial_count, hidden=radial_hidden, channels=channels)
        self.edge_embedding = EdgeEmbedding(
            irreps,
            self.filters,
            channels=channels,
            tensor_product="clebsch-gordan",
            radial=radial,
            neighbors=neighbors,
        )
        self.frame = EdgeFrame(irreps.lmax)
        kept = [irreps] * (layers - 1) + [Irreps("0e")]
        self.layers = nn.ModuleList(
            EdgeFrameLayer(irreps, each, channels=channels, radial=radial, neighbors=neighbors) for each in kept
        )
        self.norm = RMSNorm("0e", channels, eps=SOFT)
        self.readout = MLP(channels, channels, 1)

    @property
    def last_weights(self) -> list[nn.Parameter]:
        """The weights that the energy is linear in."""
        return [self.readout.weights[-1]]

    def node_energies(
        self, h: Float[Tensor, "node 1 channel"], element: Int[Tensor, "node"], edges: Edges
    ) -> Float[Tensor, "node"]:
        """What is read after the last layer."""
        directions = edges.filters[:, 1:4, 0]
        frames = self.frame(directions)
        h = self.edge_embedding(h, edges)
        for layer in self.layers:
            h = layer(h, edges, directions, frames)
        return self.readout(self.norm(h)[:, 0]).squeeze(-1)


class EdgeFrameLayer(nn.Module):
    r"""Messages from the neighbours, and thought about them, both added to what was there.

        m_ij = D^T second( gate( first( R(|r_ij|) D ( to_senders(x_j) + to_receivers(x_i) ) ) ) )       x = norm(h)
        y_i = h_i + mix( sum over j of m_ij ) / sqrt(neighbors),       h_i' = y_i + feed_forward(norm(y_i))

    D takes features to the frame of the edge, where first and second are any linear maps that the edge allows
    (`SO2Linear`), and R scales every entry of a feature.

    Args:
        irreps_in, irreps_out: types of the feature; that of the result is the first rows of the incoming.
        radial: makes the network R for a number of weight rows.

    Shapes: h `node dim_in channel`, directions `edge 3`, frames by degree `edge dim dim`, result
    `node dim_out channel`.
    """

    def __init__(
        self,
        irreps_in: Irreps,
        irreps_out: Irreps,
        *,
        channels: int,
        radial: Callable[[int], nn.Module],
        neighbors: float,
    ):
        super().__init__()
        self.dim_out, self.neighbors = irreps_out.dim, neighbors
        self.norm, self.norm_after = (RMSNorm(each, channels, eps=SOFT) for each in (irreps_in, irreps_out))
        self.mix_senders, self.mix_receivers = (Linear(irreps_in, irreps_in, channels, channels) for _ in range(2))
        self.radial, self.gate = radial(len(irreps_in)), Gate(irreps_out)
        self.first = SO2Linear(irreps_in, self.gate.irreps_in, channels=channels)
        self.second = SO2Linear(irreps_out, irreps_out, channels=channels)
        rows = torch.tensor([2 * order + 1 for order in self.first.orders_in])
        self.register_buffer("entry_of_row", torch.arange(len(irreps_in)).repeat_interleave(rows), persistent=False)
        self.mix = Linear(irreps_out, irreps_out, channels, channels)
        self.feed_forward = FeedForward(irreps_out, irreps_out, channels)

    def forward(
        self,
        h: Float[Tensor, "node dim_in channel"],
        edges: Edges,
        directions: Float[Tensor, "edge 3"],
        frames: Frames,
    ) -> Float[Tensor, "node dim_out channel"]:
        """Update the feature of every node."""
        y = h[:, : self.dim_out] + self.mix(self.gather(self.norm(h), edges, directions, frames)) / sqrt(self.neighbors)
        return y + self.feed_forward(self.norm_after(y))

    def gather(self, x: Tensor, edges: Edges, directions: Tensor, frames: Frames) -> Tensor:
        """The sum of the messages that every node receives."""
        _, lengths, senders, receivers, _ = edges
        first, second = self.first, self.second
        ends = self.mix_senders(x).index_select(0, senders) + self.mix_receivers(x).index_select(0, receivers)
        radial = edges.by_edge(self.radial(lengths)).index_select(1, self.get_buffer("entry_of_row"))
        m = first.in_frame(radial * first.turn(frames, ends / sqrt(2)), first.pole(directions), first.weight)
        m = second.turn_back(frames, second.in_frame(self.gate(m), second.pole(directions), second.weight))
        return m.new_zeros(x.shape[0], *m.shape[1:]).index_add(0, receivers, m)
