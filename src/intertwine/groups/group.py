"""What a group is here: elements are tensors, batched in front; adds the interface that every group fills."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Shaped
from torch import Tensor


class Group(ABC):
    """A group whose elements are tensors of shape `element_shape`, with any batch axes before it.

        compose(g, compose(h, k)) = compose(compose(g, h), k),   compose(g, inverse(g)) = identity()

    Groups are values: two groups of the same class and size are equal. A new group fills the five abstract members
    and joins the contract list in `tests/groups/test_group.py`.

    Example:
        >>> from intertwine.groups.classical import SO
        >>> rotations = SO(3)
        >>> g = rotations.sample(7)
        >>> torch.allclose(rotations.compose(g, rotations.inverse(g)), rotations.identity(), atol=1e-5)
        True
    """

    @property
    @abstractmethod
    def element_shape(self) -> tuple[int, ...]:
        """Shape of one element."""

    @abstractmethod
    def identity(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Tensor:
        """The neutral element. Elements that are whole numbers ignore `dtype`."""

    @abstractmethod
    def sample(
        self,
        *shape: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Random elements, `[*shape, *element_shape]`: Haar measure where the group is compact.

        Numbers are drawn in float64 where the generator lives and then cast and moved, so that a seed gives the same
        elements in every dtype.
        """

    @abstractmethod
    def compose(self, g: Shaped[Tensor, "..."], h: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """The element that acts as h first, then g; batch axes broadcast."""

    @abstractmethod
    def inverse(self, g: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """The element that undoes g."""


class SizedGroup(Group, ABC):
    """A group with a size n: places, dimensions of space, copies.

    Raises ValueError unless n is a whole number above zero.
    """

    n: int

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or not isinstance(self.n, int) or self.n < 1:
            raise ValueError(f"{type(self).__name__}: expected a size n = 1, 2, 3, ..., came n = {self.n!r}.")
