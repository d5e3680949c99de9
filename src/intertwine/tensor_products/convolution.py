"""Messages along edges: a tensor product of sender and filter, summed at the receiver; O(3) acts on `dim`."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.o3.constants import Constants
from intertwine.tensor_products.base import TensorProduct
from intertwine.tensor_products.filter_form import FilterForm
from intertwine.tensor_products.kernels.convolution_table import convolution_table
from intertwine.tensor_products.kernels.convolve import convolve, takes


class Convolution(nn.Module):
    r"""Sum over incoming edges of a tensor product with a filter.

        z[i] = sum over edges e with receivers[e] = i of   product(x[senders[e]], filter[e], weight[pair[e]])

    One call holds gather, product and scatter. Where the compiled kernel runs, messages are never stored: it visits
    the edges of a receiver one after the other and sums in their order, so that results are the same from run to run
    and for any number of threads. `readable` is the same in three steps, with the messages of all edges in memory.

    Args:
        product: any member of the family with weights="external" or "none".
        deterministic: on a GPU, True sorts the edges, once for each connectivity tensor, and sums in their order; False
            adds messages up as they arrive, so that results differ in the last digits from run to run, unless
            `torch.use_deterministic_algorithms` forbids it. The CPU always sums in order.

    Shapes: x `node dim1 channel`, filter `edge dim2 1`, weight `pair paths channel`, result `node dim3 channel`.
    Without `pair` every edge has weights of its own, in the order of the edges; at most two edges may be of one pair.

    Raises:
        ValueError: the product has weights of its own.

    Example:
        >>> import torch
        >>> from intertwine.o3 import Irreps
        >>> from intertwine.tensor_products import ClebschGordan
        >>> convolution = Convolution(ClebschGordan(Irreps("0e"), Irreps("0e+1o"), weights="external"))
        >>> senders, receivers = torch.tensor([0, 1]), torch.tensor([1, 0])
        >>> convolution(torch.randn(2, 1, 8), torch.randn(2, 4, 1), torch.randn(2, 2, 8), senders, receivers).shape
        torch.Size([2, 4, 8])

    Reference: Thomas et al., 2018, arXiv:1802.08219, section 3.2.
    """

    structure: Tensor

    def __init__(self, product: TensorProduct, *, deterministic: bool = True):
        super().__init__()
        self.deterministic = deterministic
        self.product = product.filter_form()
        self.dim_out = product.irreps_out.dim
        self.fused = False
        if isinstance(self.product, FilterForm):
            form, count = self.product, product.weight_count if self.product.weighted else 0
            self.rows = (product.irreps_in1.dim, product.irreps_in2.dim, count)
            # the kernel knows only weights that some coupling has
            self.fused = not count or {term.weight for term in form.couplings} == set(range(count))
            table = convolution_table(form.irreps, form.couplings, weighted=form.weighted)
            self.tables = Constants(couplings=table.coefficients)
            self.register_buffer("structure", table.structure, persistent=False)

    def forward(
        self,
        x: Float[Tensor, "node dim1 channel"],
        filter: Float[Tensor, "edge dim2 1"],
        weight: Float[Tensor, "pair paths channel"] | None,
        senders: Int[Tensor, "edge"],
        receivers: Int[Tensor, "edge"],
        pair: Int[Tensor, "edge"] | None = None,
    ) -> Float[Tensor, "node dim3 channel"]:
        """Pass one round of messages."""
        given = (x, filter, weight, senders, receivers, pair)
        if self.fused and takes(x, filter, weight) and self._fits(*given):
            table = (self.structure, self.tables.like(x, "couplings"), self.dim_out, self.deterministic)
            return convolve(x, filter.squeeze(-1), weight, senders, receivers, *table, pair)
        return self.readable(*given)

    def _fits(
        self,
        x: Tensor,
        filter: Tensor,
        weight: Tensor | None,
        senders: Tensor,
        receivers: Tensor,
        pair: Tensor | None,
    ) -> bool:
        """Whether all shapes are as declared: kernels trust them, `readable` says what is wrong with others."""
        dim1, dim2, count = self.rows
        edges = senders.shape[0]
        of_edge = weight if pair is None else pair
        came = (x.shape[1], filter.shape, None if weight is None else weight.shape[1:], receivers.shape[0])
        fits = came == (dim1, (edges, dim2, 1), (count, x.shape[2]) if count else None, edges)
        return fits and (of_edge is None or of_edge.shape[0] == edges)

    def readable(
        self,
        x: Tensor,
        filter: Tensor,
        weight: Tensor | None,
        senders: Tensor,
        receivers: Tensor,
        pair: Tensor | None = None,
    ) -> Tensor:
        """Gather, multiply, scatter."""
        weight = weight if weight is None or pair is None else weight.index_select(0, pair)
        messages = self.product(x.index_select(0, senders), filter, weight)
        return messages.new_zeros(x.shape[0], *messages.shape[1:]).index_add(0, receivers, messages)
