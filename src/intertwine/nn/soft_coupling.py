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

    def forward(self, x: Float[Tensor, "*batch dim channel"]) -> Float[Tensor, "*batch dim 1"]:
        """Lengths of all orders, averaged."""
        parts = zip(self.orders, x.split(self.rows, dim=-2))
        tiny = torch.finfo(x.dtype).tiny  # a root has no derivative at zero
        sizes = [(part.square().mean((-2, -1)) + tiny) ** (0.5 / order) for order, part in parts if order]
        if not sizes:
            return torch.ones_like(x[..., :1])
        size = torch.stack(sizes).mean(0)[..., None, None]
        powers = zip(self.orders, self.rows)
        return torch.cat([(size**order).expand(*x.shape[:-2], rows, 1) for order, rows in powers], -2)


class TensorCoupling(nn.Module):
    r"""Products of a feature of tensors with itself, along every way that commutes with O(n), channel by channel.

        z[c, k] = s^order(c)  sum over a, b, path of  weight[path, k] Q[path, c, a, b] (x / s)[a, k] (x / s)[b, k]

    Q is a basis of the maps in Hom_O(n)(x * x, x) that do not tell the two factors apart; all others give zero. The
    size s (`TensorSize`) keeps the map homogeneous: under x -> t^order x the result changes in the same way, so that
    the layer commutes with changes of unit too.

    -1 in O(n) allows even results from two even or two odd factors only, and odd ones from one of each. No other
    product is computed, and each pair once.

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
        self.size, self.bases = TensorSize(n, orders), _couplings(n, orders)
        self.rows = [n**order for order in orders]
        self.sorting = sorted(range(len(orders)), key=lambda i: orders[i] % 2)  # even orders first
        self.weight = nn.Parameter(torch.randn(sum(map(len, self.bases)), channels) / len(orders))

    def forward(self, x: Float[Tensor, "*batch dim channel"]) -> Float[Tensor, "*batch dim channel"]:
        """All products, mixed path by path."""
        size = self.size(x)
        parts = (
            (x * size.reciprocal()).flatten(0, -3).permute(2, 1, 0).split(self.rows, 1)
        )  # products along the batch are quick
        rows = torch.cat([parts[i] for i in self.sorting], 1)
        pairs = _pairs(*rows.tensor_split([self.bases[0].shape[1]], 1))
        weights = self.weight.mT.split([len(basis) for basis in self.bases], 1)
        z = torch.cat([_mixed(*each) for each in zip(weights, self.bases, pairs)], 1)
        found = dict(zip(self.sorting, z.split([self.rows[i] for i in self.sorting], 1)))
        return torch.cat([found[i] for i in range(len(found))], 1).permute(2, 1, 0).reshape(x.shape) * size


def _pairs(even: Tensor, odd: Tensor) -> tuple[Tensor, Tensor]:
    """Products of two even or two odd rows, and of one of each, as `channel pair batch`."""
    same = [rows[:, a : a + 1] * rows[:, a:] for rows in (even, odd) for a in range(rows.shape[1])]
    return torch.cat(same, 1), (even[:, :, None] * odd[:, None]).flatten(1, 2)


def _mixed(weight: Tensor, basis: Tensor, pairs: Tensor) -> Tensor:
    return (weight @ basis.to(weight).flatten(1)).unflatten(1, basis.shape[1:]) @ pairs


@cache
def _couplings(n: int, orders: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Every path to even rows, and to odd ones, as arrays [path, row, pair] in float64; pairs as in `_pairs`."""
    terms = [tensor(O(n), order) for order in sorted(orders, key=lambda order: order % 2)]
    starts = [sum(term.dim for term in terms[:i]) for i in range(len(terms))]
    dim, even = sum(n**order for order in orders), sum(n**order for order in orders if order % 2 == 0)
    where = [slice(start, start + term.dim) for start, term in zip(starts, terms)]
    paths = [[torch.zeros(0, dim, dim, dim, dtype=torch.float64)] for _ in ("even", "odd")]
    for c, at_c in zip(terms, where):
        for i, (a, at_a) in enumerate(zip(terms, where)):
            for b, at_b in zip(terms[i:], where[i:]):
                found = intertwiners(a * b, c).unflatten(-1, (a.dim, b.dim))
                whole = torch.zeros(len(found), dim, dim, dim, dtype=found.dtype)
                whole[:, at_c, at_a, at_b] = found
                paths[at_c.start >= even].append(c.dim**0.5 * _orthonormal(whole + whole.mT))
    same = [(b, a) for a in range(dim) for b in range(a, dim) if (a < even) == (b < even)]
    mixed = [(b, a) for a in range(even) for b in range(even, dim)]
    chosen = [torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).mT for pairs in (same, mixed)]
    found = [each + each.mT.tril(-1) for each in map(torch.cat, paths)]  # a pair with a < b counts both ways
    return found[0][:, :even][..., *chosen[0]], found[1][:, even:][..., *chosen[1]]


def _orthonormal(paths: Float[Tensor, "path dim dim dim"]) -> Float[Tensor, "found dim dim dim"]:
    """What they span."""
    _, sizes, rows = torch.linalg.svd(paths.flatten(1), full_matrices=False)
    return rows[sizes > 1e-6].unflatten(1, paths.shape[1:])
