"""A linear layer between representations that need not commute with their group; any group may act on `dim`."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.groups.projector import ProjectorError
from intertwine.groups.representation import Representation


class SoftLinear(nn.Module):
    r"""All linear maps from one feature to another, with representations that say which of them would be equivariant.

        y[b, c] = sum over a, d of  weight[b, c, a, d] x[a, d]  +  bias[b, c]

    The layer itself is a plain one: it starts free and commutes with nothing. `learning.weight_projection` projects its
    weight and bias onto those that commute with the group of v and w, or with a subgroup.

    Shapes: x `*batch dim_v channel_in`, result `*batch dim_w channel_out`.

    Raises ProjectorError when v and w belong to two groups.

    Example:
        >>> from intertwine.groups.classical import O
        >>> from intertwine.groups.representation import Standard, Trivial
        >>> vector = Standard(O(3))
        >>> layer = SoftLinear(vector, Trivial(O(3)) + vector, 5, 8)
        >>> layer(torch.randn(7, 3, 5)).shape
        torch.Size([7, 4, 8])
    """

    def __init__(self, v: Representation, w: Representation, channels_in: int, channels_out: int):
        super().__init__()
        if v.group != w.group:
            raise ProjectorError(
                f"SoftLinear: expected representations of one group, came {v.group} and {w.group}. "
                f"Bring them to one with Restrict."
            )
        self.v, self.w = v, w
        spread = (v.dim * channels_in) ** -0.5
        self.weight = nn.Parameter(spread * torch.randn(w.dim, channels_out, v.dim, channels_in))
        self.bias = nn.Parameter(torch.zeros(w.dim, channels_out))

    def forward(self, x: Float[Tensor, "*batch dim_v channel_in"]) -> Float[Tensor, "*batch dim_w channel_out"]:
        """Mix everything with everything."""
        flat = x.flatten(-2) @ self.weight.flatten(2).flatten(0, 1).mT
        return flat.unflatten(-1, self.bias.shape) + self.bias
