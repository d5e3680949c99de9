"""Messages along edges whose radial weights come from a table, never stored; O(3) acts on `dim`."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.nn.radial_table import RadialTable
from intertwine.tensor_products.convolution import Convolution
from intertwine.tensor_products.kernels.convolve_radial import convolve_radial, takes


class TabulatedConvolution(nn.Module):
    r"""A convolution and the table of its radial network in one pass.

        z[i] = sum over edges e with receivers[e] = i of   product(x[senders[e]], filter[e], table(r[e]))

    In the compiled kernel the weights of an edge are looked up just before they are used, and again in the backward
    pass: neither they nor their gradients exist in memory. At inference this takes less time than the radial network
    alone. For other devices, and products that are not linear in their weights path by path, it does both in turns.

    Shapes: x `node dim1 channel`, filter `edge dim2 1`, r `edge` in Angstrom, senders and receivers `edge` (integers),
    result `node dim3 channel`.

    Example:
        >>> import torch
        >>> from intertwine.nn import BesselBasis, PolynomialCutoff, RadialMLP
        >>> from intertwine.tensor_products import ClebschGordan
        >>> product = ClebschGordan("0e+1o", "0e+1o", weights="external")
        >>> rows = product.weight_count
        >>> net = RadialMLP(BesselBasis(5.0), PolynomialCutoff(5.0), hidden=(16,), rows=rows, channels=8)
        >>> layer = TabulatedConvolution(Convolution(product), RadialTable.compile(net, tolerance=1e-4))
        >>> edges = torch.tensor([0, 1]), torch.tensor([1, 0])
        >>> layer(torch.randn(2, 4, 8), torch.randn(2, 4, 1), torch.tensor([1.0, 1.0]), *edges).shape
        torch.Size([2, 16, 8])
    """

    def __init__(self, convolution: Convolution, table: RadialTable):
        super().__init__()
        self.convolution, self.table = convolution, table

    def forward(
        self,
        x: Float[Tensor, "node dim1 channel"],
        filter: Float[Tensor, "edge dim2 1"],
        r: Float[Tensor, "edge"],
        senders: Int[Tensor, "edge"],
        receivers: Int[Tensor, "edge"],
    ) -> Float[Tensor, "node dim3 channel"]:
        """Pass one round of messages."""
        return convolve_tabulated(self.convolution, self.table, x, filter, r, senders, receivers)


def convolve_tabulated(
    layer: Convolution,
    table: RadialTable,
    x: Tensor,
    filter: Tensor,
    r: Tensor,
    senders: Tensor,
    receivers: Tensor,
) -> Tensor:
    """What `TabulatedConvolution` does, for models that keep layer and table apart."""
    y, weights = filter.squeeze(-1), table.tables.like(r, "weights")
    same_edges = r.shape[0] == senders.shape[0] == receivers.shape[0]
    if layer.fused and layer.rows[2] and same_edges and takes(x, y, r, weights, layer.rows):
        couplings = (layer.structure, layer.tables.like(x, "couplings"), layer.dim_out)
        return convolve_radial(x, y, r, weights, table.span, senders, receivers, *couplings)
    return layer(x, filter, table(r), senders, receivers)


def convolve_by_length(
    layer: Convolution,
    radial: nn.Module,
    x: Tensor,
    filter: Tensor,
    r: Tensor,
    senders: Tensor,
    receivers: Tensor,
    pair: Tensor | None = None,
) -> Tensor:
    """Messages whose weights are a function of the length of the edge: a network, or its table.

    With `pair` lengths r are those of pairs, of which edge e is `pair[e]`: the network is asked once for both edges.
    """
    if isinstance(radial, RadialTable):
        r = r if pair is None else r.index_select(0, pair)
        return convolve_tabulated(layer, radial, x, filter, r, senders, receivers)
    return layer(x, filter, radial(r), senders, receivers, pair)
