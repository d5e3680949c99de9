"""The finite groups Cyclic(n) and Permutation(n), acting on places; adds elements that are whole numbers."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from intertwine.groups.group import SizedGroup


@dataclass(frozen=True)
class Cyclic(SizedGroup):
    """Whole numbers 0 to n - 1 that add modulo n: turns by 2 pi / n, or steps around a ring of n places.

    Example:
        >>> Cyclic(4).compose(torch.tensor(3), torch.tensor(2))
        tensor(1)
    """

    n: int

    @property
    def element_shape(self) -> tuple[int, ...]:
        """No axes: an element is one number."""
        return ()

    def identity(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Tensor:
        """Zero."""
        return torch.zeros((), dtype=torch.int64, device=device)

    def sample(
        self,
        *shape: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Uniform numbers."""
        source = generator.device if generator is not None else None
        return torch.randint(self.n, shape, generator=generator, device=source).to(device=device)

    def compose(self, g: Int[Tensor, "*#batch"], h: Int[Tensor, "*#batch"]) -> Int[Tensor, "*#batch"]:
        """Sum modulo n."""
        return (g + h) % self.n

    def inverse(self, g: Int[Tensor, "*batch"]) -> Int[Tensor, "*batch"]:
        """Minus, modulo n."""
        return -g % self.n

    def turn(self, g: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch 2 2"]:
        """The homomorphism Cyclic(n) -> SO(2), in float64."""
        angle = g.to(torch.float64) * (2 * math.pi / self.n)
        cos, sin = angle.cos(), angle.sin()
        return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


@dataclass(frozen=True)
class Permutation(SizedGroup):
    """Permutations of n places: `g[i]` is where place i goes, [n].

        compose(g, h)[i] = g[h[i]]

    Example:
        >>> g = torch.tensor([1, 2, 0])
        >>> Permutation(3).inverse(g)
        tensor([2, 0, 1])
    """

    n: int

    @property
    def element_shape(self) -> tuple[int, ...]:
        """[n]."""
        return (self.n,)

    def identity(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Tensor:
        """Everything stays."""
        return torch.arange(self.n, device=device)

    def sample(
        self,
        *shape: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Uniform permutations, by sorting uniform numbers."""
        source = generator.device if generator is not None else None
        keys = torch.rand((*shape, self.n), generator=generator, dtype=torch.float64, device=source)
        return keys.argsort(-1).to(device=device)

    def compose(self, g: Int[Tensor, "*#batch n"], h: Int[Tensor, "*#batch n"]) -> Int[Tensor, "*#batch n"]:
        """First h, then g."""
        g, h = torch.broadcast_tensors(g, h)
        return g.gather(-1, h)

    def inverse(self, g: Int[Tensor, "*batch n"]) -> Int[Tensor, "*batch n"]:
        """Sends every place back."""
        return g.argsort(-1)
