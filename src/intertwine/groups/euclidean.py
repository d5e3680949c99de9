"""The groups that move points of space: E(n), SE(n) and Translation(n), with their parts; adds affine motions."""

from abc import ABC
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.groups.group import SizedGroup
from intertwine.groups.haar import haar_orthogonal, haar_special_orthogonal, standard_normal
from intertwine.groups.matrix_group import MatrixGroup


class MotionGroup(SizedGroup, MatrixGroup, ABC):
    """Homogeneous matrices [n + 1, n + 1] with an orthogonal linear part."""

    @property
    @final
    def side(self) -> int:
        """n + 1."""
        return self.n + 1

    @final
    def inverse(self, g: Float[Tensor, "*batch m m"]) -> Float[Tensor, "*batch m m"]:
        """[[Q^T, -Q^T t], [0, 1]]."""
        return inverse_motion(g)


@dataclass(frozen=True)
class E(MotionGroup):
    """Rotations, reflections and shifts of n-dimensional space: homogeneous matrices [n + 1, n + 1].

        g = [[Q, t], [0, 1]],      x -> Q x + t

    The group is not compact: `sample` draws Q uniformly and t from a Gaussian of standard deviation `spread`.

    Example:
        >>> g = E(3).sample()
        >>> linear_part(g).shape, translation_part(g).shape
        (torch.Size([3, 3]), torch.Size([3]))
    """

    n: int
    spread: float = 1.0

    def draw(self, *shape: int, generator: torch.Generator | None) -> Tensor:
        """Uniform linear part, Gaussian shift."""
        linear = haar_orthogonal(self.n, *shape, generator=generator, dtype=torch.float64)
        return homogeneous(linear, self.spread * standard_normal(*shape, self.n, generator=generator))


@dataclass(frozen=True)
class SE(MotionGroup):
    """Rotations and shifts of n-dimensional space: homogeneous matrices as in `E`, with det Q = 1.

    Example:
        >>> torch.linalg.det(SE(3).sample(2)).round()
        tensor([1., 1.])
    """

    n: int
    spread: float = 1.0

    def draw(self, *shape: int, generator: torch.Generator | None) -> Tensor:
        """Uniform rotation, Gaussian shift."""
        linear = haar_special_orthogonal(self.n, *shape, generator=generator, dtype=torch.float64)
        return homogeneous(linear, self.spread * standard_normal(*shape, self.n, generator=generator))


@dataclass(frozen=True)
class Translation(SizedGroup):
    """Shifts of n-dimensional space: vectors [n] that add.

    Not compact: `sample` draws from a Gaussian of standard deviation `spread`.

    Example:
        >>> Translation(2).inverse(torch.tensor([1.0, 2.0]))
        tensor([-1., -2.])
    """

    n: int
    spread: float = 1.0

    @property
    def element_shape(self) -> tuple[int, ...]:
        """[n]."""
        return (self.n,)

    def identity(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Tensor:
        """The zero vector."""
        return torch.zeros(self.n, dtype=dtype, device=device)

    def sample(
        self,
        *shape: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Gaussian shifts."""
        shift = self.spread * standard_normal(*shape, self.n, generator=generator)
        return shift.to(dtype=dtype or torch.get_default_dtype(), device=device)

    def compose(self, g: Float[Tensor, "*#batch n"], h: Float[Tensor, "*#batch n"]) -> Float[Tensor, "*#batch n"]:
        """Sum."""
        return g + h

    def inverse(self, g: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """Minus."""
        return -g


def homogeneous(linear: Float[Tensor, "*batch n n"], shift: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch m m"]:
    """The motion x -> linear x + shift as a matrix [n + 1, n + 1].

    Example:
        >>> homogeneous(torch.eye(2), torch.tensor([3.0, 4.0]))
        tensor([[1., 0., 3.],
                [0., 1., 4.],
                [0., 0., 1.]])
    """
    top = torch.cat([linear, shift[..., None]], -1)
    bottom = torch.cat([torch.zeros_like(shift), torch.ones_like(shift[..., :1])], -1)
    return torch.cat([top, bottom[..., None, :]], -2)


def linear_part(g: Float[Tensor, "*batch m m"]) -> Float[Tensor, "*batch n n"]:
    """Q of a motion: the homomorphism E(n) -> O(n), along which features of O(n) become features of E(n).

    Example:
        >>> linear_part(E(2).identity())
        tensor([[1., 0.],
                [0., 1.]])
    """
    return g[..., :-1, :-1]


def translation_part(g: Float[Tensor, "*batch m m"]) -> Float[Tensor, "*batch n"]:
    """t of a motion, the image of the origin. Not a homomorphism.

    Example:
        >>> translation_part(E(2).identity())
        tensor([0., 0.])
    """
    return g[..., :-1, -1]


def pure_translation(t: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch m m"]:
    """The homomorphism Translation(n) -> E(n).

    Example:
        >>> translation_part(pure_translation(torch.tensor([3.0, 4.0])))
        tensor([3., 4.])
    """
    return homogeneous(torch.eye(t.shape[-1]).to(t).expand(*t.shape, -1), t)


def pure_rotation(q: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch m m"]:
    """The homomorphism O(n) -> E(n) that keeps the origin in place.

    Example:
        >>> linear_part(pure_rotation(-torch.eye(1)))
        tensor([[-1.]])
    """
    return homogeneous(q, q.new_zeros(q.shape[:-1]))


def inverse_motion(g: Float[Tensor, "*batch m m"]) -> Float[Tensor, "*batch m m"]:
    """The motion that undoes g."""
    back = linear_part(g).mT
    return homogeneous(back, -(back @ translation_part(g)[..., None])[..., 0])
