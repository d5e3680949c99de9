"""Networks on invariants: plain layers on `channel`, nothing for the group to act on."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.tensor_products.kernels.mlp import mlp, takes

SILU_SCALE = 1.676532470331092
"""1 / sqrt(E[silu(x)^2]) for x from N(0, 1)."""
SIGMOID_SCALE = 1.8462285453386058
"""1 / sqrt(E[sigmoid(x)^2]) for x from N(0, 1)."""


class MLP(nn.Module):
    r"""Bias-free layers with silu between them, f(0) = 0, unit variance kept.

        h_0 = x,   h_k = c silu( h_(k-1) W_(k-1) / sqrt(fan_in) ),   result = h_n W_n / sqrt(fan_in)

    c = `SILU_SCALE` makes the second moment of silu one. In evaluation mode a compiled kernel does all layers at once.

    Args:
        silu: how it is evaluated, such as `kernels.silu` where second derivatives are wanted.

    Shapes: x `*batch widths[0]`, result `*batch widths[-1]`.

    Raises:
        ValueError: fewer than two widths.

    Example:
        >>> MLP(8, 64, 1)(torch.randn(5, 8)).shape
        torch.Size([5, 1])
    """

    def __init__(self, *widths: int, silu: Callable[[Tensor], Tensor] = nn.functional.silu):
        super().__init__()
        self.silu = silu
        if len(widths) < 2:
            raise ValueError(f"MLP: expected at least two widths, input and output, came {widths}.")
        self.weights = nn.ParameterList(torch.randn(fan_in, fan_out) for fan_in, fan_out in pairwise(widths))

    def forward(self, x: Float[Tensor, "*batch input"]) -> Float[Tensor, "*batch output"]:
        """Evaluate the network."""
        weights = list(self.weights)
        if not self.training and takes(x, weights):
            return mlp(x, weights, SILU_SCALE, self.readable)
        return self.readable(x, weights)

    def readable(self, x: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """Layer by layer; the weights, which are fewer than the numbers, take the factor c."""
        for layer, weight in enumerate(weights):
            x = self.silu(x) if layer else x
            x = x @ (weight * ((SILU_SCALE if layer else 1) / sqrt(weight.shape[0])))
        return x
