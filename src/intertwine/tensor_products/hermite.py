"""Functions of one variable from a table of values and two derivatives: twice continuously differentiable.

No group acts here: the variable is a distance.
"""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class Span(NamedTuple):
    """Where the first point of a table lies, and the distance to the next."""

    start: float
    step: float


def hermite(table: Float[Tensor, "point 3 width"], r: Float[Tensor, "edge"], span: Span) -> Float[Tensor, "edge width"]:
    r"""The quintic polynomial between neighbouring points with their values and derivatives.

        result = sum over k < 6 of  H_k(t) table[i + k // 3, k % 3],      i + t = (r - start) / step,  0 <= t <= 1

    Row k of a point is the k-th derivative in units of the step: f, step f', step^2 f''. Outside the points the
    function keeps the value of the nearest one.

    Example:
        >>> line = torch.tensor([[[0.0], [1.0], [0.0]], [[1.0], [1.0], [0.0]]])
        >>> hermite(line, torch.tensor([0.25, 2.0]), Span(0.0, 1.0)).flatten()
        tensor([0.2500, 1.0000])
    """
    u = ((r - span.start) / span.step).clamp(0, len(table) - 1)
    i = u.detach().long().clamp(max=len(table) - 2)
    t = u - i
    s, rows = 1 - t, table.flatten(0, 1)
    left = (s**3 * (1 + t * (3 + 6 * t)), s**3 * t * (1 + 3 * t), s**3 * t**2 / 2)
    right = (t**3 * (1 + s * (3 + 6 * s)), -(t**3) * s * (1 + 3 * s), t**3 * s**2 / 2)
    return sum(
        (factor.unsqueeze(-1) * rows.index_select(0, 3 * i + k) for k, factor in enumerate((*left, *right))),
        start=r.new_zeros(()),
    )
