"""Products of tensors on the `dim` axis, channel by channel; O(n) and changes of unit act, exactly."""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.groups.classical import O
from intertwine.groups.group import Group
from intertwine.groups.projector import intertwiners
from intertwine.groups.representation import Representation, Standard, Sum, Trivial


def tensors(group: Group, *orders: int) -> Sum:
    """Numbers (order 0), vectors (1), matrices (2) ...: a feature of tensors over the standard representation.

    Example:
        >>> from intertwine.groups.classical import O
        >>> tensors(O(3), 0, 1, 2).dim
        13
    """
    return Sum(*(tensor(group, order) for order in orders))


def tensor(group: Group, order: int) -> Representation:
    """Products of `order` vectors: a number, a vector, a matrix ...

    Example:
        >>> from intertwine.groups.classical import O
        >>> tensor(O(3), 2).dim
        9
    """
    if order == 0:
        return Trivial(group)
    return Standard(group) if order == 1 else tensor(group, order - 1) * Standard(group)


class TensorSize(nn.Module):
    r"""The typical length of a feature of tensors, to the power of each row's order; a change of unit changes it alike.

        s = mean over orders p > 0 of  rms(x of order p)^(1/p),      result[row] = s^(order of row)

    Shapes: x `*batch dim channel`, result `*batch dim 1`.

    Example:
        >>> TensorSize(3, (0, 1))(torch.full((4, 2), 5.0))[:, 0]
        tensor([1., 5., 5., 5.])
    """

    def __init__(self, n: int, orders: tuple[int, ...]):
        super().__init__()
        self.orders, self.rows = orders, [n**order for order in orders]
        row_orders = torch.repeat_interleave(torch.tensor(orders), torch.tensor(self.rows))
        self.register_buffer("row_orders", row_orders, persistent=False)

    def forward(self, x: Float[Tensor, "*batch dim channel"]) -> Float[Tensor, "*batch dim 1"]:
        """Lengths of all orders, averaged."""
        parts = zip(self.orders, x.split(self.rows, dim=-2))
        tiny = torch.finfo(x.dtype).tiny  # a root has no derivative at zero
        sizes = [(part.square().mean((-2, -1)) + tiny) ** (0.5 / order) for order, part in parts if order]
        if not sizes:
            return torch.ones_like(x[..., :1])
        size = torch.stack(sizes).mean(0)
        return size[..., None, None] ** self.get_buffer("row_orders")[:, None]


class TensorCoupling(nn.Module):
    r"""Products of a feature of tensors with itself, along every way that commutes with O(n), channel by channel.

        z[c, k] = s^order(c)  sum over a, b, path of  weight[path, k] Q[path, c, a, b] (x / s)[a, k] (x / s)[b, k]

    Q is a basis of Hom_O(n)(x * x, x). The size s (`TensorSize`) keeps the map homogeneous: under x -> t^order x the
    result changes in the same way, so that the layer commutes with changes of unit too.

    Not soft: it commutes with O(n) whatever its weights are, and so with every subgroup.

    Shapes: x and result `*batch dim channel`.

    Example:
        >>> TensorCoupling(3, (0, 1), 8)(torch.randn(5, 4, 8)).shape
        torch.Size([5, 4, 8])

    Reference: the bilinear layer of Finzi, Welling, Wilson, 2021, arXiv:2104.09459, section 6, with all paths; the
    size is ours.
    """

    def __init__(self, n: int, orders: tuple[int, ...], channels: int):
        super().__init__()
        self.size = TensorSize(n, orders)
        self.basis = _couplings(n, orders)
        self.weight = nn.Parameter(torch.randn(len(self.basis), channels) / len(orders))

    def forward(self, x: Float[Tensor, "*batch dim channel"]) -> Float[Tensor, "*batch dim channel"]:
        """All products, mixed path by path."""
        dim, size = x.shape[-2], self.size(x)
        x = x / size
        pairs = (x[..., :, None, :] * x[..., None, :, :]).flatten(-3, -2)
        coupling = (self.basis.to(self.weight).mT @ self.weight).unflatten(0, (dim, dim * dim))
        return torch.einsum("...pk,cpk->...ck", pairs, coupling) * size


@cache
def _couplings(n: int, orders: tuple[int, ...]) -> Tensor:
    """Every path, as an array [path, dim * dim * dim] in float64."""
    terms = [tensor(O(n), order) for order in orders]
    rows, starts = [term.dim for term in terms], [0]
    for count in rows:
        starts.append(starts[-1] + count)
    dim, paths = starts.pop(), []
    for c, low_c in zip(terms, starts):
        for a, low_a in zip(terms, starts):
            for b, low_b in zip(terms, starts):
                found = intertwiners(a * b, c).unflatten(-1, (a.dim, b.dim))
                whole = torch.zeros(len(found), dim, dim, dim, dtype=found.dtype)
                whole[:, low_c : low_c + c.dim, low_a : low_a + a.dim, low_b : low_b + b.dim] = found * c.dim**0.5
                paths.append(whole)
    return torch.cat(paths).flatten(1)
