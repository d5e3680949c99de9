"""Frames of the symmetric group for graphs: S_n permutes both axes of the adjacency, `[*batch, node, node]`."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from intertwine.groups.frames.frame import Frame, FrameError, full_precision

LIMIT = 5040
"""Most orders of one graph: those of seven nodes that nothing tells apart."""


@dataclass(frozen=True)
class SortFrame:
    r"""All orders of the nodes that sort a spectral signature: nodes that it tells apart have one place each.

        S_i = ( |P_1 e_i|, |P_2 e_i|, ... ),    P_b = projector on eigenspace b of  diag(A) + D - A,  D the degrees

    Rows of |eigenvector| where eigenvalues are simple, and norms of the projection where they repeat, which no choice
    of basis changes. Labels of nodes stand on the diagonal of the adjacency. Nodes with equal signatures are tied: all
    their orders are elements (k! for k nodes), or `sampled` random ones. A net on sorted graphs is a plain MLP that
    nevertheless sees all of the graph, beyond what message passing can tell apart.

    Elements are permutation matrices, equal weights, shift zero: average with `BothAxes(PermutationMatrix(...))` on
    the adjacency and `PermutationMatrix(...)` on rows. Padding comes last.

    `exact` is True with all orders of the ties. Sampled orders are exact in expectation alone, and say False.

    Args:
        sampled: so many random orders of the ties instead of all.
        tolerance: eigenvalues, over the largest, and signatures up to it apart count as equal.
        generator: of the random orders.

    Raises:
        FrameError: not square or symmetric, not finite, or more than `LIMIT` orders without `sampled`.

    Example:
        >>> path = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])
        >>> SortFrame()(path).elements.argmax(-2)   # the ends are tied
        tensor([[1, 0, 2],
                [1, 2, 0]])

    Reference: Puny et al., 2022, arXiv:2110.03336, section 3.1, graphs.
    """

    sampled: int | None = None
    tolerance: float = 1e-4
    generator: torch.Generator | None = None

    def __post_init__(self) -> None:
        if self.sampled is not None and self.sampled < 1:
            raise FrameError(f"SortFrame: expected sampled = 1, 2, ... or None, came {self.sampled}.")

    def __call__(self, x: Float[Tensor, "*batch node node"], mask: Bool[Tensor, "*batch node"] | None = None) -> Frame:
        """The frame of every graph."""
        if x.dim() < 2 or x.shape[-1] != x.shape[-2] or not x.shape[-1]:
            raise FrameError(f"SortFrame: expected adjacency [*batch, node, node], came shape {tuple(x.shape)}.")
        wide = x.detach().to(torch.promote_types(x.dtype, torch.float32))
        real = torch.ones_like(wide[..., 0], dtype=torch.bool) if mask is None else mask
        wide = wide.masked_fill(~(real[..., None] & real[..., None, :]), 0.0)
        if not bool(wide.isfinite().all()):
            raise FrameError("SortFrame: expected finite adjacency, came a number that is not finite.")
        if bool(((wide - wide.mT).abs() > 1e-4 * wide.abs().amax()).any()):
            raise FrameError("SortFrame: expected symmetric adjacency, as of an undirected graph.")
        batch, n = wide.shape[:-2], wide.shape[-1]
        with full_precision(wide):
            labels = node_labels(wide, real, self.tolerance)
        orders = [self._orders(each) for each in labels.reshape(-1, n)]
        most = max(len(each) for each in orders) if orders else 1
        places = torch.stack([torch.cat([each, each[:1].expand(most - len(each), n)]) for each in orders])
        weights = torch.stack([(torch.arange(most) < len(each)).double() / len(each) for each in orders])
        tied = torch.tensor([math.prod(_factorials(each)) > 1 for each in labels.reshape(-1, n)], device=x.device)
        # an element carries node order[place] from its place, the row `place`, to where it stands
        elements = torch.nn.functional.one_hot(places.to(x.device), n).to(wide.dtype).mT
        whole = ~tied if self.sampled is not None else torch.ones_like(tied)
        return Frame(
            elements.reshape(*batch, most, n, n),
            wide.new_zeros(*batch, n),
            weights.to(wide).reshape(*batch, most),
            wide.new_full(batch, torch.inf),
            tied.reshape(batch),
            whole.reshape(batch),
        )

    def _orders(self, labels: Int[Tensor, " node"]) -> Int[Tensor, "order node"]:
        """Nodes in sorted order, once for every order of the ties or for random ones."""
        if self.sampled is not None:
            keys = torch.rand(self.sampled, len(labels), generator=self.generator, dtype=torch.float64)
            first = keys.argsort(-1)
            return first.gather(-1, labels.cpu()[first].argsort(stable=True, dim=-1))
        total = math.prod(_factorials(labels))
        if total > LIMIT:
            raise FrameError(
                f"SortFrame: expected at most {LIMIT} orders, came {total}: nodes of this graph are too much alike. "
                f"Take sampled=1 in training and a few in evaluation."
            )
        orders = [[]]
        for label in range(int(labels.max()) + 1):
            tied = (labels == label).nonzero().flatten().tolist()
            orders = [[*order, *part] for order in orders for part in _permutations(tied)]
        return torch.tensor(orders)


def node_labels(
    adjacency: Float[Tensor, "*batch node node"], real: Bool[Tensor, "*batch node"], tolerance: float
) -> Int[Tensor, "*batch node"]:
    """Ranks of the signatures, equal for nodes that they do not tell apart; padding has the largest, one each.

    Example:
        >>> star = torch.tensor([[0.0, 1, 1], [1, 0, 0], [1, 0, 0]])
        >>> node_labels(star, torch.tensor([True, True, True]), 1e-4)
        tensor([0, 1, 1])
    """
    n = adjacency.shape[-1]
    own = adjacency.diagonal(dim1=-2, dim2=-1)
    off = adjacency - torch.diag_embed(own)
    diagonal = own + off.sum(-1)
    # padded nodes get eigenvalues above all others, so that their columns come after those of the graph
    above = 4 * (adjacency.abs().sum(-1).amax(-1, keepdim=True) + 1)
    diagonal = torch.where(real, diagonal, above)
    value, vector = torch.linalg.eigh(torch.diag_embed(diagonal) - off)
    scale = value.masked_fill(value > above / 2, 0.0).abs().amax(-1, keepdim=True).clamp_min(1e-12)
    block = torch.nn.functional.pad((value.diff(dim=-1) > tolerance * scale).cumsum(-1), (1, 0))
    together = (block[..., :, None] == block[..., None, :]).to(value.dtype)
    signature = (vector.square() @ together).sqrt()
    labels = torch.where(real, 0, torch.arange(1, n + 1, device=real.device))
    for column in range(n):
        labels = _refined(labels, _groups(signature[..., column], tolerance))
    return labels


def _groups(values: Float[Tensor, "*batch node"], tolerance: float) -> Int[Tensor, "*batch node"]:
    """Ranks of numbers, equal for those that a chain of steps within the tolerance joins."""
    ordered, order = values.sort(-1)
    rank = torch.nn.functional.pad((ordered.diff(dim=-1) > tolerance).cumsum(-1), (1, 0))
    return torch.zeros_like(rank).scatter(-1, order, rank)


def _refined(labels: Int[Tensor, "*batch node"], finer: Int[Tensor, "*batch node"]) -> Int[Tensor, "*batch node"]:
    """Ranks by labels first, then by the finer ones."""
    joint = labels * (labels.shape[-1] + 1) + finer
    ordered, order = joint.sort(-1)
    rank = torch.nn.functional.pad((ordered.diff(dim=-1) > 0).cumsum(-1), (1, 0))
    return torch.zeros_like(rank).scatter(-1, order, rank)


def _factorials(labels: Int[Tensor, " node"]) -> list[int]:
    return [math.factorial(count) for count in labels.unique(return_counts=True)[1].tolist()]


def _permutations(nodes: list[int]) -> list[list[int]]:
    if len(nodes) < 2:
        return [nodes]
    return [[first, *rest] for first in nodes for rest in _permutations([node for node in nodes if node != first])]
