"""The first features of atoms: their element, and where their neighbours are; O(3) acts on `dim`."""

from collections.abc import Callable
from math import sqrt

from jaxtyping import Float
from torch import Tensor, nn

from intertwine.nn.linear import Linear
from intertwine.nn.tabulated_convolution import convolve_by_length
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.potentials.models.message_passing import Edges
from intertwine.potentials.models.products import EDGE_PRODUCTS, EdgeProductName, message_irreps
from intertwine.tensor_products.convolution import Convolution


class EdgeEmbedding(nn.Module):
    r"""Features of every degree from the first moment on, for models whose layers add to what is there.

        h_i = e_i + mix( sum over j of  product( e_j, Y(r_ij), R(|r_ij|) ) ) / sqrt(neighbors)

    where e, the embedding of the element, has only a scalar row.

    Args:
        irreps: type of the features, a scalar first.
        filters: type of the harmonics.
        radial: makes the network R for a number of weight rows.

    Shapes: embedding `node 1 channel`, result `node dim channel`.

    Raises:
        IrrepsError: harmonics do not reach all of irreps.

    Reference: Liao, Smidt, 2023, arXiv:2206.11990, section 4.2 (edge-degree embedding).
    """

    def __init__(
        self,
        irreps: Irreps,
        filters: Irreps,
        *,
        channels: int,
        tensor_product: EdgeProductName,
        radial: Callable[[int], nn.Module],
        neighbors: float,
    ):
        super().__init__()
        missing = [str(ir) for ir in irreps if ir not in filters]
        if missing:
            raise IrrepsError(
                f"EdgeEmbedding: hidden holds {' and '.join(missing)}, which harmonics {filters} of edges do not make. "
                f"Drop it, or raise edge_degree if it has the parity of a harmonic (0e, 1o, 2e, 3o, ...)."
            )
        messages = message_irreps(tensor_product, Irreps("0e"), filters, kept=irreps)
        product = EDGE_PRODUCTS[tensor_product](Irreps("0e"), filters, messages, weights="external")
        self.dim, self.neighbors = irreps.dim, neighbors
        self.radial = radial(product.weight_count)
        self.convolution = Convolution(product)
        self.mix = Linear(messages, irreps, channels, channels)

    def forward(self, embedding: Float[Tensor, "node 1 channel"], edges: Edges) -> Float[Tensor, "node dim channel"]:
        """Look at the neighbours once."""
        seen = self.mix(convolve_by_length(self.convolution, self.radial, embedding, *edges)) / sqrt(self.neighbors)
        return seen + nn.functional.pad(embedding, (0, 0, 0, self.dim - 1))
