"""A message-passing model of the TDN kind: attention whose paths share one weight; O(3) acts on `dim`."""

from collections.abc import Callable, Sequence
from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.nn.edge_softmax import edge_softmax
from intertwine.nn.feed_forward import FeedForward
from intertwine.nn.gate import Gate
from intertwine.nn.linear import SharedLinear
from intertwine.nn.mlp import MLP
from intertwine.nn.norm import RMSNorm
from intertwine.nn.radial import PolynomialCutoff
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.potentials.models.edge_embedding import EdgeEmbedding
from intertwine.potentials.models.message_passing import Edges, MessagePassing, radial_network
from intertwine.potentials.models.products import EDGE_PRODUCTS, EdgeProductName, message_irreps

SOFT = 1.0
"""Added to the mean square that a feature is divided by. Small features stay small: a neighbour that comes in at the
cutoff is not blown up to full size at once, and energies are smooth on the scale of the radial functions."""
SLOPE = 0.2
"""Of the logits' function for large negative numbers; 1 for positive ones."""


class TDN(MessagePassing):
    r"""A graph transformer with decomposed products, one weight for all their paths, one matrix for all irreps.

        h_0 = edge_embedding(embedding[element], edges),     h_t = layer_t(h_(t-1), edges)
        energy = readout(norm(h_T))   -   the same for an atom of that element without neighbours

    An `EnergyModel`: give it to `Potential`. An isolated atom has no energy. Equivariant under all of O(3), where the
    paper has rotations: irreps have the parity of harmonics. Products are exact by default, where those of the paper
    leave an error of 2 % and energies that turn with the frame. The energy is smooth to the third derivative at the
    cutoff: see `edge_softmax`.

    Args:
        species: atomic numbers the model knows.
        cutoff: Angstrom.
        hidden: irreps of the features, "0e" first, each the parity of its harmonics (0e, 1o, 2e, ...); the last layer
            keeps scalars only.
        edge_degree: largest degree of the harmonics of an edge, at least that of `hidden`.
        heads: of the attention; a divisor of `channels`.
        tensor_product: how a message is made of features and edge, a name in `EDGE_PRODUCTS`.
        neighbors: average number of neighbours in the training set, the size of the first sum of messages.

    Shapes: element `node` (indices into species), vectors `edge 3` in Angstrom, senders and receivers `edge`, result
    `node` in units of the potential's scale.

    Raises:
        IrrepsError: `hidden` does not begin with "0e", or holds what the harmonics of an edge lack; heads do not divide
            channels.

    Example:
        >>> model = TDN(species=(1, 8), cutoff=4.0, channels=8)
        >>> vectors = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
        >>> model(torch.tensor([0, 1]), vectors, torch.tensor([1, 0]), torch.tensor([0, 1])).shape
        torch.Size([2])

    Reference: Lin et al., 2025, Tensor Decomposition Networks for Fast Machine Learning Interatomic Potential
    Computations; the attention: Liao, Smidt, 2023, Equiformer, arXiv:2206.11990, section 4.
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
        heads: int = 4,
        tensor_product: EdgeProductName = "cp",
        radial_count: int = 8,
        radial_hidden: Sequence[int] = (64,),
        neighbors: float = 16.0,
    ):
        super().__init__(
            species=species, cutoff=cutoff, channels=channels, hidden=hidden, edge_degree=edge_degree, layers=layers
        )
        if heads < 1 or channels % heads:
            raise IrrepsError(f"TDN: expected heads that divide channels, came {heads} heads and {channels} channels.")
        irreps, radial = (
            Irreps(hidden),
            radial_network(cutoff, count=radial_count, hidden=radial_hidden, channels=channels),
        )
        choices = {"channels": channels, "tensor_product": tensor_product, "radial": radial}
        self.edge_embedding = EdgeEmbedding(irreps, self.filters, neighbors=neighbors, **choices)
        kept = [irreps] * (layers - 1) + [Irreps("0e")]
        self.layers = nn.ModuleList(
            AttentionLayer(
                EdgeAttention((irreps, self.filters, each), cutoff=cutoff, heads=heads, **choices),
                irreps,
                each,
                channels=channels,
            )
            for each in kept
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
        h = self.edge_embedding(h, edges)
        for layer in self.layers:
            h = layer(h, edges)
        return self.readout(self.norm(h)[:, 0]).squeeze(-1)


class AttentionLayer(nn.Module):
    r"""Attention to the neighbours, and thought about it, both added to what was there.

        x = h + attention(norm(h), edges),     h' = x + feed_forward(norm(x))

    Args:
        attention: between features of these types.
        irreps_in, irreps_out: types of the feature; that of the result is the first rows of the incoming.

    Shapes: h `node dim_in channel`, result `node dim_out channel`.
    """

    def __init__(self, attention: nn.Module, irreps_in: Irreps, irreps_out: Irreps, *, channels: int):
        super().__init__()
        self.dim_out = irreps_out.dim
        self.norm = RMSNorm(irreps_in, channels, eps=SOFT)
        self.attention = attention
        self.norm_after = RMSNorm(irreps_out, channels, eps=SOFT)
        self.feed_forward = FeedForward(irreps_out, irreps_out, channels, linear=SharedLinear)

    def forward(self, h: Float[Tensor, "node dim_in channel"], edges: Edges) -> Float[Tensor, "node dim_out channel"]:
        """Update the feature of every node."""
        x = h[:, : self.dim_out] + self.attention(self.norm(h), edges)
        return x + self.feed_forward(self.norm_after(x))


class EdgeAttention(nn.Module):
    r"""Messages that both ends of an edge have a say in, weighed against each other.

        m_ij = mix( product( to_senders(x_j) + to_receivers(x_i), Y(r_ij), R(|r_ij|) ) )
        alpha_ij = edge_softmax( query . smooth_leaky_relu( m_ij[first 0e] ) )                   for every head
        z_i = mix_out( sum over j of  alpha_ij product( gate(m_ij), Y(r_ij), R'(|r_ij|) ) )

    Args:
        irreps: types of the incoming feature, of the filters, and of the outgoing feature.
        radial: makes the networks R and R' together for a number of weight rows.

    Shapes: x `node dim_in channel`, result `node dim_out channel`.
    """

    def __init__(
        self,
        irreps: tuple[Irreps, Irreps, Irreps],
        *,
        channels: int,
        cutoff: float,
        heads: int,
        tensor_product: EdgeProductName,
        radial: Callable[[int], nn.Module],
    ):
        super().__init__()
        irreps_in, filters, irreps_out = irreps
        self.gate = Gate(irreps_in)
        made = message_irreps(tensor_product, irreps_in, filters, kept=irreps_in)
        sent = message_irreps(tensor_product, irreps_in, filters, kept=irreps_out)
        product = EDGE_PRODUCTS[tensor_product]
        meeting, sending = (product(irreps_in, filters, each, weights="external") for each in (made, sent))
        self.meeting, self.sending = meeting.filter_form(), sending.filter_form()
        self.rows = [meeting.weight_count, sending.weight_count]
        self.radial = radial(sum(self.rows))
        self.envelope = PolynomialCutoff(cutoff, order=4)
        self.query = nn.Parameter(torch.randn(heads, channels // heads))
        self.mix_senders = SharedLinear(irreps_in, irreps_in, channels, channels)
        self.mix_receivers = SharedLinear(irreps_in, irreps_in, channels, channels)
        self.mix = SharedLinear(made, Irreps("0e") + self.gate.irreps_in, channels, channels)
        self.mix_out = SharedLinear(sent, irreps_out, channels, channels)

    def forward(self, x: Float[Tensor, "node dim_in channel"], edges: Edges) -> Float[Tensor, "node dim_out channel"]:
        """Exchange messages once."""
        filters, lengths, senders, receivers, _ = edges
        radial, radial_sent = edges.by_edge(self.radial(lengths)).split(self.rows, dim=1)
        ends = self.mix_senders(x).index_select(0, senders) + self.mix_receivers(x).index_select(0, receivers)
        m = self.mix(self.meeting(ends / sqrt(2), filters, radial))
        logit = (smooth_leaky_relu(m[:, 0]).unflatten(-1, self.query.shape) * self.query).sum(-1)
        alpha = edge_softmax(
            logit / sqrt(self.query.shape[1]), edges.by_edge(self.envelope(lengths)), receivers, x.shape[0]
        )
        weight = radial_sent * alpha.repeat_interleave(self.query.shape[1], dim=1).unsqueeze(1)
        messages = self.sending(self.gate(m[:, 1:]), filters, weight)
        return self.mix_out(messages.new_zeros(x.shape[0], *messages.shape[1:]).index_add(0, receivers, messages))


def smooth_leaky_relu(x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """x for large x, `SLOPE` x for large negative x, smooth between.

    Example:
        >>> smooth_leaky_relu(torch.tensor([-100.0, 0.0, 100.0]))
        tensor([-20.,   0., 100.])

    Reference: Liao, Smidt, 2023, arXiv:2206.11990, appendix C.1.
    """
    return x * (SLOPE + (1 - SLOPE) * torch.sigmoid(x))
