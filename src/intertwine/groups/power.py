"""Several elements of one group at a time, one for each part of a cloud: adds the direct power G^k."""

from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor

from intertwine.groups.group import Group, SizedGroup


@dataclass(frozen=True)
class Power(SizedGroup):
    """The direct power G^n: tuples (g_1, ..., g_n) of elements of `base`, stacked, that compose entry by entry.

        compose(g, h)_j = g_j h_j

    For two groups of matrices that make one matrix together, see `DirectProduct`.

    Example:
        >>> from intertwine.groups.euclidean import SE
        >>> Power(SE(3), 5).sample(2).shape
        torch.Size([2, 5, 4, 4])
    """

    base: Group
    n: int

    @property
    def element_shape(self) -> tuple[int, ...]:
        """The n elements, then the shape of one."""
        return (self.n, *self.base.element_shape)

    def identity(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Tensor:
        """The neutral element, n times."""
        one = self.base.identity(dtype, device)
        return one.expand(self.n, *one.shape).clone()

    def sample(
        self,
        *shape: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Independent elements."""
        return self.base.sample(*shape, self.n, generator=generator, dtype=dtype, device=device)

    def compose(self, g: Shaped[Tensor, "..."], h: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """Entry by entry."""
        return self.base.compose(g, h)

    def inverse(self, g: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """Entry by entry."""
        return self.base.inverse(g)
