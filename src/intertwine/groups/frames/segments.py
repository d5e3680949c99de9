"""Sums over the points of each part, for ragged parts of many clouds in one row; no group acts on a part number."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from intertwine.groups.frames.frame import FrameError


class PartError(FrameError):
    """Parts that no frame can be given to: wrong shapes, numbers out of range, points that are not finite."""


def segment_sum(x: Float[Tensor, "node *rest"], part: Int[Tensor, "node"], parts: int) -> Float[Tensor, "part *rest"]:
    """Sum over the points of each part; zero for an empty one."""
    return x.new_zeros(parts, *x.shape[1:]).index_add(0, part, x)


def segment_mean(x: Float[Tensor, "node *rest"], part: Int[Tensor, "node"], parts: int) -> Float[Tensor, "part *rest"]:
    """Mean over the points of each part; zero for an empty one."""
    size = torch.bincount(part, minlength=parts).clamp(min=1).to(x.dtype)
    return segment_sum(x, part, parts) / size.reshape(-1, *[1] * (x.dim() - 1))


def segment_max(
    x: Float[Tensor, "node channel"], part: Int[Tensor, "node"], parts: int
) -> Float[Tensor, "part channel"]:
    """Maximum over the points of each part; zero for an empty one. Points that tie share the gradient.

    The mean over the winners, because the derivative of torch's own scatter is many times slower on a CPU.
    """
    place = part.unsqueeze(-1).expand_as(x)
    with torch.no_grad():
        top = x.new_zeros(parts, x.shape[-1]).scatter_reduce(0, place, x, "amax", include_self=False)
        wins = (x == top[part]).to(x.dtype)
        wins = wins / segment_sum(wins, part, parts)[part]
    return segment_sum(x * wins, part, parts)


def number_parts(part: Int[Tensor, "*batch point"], parts: int) -> tuple[Int[Tensor, "node"], int]:
    """Part numbers that go on from cloud to cloud, for all points in a row, and how many parts that makes.

    Example:
        >>> number_parts(torch.tensor([[0, 1], [1, 1]]), 2)
        (tensor([0, 1, 3, 3]), 4)
    """
    rows = part.reshape(-1, part.shape[-1])
    first = parts * torch.arange(len(rows), device=part.device)
    return (rows + first[:, None]).reshape(-1), parts * len(rows)


def check_points(x: Tensor, part: Tensor, parts: int) -> None:
    """Raise PartError unless x are finite points `[node, d]` and `part` has a number from 0 to parts - 1 for each."""
    if x.dim() != 2 or part.shape != x.shape[:1]:
        raise PartError(
            f"frames of parts: expected points [node, d] and a part for each, came {list(x.shape)} and "
            f"{list(part.shape)}. Flatten batches with number_parts."
        )
    if parts < 1:
        raise PartError(f"frames of parts: expected at least one part, came parts = {parts}.")
    if part.numel() and not (int(part.min()) >= 0 and int(part.max()) < parts):
        raise PartError(
            f"frames of parts: expected part numbers from 0 to {parts - 1}, "
            f"came {int(part.min())} to {int(part.max())}."
        )
    if not bool(x.isfinite().all()):
        bad = int((~x.isfinite().all(-1)).nonzero()[0])
        raise PartError(f"frames of parts: point {bad} is not finite: {x[bad].tolist()}. Mend or drop it.")
