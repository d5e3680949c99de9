"""Two mixings of channels with a gate between them, node by node; O(3) acts on `dim`."""

from jaxtyping import Float
from torch import Tensor, nn

from intertwine.nn.gate import Gate
from intertwine.nn.linear import Linear, SharedLinear
from intertwine.o3.irreps import Irreps


class FeedForward(nn.Module):
    r"""What follows the exchange of messages in a transformer: every node thinks for itself.

        z = mix_out( gate( mix_in(x) ) )

    Args:
        linear: the kind of both mixings.

    Shapes: x `*batch dim_in channel`, result `*batch dim_out channel`.

    Raises:
        IrrepsError: irreps_out is empty, or holds an irrep that irreps_in lacks.

    Example:
        >>> import torch
        >>> FeedForward("0e+1o", "0e", 8, linear=SharedLinear)(torch.randn(5, 4, 8)).shape
        torch.Size([5, 1, 8])

    Reference: Liao, Smidt, 2023, arXiv:2206.11990, section 4.3.
    """

    def __init__(
        self,
        irreps_in: Irreps | str,
        irreps_out: Irreps | str,
        channels: int,
        *,
        linear: type[Linear] | type[SharedLinear] = Linear,
    ):
        super().__init__()
        self.gate = Gate(irreps_out)
        self.mix_in = linear(irreps_in, self.gate.irreps_in, channels, channels)
        self.mix_out = linear(irreps_out, irreps_out, channels, channels)

    def forward(self, x: Float[Tensor, "*batch dim_in channel"]) -> Float[Tensor, "*batch dim_out channel"]:
        """Mix, gate, mix."""
        return self.mix_out(self.gate(self.mix_in(x)))
