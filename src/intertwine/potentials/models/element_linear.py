"""Mixing of channels by chemical element; O(3) acts on `dim`, the weights of an element on `channel`."""

from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.o3.irreps import Irreps

FEW = 16
"""Elements that are all tried at once; of more, only those that are present."""


class ElementLinear(nn.Module):
    r"""A matrix of its own for every irrep and element, from a feature to one of the same type.

        y[i, m, k] = sum over channels c of  x[i, m, c] weight[ir(m)][c, element_i, k]

    The tensor product with a one-hot vector of elements, as others write it. All elements are computed in one matrix
    product and one is taken, which for a few elements costs less than sorting. Weights are drawn with the variance
    1 / channels, so that unit variance is kept.

    Shapes: x `node dim channel`, element `node`, result `node dim channel`.

    Example:
        >>> linear = ElementLinear(Irreps("0e+1o"), channels=8, elements=2)
        >>> linear(torch.randn(5, 4, 8), torch.tensor([0, 0, 1, 1, 0])).shape
        torch.Size([5, 4, 8])
    """

    def __init__(self, irreps: Irreps, *, channels: int, elements: int):
        super().__init__()
        self.irreps, self.channels, self.elements = irreps, channels, elements
        self.slices = irreps.slices()
        self.weights = nn.ParameterList(torch.randn(channels, elements, channels) / sqrt(channels) for _ in irreps)

    def forward(
        self, x: Float[Tensor, "node dim channel"], element: Int[Tensor, "node"]
    ) -> Float[Tensor, "node dim channel"]:
        """Mix the channels of every node."""
        present = None
        if self.elements > FEW:
            present, element = element.unique(return_inverse=True)
        chosen = element.view(-1, 1, 1, 1).expand(-1, 1, 1, self.channels)
        rows = []
        for where, weight in zip(self.slices, self.weights, strict=True):
            matrix = weight if present is None else weight.index_select(1, present)
            every = (x[:, where] @ matrix.flatten(1)).unflatten(-1, (-1, self.channels))
            rows.append(every.gather(2, chosen.expand(-1, every.shape[1], -1, -1)).squeeze(2))
        return rows[0] if len(rows) == 1 else torch.cat(rows, dim=1)
