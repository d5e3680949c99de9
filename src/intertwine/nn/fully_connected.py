"""A product whose results are all mixed: O(3) acts on `dim`, the product works per channel, the mixing on `channel`."""

from jaxtyping import Float
from torch import Tensor, nn

from intertwine.nn.linear import Linear
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.base import TensorProduct


class FullyConnected(nn.Module):
    r"""Every path of a product and every channel into every channel of the result, with one weight each.

        z = linear( product(x, y) )

    e3nn's `FullyConnectedTensorProduct` ("uvw") in two steps; `nn.from_e3nn` copies its weights. What the product makes
    and `irreps_out` lacks is computed in vain: give the product only the paths that are needed.

    Args:
        product: any member of the family, best with weights="none", since the mixing has a weight for every path.
        irreps_out: type of the result.

    Shapes: x `*batch dim1 channel_in`, y `*batch dim2 channel_in` or `*batch dim2 1`, result `*batch dim3 channel_out`.

    Raises:
        IrrepsError: irreps_out holds an irrep that the product does not make.

    Example:
        >>> from intertwine.tensor_products import ClebschGordan
        >>> layer = FullyConnected(ClebschGordan("0e+1o", "0e+1o"), "0e+2x1o", 8, 16)
        >>> layer(torch.randn(5, 4, 8), torch.randn(5, 4, 1)).shape
        torch.Size([5, 7, 16])
    """

    def __init__(self, product: TensorProduct, irreps_out: Irreps | str, channels_in: int, channels_out: int):
        super().__init__()
        self.product = product
        self.linear = Linear(product.irreps_out, irreps_out, channels_in, channels_out)

    def forward(
        self, x: Float[Tensor, "*batch dim1 channel_in"], y: Float[Tensor, "*batch dim2 #channel_in"]
    ) -> Float[Tensor, "*batch dim3 channel_out"]:
        """Multiply, then mix."""
        return self.linear(self.product(x, y))
