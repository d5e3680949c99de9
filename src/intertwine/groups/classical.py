"""The groups that act on space, on a cycle and on a set: rotations, reflections, motions, shifts, permutations."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.groups.group import Group, check_size
from intertwine.groups.haar import haar_orthogonal, haar_special_orthogonal


@dataclass(frozen=True)
class O(Group):  # noqa: E742
    """Rotations and reflections of n-dimensional space: orthogonal matrices [n, n].

    Example:
        >>> O(3).sample(2).shape
        torch.Size([2, 3, 3])
    """

    n: int

    def __post_init__(self) -> None:
        check_size(self, self.n)

    @property
    def element_shape(self) -> tuple[int, ...]:
        """[n, n]."""
        return (self.n, self.n)

    def identity(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Tensor:
        """The unit matrix."""
        return torch.eye(self.n, dtype=dtype, device=device)

    def sample(
        self,
        *shape: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Uniform (Haar) orthogonal matrices."""
        return haar_orthogonal(self.n, *shape, generator=generator, dtype=dtype, device=device)

    def compose(self, g: Float[Tensor, "*#batch n n"], h: Float[Tensor, "*#batch n n"]) -> Float[Tensor, "*#batch n n"]:
        """Matrix product."""
        return g @ h

    def inverse(self, g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Transpose."""
        return g.mT


@dataclass(frozen=True)
class SO(Group):
    """Rotations of n-dimensional space: orthogonal matrices [n, n] of determinant one.

    Example:
        >>> torch.linalg.det(SO(2).sample(3)).round()
        tensor([1., 1., 1.])
    """

    n: int

    def __post_init__(self) -> None:
        check_size(self, self.n)

    @property
    def element_shape(self) -> tuple[int, ...]:
        """[n, n]."""
        return (self.n, self.n)

    def identity(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Tensor:
        """The unit matrix."""
        return torch.eye(self.n, dtype=dtype, device=device)

    def sample(
        self,
        *shape: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Uniform (Haar) rotations."""
        return haar_special_orthogonal(self.n, *shape, generator=generator, dtype=dtype, device=device)

    def compose(self, g: Float[Tensor, "*#batch n n"], h: Float[Tensor, "*#batch n n"]) -> Float[Tensor, "*#batch n n"]:
        """Matrix product."""
        return g @ h

    def inverse(self, g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Transpose."""
        return g.mT
