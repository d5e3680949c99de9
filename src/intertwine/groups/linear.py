"""Groups of invertible matrices that act on the `dim` axis and are not compact; adds GL, SL, Scaling, Similarity."""

from dataclasses import dataclass

import torch
from torch import Tensor

from intertwine.groups.generators import Generators, generators, none_of, reflection, skew_basis
from intertwine.groups.haar import haar_orthogonal, standard_normal
from intertwine.groups.matrix_group import LinearGroup


@dataclass(frozen=True)
class GL(LinearGroup):
    """All invertible matrices, of either sign of the determinant.

    Not compact: `sample` draws exp(X) with X Gaussian of standard deviation `spread`, times a reflection or not.

    Example:
        >>> GL(3).sample(2).shape
        torch.Size([2, 3, 3])
    """

    n: int
    spread: float = 0.5

    def draw(self, *shape: int, generator: torch.Generator | None) -> Tensor:
        """Exponentials of Gaussian matrices, half of them reflected."""
        tangent = self.spread * standard_normal(*shape, self.n, self.n, generator=generator)
        flip = standard_normal(*shape, 1, 1, generator=generator) < 0
        element = torch.linalg.matrix_exp(tangent)
        element = torch.where(flip, element @ reflection(self.n).to(element), element)
        return element


@dataclass(frozen=True)
class SL(LinearGroup):
    """Matrices of determinant one: they keep volume and orientation.

    Not compact: `sample` draws exp(X) with X Gaussian of standard deviation `spread` and without trace.

    Example:
        >>> torch.linalg.det(SL(2).sample(3)).round()
        tensor([1., 1., 1.])
    """

    n: int
    spread: float = 0.5

    def draw(self, *shape: int, generator: torch.Generator | None) -> Tensor:
        """Exponentials of Gaussian matrices without trace."""
        tangent = self.spread * standard_normal(*shape, self.n, self.n, generator=generator)
        trace = tangent.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
        element = torch.linalg.matrix_exp(tangent - trace * torch.eye(self.n).to(tangent))
        return element


@dataclass(frozen=True)
class Scaling(LinearGroup):
    """Positive multiples of the unit matrix: a change of the unit of length.

    Not compact: `sample` draws factors exp(s) with s Gaussian of standard deviation `spread`.

    Example:
        >>> g = Scaling(3).sample()
        >>> torch.equal(g, g[0, 0] * torch.eye(3))
        True
    """

    n: int
    spread: float = 0.5

    def draw(self, *shape: int, generator: torch.Generator | None) -> Tensor:
        """Log-normal factors."""
        factor = (self.spread * standard_normal(*shape, 1, 1, generator=generator)).exp()
        element = factor * torch.eye(self.n).to(factor)
        return element


@dataclass(frozen=True)
class Similarity(LinearGroup):
    """Rotations, reflections and changes of unit, s Q: the product of O(n) and Scaling(n), which commute.

    Example:
        >>> g = Similarity(3).sample()
        >>> ratio = g @ g.mT / (g @ g.mT)[0, 0]
        >>> torch.allclose(ratio, torch.eye(3), atol=1e-5)
        True
    """

    n: int
    spread: float = 0.5

    def draw(self, *shape: int, generator: torch.Generator | None) -> Tensor:
        """Uniform Q, log-normal s."""
        turn = haar_orthogonal(self.n, *shape, generator=generator, dtype=torch.float64)
        factor = Scaling(self.n, self.spread).draw(*shape, generator=generator)
        return turn @ factor


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
