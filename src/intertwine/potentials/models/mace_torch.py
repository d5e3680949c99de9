"""The architecture of mace-torch on the operations of this library, for models trained there; O(3) acts on `dim`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.nn.edge_harmonics import EdgeHarmonics
from intertwine.nn.linear import Linear
from intertwine.nn.mlp import MLP
from intertwine.nn.radial_table import RadialTable
from intertwine.nn.tabulated_convolution import convolve_tabulated
from intertwine.o3.irreps import Irreps
from intertwine.potentials.models.distance_transform import TRANSFORMS, TransformName
from intertwine.potentials.models.element_linear import ElementLinear
from intertwine.potentials.models.mace_torch_radial import BasisName, EdgeFeatures, FeatureNetwork, LengthNetwork
from intertwine.potentials.models.mace_torch_repulsion import mace_repulsion
from intertwine.potentials.models.products import coupled_by_path, message_irreps
from intertwine.tensor_products.cg_contraction import ClebschGordanContraction
from intertwine.tensor_products.convolution import Convolution

BlockName = Literal["residual", "agnostic", "density residual", "density agnostic"]


class Edges(NamedTuple):
    """What interactions need of the edges.

    seen: lengths as the transform leaves them, where radial tables are read. features: what radial networks read of
    them, where there are any.
    """

    senders: Tensor
    receivers: Tensor
    filters: Tensor
    seen: Tensor
    features: Tensor | None


class MACETorch(nn.Module):
    r"""A model of mace-torch, the same function of the atoms in other kernels; its weights come from a conversion.

        h_0 = embedding[element],     h_t = interaction_t(h_(t-1), edges),     energy = sum over t of readout_t(h_t)

    An `EnergyModel`: give it to `Potential`. It differs from `MACE` where mace-torch does: radial networks and skip
    connections, and **an isolated atom has an energy of its own**: what the readouts make of an atom without
    neighbours, on top of the reference energy. That is subtracted nowhere, so that totals are those of mace-torch.
    Where `transform` is given, radial weights depend on the pair of elements, and `tabulate` makes a table for each.

    Args:
        species: atomic numbers the model knows.
        cutoff: Angstrom.
        hidden: irreps after each layer.
        sent, messages: irreps of senders and of messages, of each layer.
        blocks: kinds of interaction. "residual": the incoming feature, mixed by element, is added to the product.
            "agnostic": messages are mixed by element. "density": messages are divided by 1 + a learned density instead
            of a number of neighbours, which is part of the weights.
        correlation: factors in the many-body product, of each layer.
        readouts: widths of the hidden layers of each readout, None where a layer has no readout.
        envelope: exponent of the polynomial envelope.
        pair_repulsion: constants of `mace_repulsion`, for a model on top of it.

    Shapes: element `node` (indices into species), vectors `edge 3` in Angstrom, senders and receivers `edge`, result
    `node` in units of the potential's scale.

    Example:
        >>> model = MACETorch(
        ...     species=(1, 8), cutoff=4.0, channels=8, edge_degree=2, hidden=["0e+1o", "0e"], sent=["0e", "0e+1o"],
        ...     messages=["0e+1o+2e"] * 2, blocks=["residual"] * 2, correlation=[3, 3], readouts=[[], [16]],
        ... )
        >>> vectors = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
        >>> model(torch.tensor([0, 1]), vectors, torch.tensor([1, 0]), torch.tensor([0, 1])).shape
        torch.Size([2])

    Reference: Batatia et al., 2022, arXiv:2206.07697; foundation models: Batatia et al., 2024, arXiv:2401.00096.
    """

    def __init__(
        self,
        *,
        species: Sequence[int],
        cutoff: float,
        channels: int,
        edge_degree: int,
        hidden: Sequence[str],
        sent: Sequence[str],
        messages: Sequence[str],
        blocks: Sequence[BlockName],
        correlation: Sequence[int],
        readouts: Sequence[Sequence[int] | None],
        basis: BasisName = "bessel",
        radial_count: int = 8,
        radial_hidden: Sequence[int] = (64, 64, 64),
        envelope: int = 6,
        transform: TransformName | None = None,
        pair_repulsion: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        self.species, self.cutoff = tuple(species), float(cutoff)
        self.features = EdgeFeatures(basis, cutoff, count=radial_count, p=envelope)
        self.transform = None if transform is None else TRANSFORMS[transform]([1.0] * len(self.species))

        def radial(rows: int, channels: int, hidden: Sequence[int] = radial_hidden) -> nn.Module:
            network = FeatureNetwork(radial_count, hidden=hidden, rows=rows, channels=channels)
            if transform is not None:
                return network
            return LengthNetwork(self.features, network)

        self.embedding = nn.Embedding(len(self.species), channels)
        self.harmonics = EdgeHarmonics(edge_degree)
        self.interactions = nn.ModuleList(
            TorchInteraction(
                (
                    Irreps(irreps_in),
                    Irreps(irreps_sent),
                    self.harmonics.irreps,
                    Irreps(irreps_message),
                    Irreps(irreps_out),
                ),
                channels=channels,
                elements=len(self.species),
                correlation=order,
                block=block,
                radial=radial,
            )
            for irreps_in, irreps_sent, irreps_message, irreps_out, order, block in zip(
                ["0e", *hidden[:-1]], sent, messages, hidden, correlation, blocks, strict=True
            )
        )
        self.readouts = nn.ModuleList(
            nn.Identity() if widths is None else MLP(channels, *widths, 1) for widths in readouts
        )
        self.repulsion = None if pair_repulsion is None else mace_repulsion(self.species, self.cutoff, **pair_repulsion)

    def forward(
        self,
        element: Int[Tensor, "node"],
        vectors: Float[Tensor, "edge 3"],
        senders: Int[Tensor, "edge"],
        receivers: Int[Tensor, "edge"],
    ) -> Float[Tensor, "node"]:
        """Energy of every atom."""
        lengths = vectors.norm(dim=-1)
        seen = lengths
        if self.transform is not None:
            seen = self.transform(lengths, element.index_select(0, senders), element.index_select(0, receivers))
        tabulated = all(isinstance(interaction.radial, RadialTable) for interaction in self.interactions)
        features = None if tabulated else self.features(lengths, seen)
        edges = Edges(senders, receivers, self.harmonics(vectors), seen, features)
        h = self.embedding(element).unsqueeze(1)
        energy = h.new_zeros(h.shape[0])
        if self.repulsion is not None:
            energy = self.repulsion(element, vectors, senders, receivers)
        for interaction, readout in zip(self.interactions, self.readouts, strict=True):
            h = interaction(h, element, edges)
            if not isinstance(readout, nn.Identity):
                energy = energy + readout(h[:, 0]).squeeze(-1)
        return energy


class TorchInteraction(nn.Module):
    r"""One layer: gather messages, multiply them with themselves, add what was there.

        A_i  = mix( sum over j of  product( mix(h_j), Y(r_ij), R(|r_ij|) ) )       1 / neighbors is in the weights
        A_i  = A_i / (1 + density_i)                                                blocks with "density"
        h_i' = mix( contraction(A_i) ) + skip(h_i, element_i)                        blocks with "residual"
        h_i' = mix( contraction( select(A_i, element_i) ) )                          the others

    Args:
        irreps: types of the incoming feature, of what is sent, of filters, of messages, and of the outgoing feature.
        radial: makes the network R for numbers of weight rows and channels.

    Shapes: h `node dim_in channel`, element `node`, result `node dim_out channel`.
    """

    def __init__(
        self,
        irreps: tuple[Irreps, Irreps, Irreps, Irreps, Irreps],
        *,
        channels: int,
        elements: int,
        correlation: int,
        block: BlockName,
        radial: Callable[..., nn.Module],
    ):
        super().__init__()
        irreps_in, sent, filters, messages, irreps_out = irreps
        paths = message_irreps("clebsch-gordan", sent, filters, kept=messages)
        product = coupled_by_path(sent, filters, paths, weights="external")
        self.filters = filters
        self.mix_senders = Linear(irreps_in, sent, channels, channels)
        self.radial = radial(product.weight_count, channels)
        self.convolution = Convolution(product)
        self.mix_messages = Linear(paths, messages, channels, channels)
        self.density = Density(radial(1, 1, ())) if "density" in block else None
        self.contraction = ClebschGordanContraction(
            messages, irreps_out, channels=channels, correlation=correlation, elements=elements
        )
        self.mix_out = Linear(irreps_out, irreps_out, channels, channels)
        kept = irreps_in.filter(irreps_out)
        self.residual, self.fresh = "residual" in block, irreps_out.dim - kept.dim
        self.by_element = ElementLinear(kept if self.residual else messages, channels=channels, elements=elements)

    def forward(
        self, h: Float[Tensor, "node dim_in channel"], element: Int[Tensor, "node"], edges: Edges
    ) -> Float[Tensor, "node dim_out channel"]:
        """Update the feature of every node."""
        a = self.mix_messages(self.gather(self.mix_senders(h), edges))
        if self.density is not None:
            a = a / (1 + self.density(edges, h.shape[0]))
        if not self.residual:
            return self.mix_out(self.contraction(self.by_element(a, element), element))
        skip = self.by_element(h[:, : self.contraction.irreps_out.dim], element)
        return self.mix_out(self.contraction(a, element)) + nn.functional.pad(skip, (0, 0, 0, self.fresh))

    def gather(self, sent: Float[Tensor, "node dim channel"], edges: Edges) -> Float[Tensor, "node paths channel"]:
        """The sum over neighbours."""
        senders, receivers, filters = edges.senders, edges.receivers, edges.filters
        if isinstance(self.radial, RadialTable):
            return convolve_tabulated(self.convolution, self.radial, sent, filters, edges.seen, senders, receivers)
        return self.convolution(sent, filters, radial_weights(self.radial, edges), senders, receivers)


class Density(nn.Module):
    r"""How many neighbours an atom has, in units that are learned.

        density_i = sum over edges to i of  tanh( f(edge)^2 )

    Args:
        radial: f, of one row and one channel.

    Shapes: result `node 1 1`.
    """

    def __init__(self, radial: nn.Module):
        super().__init__()
        self.radial = radial

    def forward(self, edges: Edges, nodes: int) -> Float[Tensor, "node 1 1"]:
        """Evaluate."""
        f = radial_weights(self.radial, edges)
        return f.new_zeros(nodes, 1, 1).index_add(0, edges.receivers, torch.tanh(f.square()))


def radial_weights(radial: nn.Module, edges: Edges) -> Float[Tensor, "edge rows channel"]:
    """Weights from the features that all layers share, or by length from a table."""
    if isinstance(radial, RadialTable) or edges.features is None:
        return radial(edges.seen)
    return (radial.of_features if isinstance(radial, LengthNetwork) else radial)(edges.features)
