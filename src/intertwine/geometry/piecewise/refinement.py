"""Comparing two partitions of the same points, by sums over points; no group acts on a part number."""

from jaxtyping import Bool, Int
from torch import Tensor

from intertwine.groups.frames.segments import PartError, number_parts


def is_refinement(part: Int[Tensor, "*batch point"], of: Int[Tensor, "*batch point"]) -> Bool[Tensor, "*batch"]:
    """Whether every part lies inside a single part `of` the other partition. Numbers of parts do not matter.

    What is equivariant for a partition is equivariant for every partition that it refines.

    Example:
        >>> import torch
        >>> halves, quarters = torch.tensor([5, 5, 0, 0]), torch.tensor([0, 1, 2, 3])
        >>> bool(is_refinement(quarters, halves)), bool(is_refinement(halves, quarters))
        (True, False)
    """
    return pure_points(part, of).all(-1)


def pure_points(part: Int[Tensor, "*batch point"], of: Int[Tensor, "*batch point"]) -> Bool[Tensor, "*batch point"]:
    """Whether the part of each point lies inside a single part `of` the other partition."""
    numbers, labels, count = _numbered(part, of)
    low = labels.new_full((count,), int(labels.max()) + 1 if labels.numel() else 0)
    low = low.scatter_reduce(0, numbers, labels, "amin")
    high = labels.new_full((count,), -1).scatter_reduce(0, numbers, labels, "amax")
    return (low == high)[numbers].reshape(part.shape)


def same_points(part: Int[Tensor, "*batch point"], other: Int[Tensor, "*batch point"]) -> Bool[Tensor, "*batch point"]:
    """Whether the part of each point consists of the same points in both partitions.

    Example:
        >>> import torch
        >>> same_points(torch.tensor([0, 0, 1, 1]), torch.tensor([7, 7, 3, 5])).tolist()
        [True, True, False, False]
    """
    # one part inside another, and the other inside the one: they are equal
    return pure_points(part, other) & pure_points(other, part)


def _numbered(part: Tensor, of: Tensor) -> tuple[Tensor, Tensor, int]:
    if part.shape != of.shape:
        raise PartError(
            f"partitions: expected two of the same points, came shapes {list(part.shape)} and {list(of.shape)}."
        )
    if part.numel() and min(int(part.min()), int(of.min())) < 0:
        raise PartError("partitions: expected part numbers that are not negative.")
    numbers, count = number_parts(part, int(part.max()) + 1 if part.numel() else 1)
    return numbers, of.reshape(-1), count
