"""Messages along edges: a tensor product of sender and filter, summed at the receiver; O(3) acts on `dim`."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.tensor_products.base import TensorProduct


class Convolution(nn.Module):
    r"""Sum over incoming edges of a tensor product with a filter.

        z[i] = sum over edges e with receivers[e] = i of   product(x[senders[e]], filter[e], weight[e])

    This is the readable form: gather, multiply, scatter, with the messages of all edges in memory at once. One call
    holds all three steps so that a fused kernel can take its place.

    Args:
        product: any member of the family with weights="external" or "none".

    Shapes: x `node dim1 channel`, filter `edge dim2 1`, weight `edge paths channel`, result `node dim3 channel`.

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

    def __init__(self, product: TensorProduct):
        super().__init__()
        self.product = product.filter_form()

    def forward(
        self,
        x: Float[Tensor, "node dim1 channel"],
        filter: Float[Tensor, "edge dim2 1"],
        weight: Float[Tensor, "edge paths channel"] | None,
        senders: Int[Tensor, "edge"],
        receivers: Int[Tensor, "edge"],
    ) -> Float[Tensor, "node dim3 channel"]:
        """Pass one round of messages."""
        messages = self.product(x.index_select(0, senders), filter, weight)
        return messages.new_zeros(x.shape[0], *messages.shape[1:]).index_add(0, receivers, messages)
