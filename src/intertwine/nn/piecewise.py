"""Maps that commute with a motion of every part by itself: G^k acts on the `point` axis of clouds, part by part."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.groups.frames.segments import PartError, number_parts

PartMap = Callable[[Tensor, Tensor, int, Tensor | None], Tensor]
"""An equivariant map of all parts at once: points `[node, d]`, part of each, number of parts, weights `[node]` or None
(1: belongs to the part, 0: does not). What it says of a point depends on the points of its part alone."""


class PiecewiseMap(nn.Module):
    r"""A cloud cut into parts, every part mapped by itself with shared weights.

        psi(X, Z)_i = psi_b(X restricted to part(i))_i,       Z one-hot rows: the partition

    If psi_b is equivariant under G, psi is equivariant under G^k for the partition, and for every coarser one. Exact
    when the partition is known. For an uncertain one, Q_ij = P(point i is in part j), there are three forms:

        expected_assignment    sum_j Q_ij psi_b(X, weights Q_.j)_i                  phi_I
        expected_value         mean over drawn partitions Z ~ Q of psi(X, Z)         phi_II
        arg_max                psi(X, argmax_j Q_ij)                                 phi_III

    They agree where every row of Q is certain. Only `arg_max` and each draw of `expected_value` keep parts apart
    exactly; `expected_assignment` blurs them, and costs O(points parts) instead of O(points).

    Shapes: x `*batch point d`, part `*batch point`, q `*batch point part`, result `*batch point ...` as of `base`.

    Raises PartError where shapes do not fit, a part number is out of range, or q is not made of probabilities.

    Example:
        >>> from intertwine.groups.frames.segments import segment_mean
        >>> centred = PiecewiseMap(lambda x, part, parts, weight: x - segment_mean(x, part, parts)[part])
        >>> centred(torch.tensor([[1.0], [3.0], [9.0]]), torch.tensor([0, 0, 1]))[:, 0]
        tensor([-1.,  1.,  0.])

    Reference: Atzmon et al., 2024, arXiv:2402.08529 (the three forms and their bound).
    """

    def __init__(self, base: PartMap) -> None:
        super().__init__()
        self.base = base

    def forward(
        self, x: Float[Tensor, "*batch point d"], part: Int[Tensor, "*batch point"], parts: int | None = None
    ) -> Float[Tensor, "..."]:
        """psi(X, Z) for a known partition."""
        if part.shape != x.shape[:-1]:
            raise PartError(
                f"PiecewiseMap: expected the part of every point, {list(x.shape[:-1])}, came {list(part.shape)}."
            )
        parts = parts or (int(part.max()) + 1 if part.numel() else 1)
        number, count = number_parts(part, parts)
        return self.base(x.reshape(-1, x.shape[-1]), number, count, None).unflatten(0, x.shape[:-1])

    def arg_max(
        self, x: Float[Tensor, "*batch point d"], q: Float[Tensor, "*batch point part"]
    ) -> Float[Tensor, "..."]:
        """phi_III: every point in its likeliest part, the first of those that tie."""
        check_probabilities(x, q)
        return self(x, q.argmax(-1), q.shape[-1])

    def expected_value(
        self,
        x: Float[Tensor, "*batch point d"],
        q: Float[Tensor, "*batch point part"],
        *,
        samples: int = 8,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "..."]:
        """phi_II: mean over drawn partitions, all points independent; a Monte Carlo mean over `samples` draws."""
        check_probabilities(x, q)
        rows = q.detach().reshape(-1, q.shape[-1])
        draws = torch.multinomial(rows, samples, replacement=True, generator=generator).mT
        draws = draws.reshape(samples, *q.shape[:-1])
        return self(x.expand(samples, *x.shape), draws, q.shape[-1]).mean(0)

    def expected_assignment(
        self, x: Float[Tensor, "*batch point d"], q: Float[Tensor, "*batch point part"]
    ) -> Float[Tensor, "..."]:
        """phi_I: every point in every part, as far as it belongs there."""
        check_probabilities(x, q)
        parts = q.shape[-1]
        copies = x.unsqueeze(-2).expand(*q.shape, x.shape[-1])
        part = torch.arange(parts, device=x.device).expand(q.shape)
        number, count = number_parts(part.flatten(-2), parts)
        result = self.base(copies.reshape(-1, x.shape[-1]), number, count, q.reshape(-1)).unflatten(0, q.shape)
        weights = q.reshape(*q.shape, *[1] * (result.dim() - q.dim()))
        return (weights * result).sum(q.dim() - 1)


def check_probabilities(x: Tensor, q: Tensor) -> None:
    """Raise PartError unless q has a row of probabilities for every point."""
    if q.shape[:-1] != x.shape[:-1] or q.shape[-1] < 1:
        raise PartError(
            f"PiecewiseMap: expected probabilities [*batch, point, part] for points {list(x.shape[:-1])}, "
            f"came q of shape {list(q.shape)}."
        )
    if not bool((q >= 0).all() & ((q.sum(-1) - 1).abs() < 1e-3).all()):
        raise PartError("PiecewiseMap: expected rows of q that are not negative and sum to 1; take a softmax.")
