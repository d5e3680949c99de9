"""The groups that turn space, acting on the `dim` axis: O(n), rotations and reflections, and SO(n), rotations alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from intertwine.groups.haar import haar_orthogonal, haar_special_orthogonal
from intertwine.groups.matrix_group import OrthogonalGroup


@dataclass(frozen=True)
class O(OrthogonalGroup):  # noqa: E742
    """Rotations and reflections of n-dimensional space: orthogonal matrices [n, n].

    Example:
        >>> O(3).sample(2).shape
        torch.Size([2, 3, 3])
    """

    n: int

    def draw(self, *shape: int, generator: torch.Generator | None) -> Tensor:
        """Uniform (Haar) orthogonal matrices."""
        return haar_orthogonal(self.n, *shape, generator=generator, dtype=torch.float64)


@dataclass(frozen=True)
class SO(OrthogonalGroup):
    """Rotations of n-dimensional space: orthogonal matrices [n, n] of determinant one.

    Example:
        >>> torch.linalg.det(SO(2).sample(3)).round()
        tensor([1., 1., 1.])
    """

    n: int

    def draw(self, *shape: int, generator: torch.Generator | None) -> Tensor:
        """Uniform (Haar) rotations."""
        return haar_special_orthogonal(self.n, *shape, generator=generator, dtype=torch.float64)
