"""Groups of square matrices under the matrix product, acting on the `dim` axis; adds what all of them share."""

from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.groups.group import Group, SizedGroup


class MatrixGroup(Group, ABC):
    """Matrices [side, side] under the matrix product. A group says its side, how it draws, and how it inverts.

    Example:
        >>> from intertwine.groups.linear import Scaling
        >>> group: MatrixGroup = Scaling(3)
        >>> group.inverse(2 * group.identity())
        tensor([[0.5000, 0.0000, 0.0000],
                [0.0000, 0.5000, 0.0000],
                [0.0000, 0.0000, 0.5000]])
    """

    @property
    @abstractmethod
    def side(self) -> int:
        """Rows of an element."""

    @abstractmethod
    def draw(self, *shape: int, generator: torch.Generator | None) -> Float[Tensor, "*batch side side"]:
        """Random elements in float64: what `sample` casts and moves."""

    @property
    @final
    def element_shape(self) -> tuple[int, ...]:
        """[side, side]."""
        return (self.side, self.side)

    @final
    def identity(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Tensor:
        """The unit matrix."""
        return torch.eye(self.side, dtype=dtype, device=device)

    @final
    def sample(
        self,
        *shape: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Random elements, as the group draws them."""
        return self.draw(*shape, generator=generator).to(dtype=dtype or torch.get_default_dtype(), device=device)

    @final
    def compose(self, g: Float[Tensor, "*#batch n n"], h: Float[Tensor, "*#batch n n"]) -> Float[Tensor, "*#batch n n"]:
        """Matrix product."""
        return g @ h


class SquareGroup(SizedGroup, MatrixGroup, ABC):
    """Matrices [n, n]: the side is the size of the group."""

    @property
    @final
    def side(self) -> int:
        """n."""
        return self.n


class LinearGroup(SquareGroup, ABC):
    """Invertible matrices [n, n]."""

    @final
    def inverse(self, g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Matrix inverse."""
        return torch.linalg.inv(g)


class OrthogonalGroup(SquareGroup, ABC):
    """Orthogonal matrices [n, n], which keep lengths."""

    @final
    def inverse(self, g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Transpose."""
        return g.mT
