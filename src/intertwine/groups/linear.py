"""Groups of invertible matrices that act on the `dim` axis and are not compact; adds GL, SL, Scaling, Similarity."""

from abc import ABC
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.groups.generators import Generators, generators, none_of, reflection, skew_basis
from intertwine.groups.group import Group, check_size
from intertwine.groups.haar import haar_orthogonal, standard_normal


class MatrixGroup(Group, ABC):
    """Matrices [side, side] under the matrix product; adds what all such groups share.

    Example:
        >>> group: MatrixGroup = Scaling(3)
        >>> group.inverse(2 * group.identity())
        tensor([[0.5000, 0.0000, 0.0000],
                [0.0000, 0.5000, 0.0000],
                [0.0000, 0.0000, 0.5000]])
    """

    n: int

    @property
    @final
    def element_shape(self) -> tuple[int, ...]:
        """[n, n]."""
        return (self.n, self.n)

    @final
    def identity(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Tensor:
        """The unit matrix."""
        return torch.eye(self.n, dtype=dtype, device=device)

    @final
    def compose(self, g: Float[Tensor, "*#batch n n"], h: Float[Tensor, "*#batch n n"]) -> Float[Tensor, "*#batch n n"]:
        """Matrix product."""
        return g @ h

    @final
    def inverse(self, g: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
        """Matrix inverse."""
        return torch.linalg.inv(g)


@dataclass(frozen=True)
class GL(MatrixGroup):
    """All invertible matrices, of either sign of the determinant.

    Not compact: `sample` draws exp(X) with X Gaussian of standard deviation `spread`, times a reflection or not.

    Example:
        >>> GL(3).sample(2).shape
        torch.Size([2, 3, 3])
    """

    n: int
    spread: float = 0.5

    def __post_init__(self) -> None:
        check_size(self, self.n)

    def sample(
        self,
        *shape: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Exponentials of Gaussian matrices, half of them reflected."""
        tangent = self.spread * standard_normal(*shape, self.n, self.n, generator=generator)
        flip = standard_normal(*shape, 1, 1, generator=generator) < 0
        element = torch.linalg.matrix_exp(tangent)
        element = torch.where(flip, element @ reflection(self.n).to(element), element)
        return element.to(dtype=dtype or torch.get_default_dtype(), device=device)


@dataclass(frozen=True)
class SL(MatrixGroup):
    """Matrices of determinant one: they keep volume and orientation.

    Not compact: `sample` draws exp(X) with X Gaussian of standard deviation `spread` and without trace.

    Example:
        >>> torch.linalg.det(SL(2).sample(3)).round()
        tensor([1., 1., 1.])
    """

    n: int
    spread: float = 0.5

    def __post_init__(self) -> None:
        check_size(self, self.n)

    def sample(
        self,
        *shape: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Exponentials of Gaussian matrices without trace."""
        tangent = self.spread * standard_normal(*shape, self.n, self.n, generator=generator)
        trace = tangent.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
        element = torch.linalg.matrix_exp(tangent - trace * torch.eye(self.n).to(tangent))
        return element.to(dtype=dtype or torch.get_default_dtype(), device=device)


@dataclass(frozen=True)
class Scaling(MatrixGroup):
    """Positive multiples of the unit matrix: a change of the unit of length.

    Not compact: `sample` draws factors exp(s) with s Gaussian of standard deviation `spread`.

    Example:
        >>> g = Scaling(3).sample()
        >>> torch.equal(g, g[0, 0] * torch.eye(3))
        True
    """

    n: int
    spread: float = 0.5

    def __post_init__(self) -> None:
        check_size(self, self.n)

    def sample(
        self,
        *shape: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Log-normal factors."""
        factor = (self.spread * standard_normal(*shape, 1, 1, generator=generator)).exp()
        element = factor * torch.eye(self.n).to(factor)
        return element.to(dtype=dtype or torch.get_default_dtype(), device=device)


@dataclass(frozen=True)
class Similarity(MatrixGroup):
    """Rotations, reflections and changes of unit, s Q: the product of O(n) and Scaling(n), which commute.

    Example:
        >>> g = Similarity(3).sample()
        >>> ratio = g @ g.mT / (g @ g.mT)[0, 0]
        >>> torch.allclose(ratio, torch.eye(3), atol=1e-5)
        True
    """

    n: int
    spread: float = 0.5

    def __post_init__(self) -> None:
        check_size(self, self.n)

    def sample(
        self,
        *shape: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Uniform Q, log-normal s."""
        turn = haar_orthogonal(self.n, *shape, generator=generator, dtype=torch.float64)
        factor = Scaling(self.n, self.spread).sample(*shape, generator=generator, dtype=torch.float64)
        return (turn @ factor).to(dtype=dtype or torch.get_default_dtype(), device=device)


@generators.register(GL)
def _(group: GL) -> Generators:
    return Generators(_units(group.n), reflection(group.n)[None])


@generators.register(SL)
def _(group: SL) -> Generators:
    units = _units(group.n)
    place = torch.arange(group.n * group.n) % (group.n + 1)
    stretches = units[place == 0]
    return Generators(torch.cat([units[place != 0], stretches[1:] - stretches[:-1]]), none_of(group))


@generators.register(Scaling)
def _(group: Scaling) -> Generators:
    return Generators(torch.eye(group.n, dtype=torch.float64)[None], none_of(group))


@generators.register(Similarity)
def _(group: Similarity) -> Generators:
    stretch = torch.eye(group.n, dtype=torch.float64)[None]
    return Generators(torch.cat([skew_basis(group.n), stretch]), reflection(group.n)[None])


def _units(n: int) -> Tensor:
    return torch.eye(n * n, dtype=torch.float64).reshape(n * n, n, n)
