"""Two groups of matrices that act independently, each on a `dim` axis of its own; adds pairs in one matrix."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.groups.generators import Generators, generators
from intertwine.groups.group import Group
from intertwine.groups.matrix_group import MatrixGroup
from intertwine.groups.representation import Standard, block_diagonal


@dataclass(frozen=True)
class DirectProduct(MatrixGroup):
    """Pairs (g, h), stored as one block-diagonal matrix, with the homomorphisms `left` and `right` onto the factors.

    A representation of a factor becomes one of the pair by `Restrict`; products and sums of such mix the two.

    Raises ValueError for a factor whose elements are not square matrices.

    Example:
        >>> from intertwine.groups.classical import SO, O
        >>> from intertwine.groups.representation import Restrict
        >>> pairs = DirectProduct(O(3), SO(2))
        >>> mixed = Restrict(Standard(O(3)), pairs, pairs.left) * Restrict(Standard(SO(2)), pairs, pairs.right)
        >>> mixed.dim, mixed.matrix(pairs.sample()).shape
        (6, torch.Size([6, 6]))
    """

    first: Group
    second: Group

    def __post_init__(self) -> None:
        for factor in self._factors:
            Standard(factor)

    @property
    def side(self) -> int:
        """The sum of the sides of the factors."""
        return self.first.element_shape[0] + self.second.element_shape[0]

    def draw(self, *shape: int, generator: torch.Generator | None) -> Tensor:
        """Independent elements of the factors."""
        pair = [each.sample(*shape, generator=generator, dtype=torch.float64) for each in self._factors]
        return block_diagonal(pair)

    def inverse(self, g: Float[Tensor, "*batch m m"]) -> Float[Tensor, "*batch m m"]:
        """The inverses of both."""
        return block_diagonal([self.first.inverse(self.left(g)), self.second.inverse(self.right(g))])

    def left(self, g: Float[Tensor, "*batch m m"]) -> Float[Tensor, "*batch n n"]:
        """The element of the first factor."""
        side = self.first.element_shape[0]
        return g[..., :side, :side]

    def right(self, g: Float[Tensor, "*batch m m"]) -> Float[Tensor, "*batch n n"]:
        """The element of the second factor."""
        side = self.first.element_shape[0]
        return g[..., side:, side:]

    @property
    def _factors(self) -> tuple[Group, Group]:
        return self.first, self.second


@generators.register(DirectProduct)
def _(group: DirectProduct) -> Generators:
    left, right = generators(group.first), generators(group.second)
    zero, one = (torch.zeros(1, *f.element_shape, dtype=torch.float64) for f in (group.first, group.second))
    units = [f.identity(dtype=torch.float64)[None] for f in (group.first, group.second)]
    lie = [block_diagonal([x[None], one]) for x in left.lie] + [block_diagonal([zero, x[None]]) for x in right.lie]
    elements = [block_diagonal([h[None], units[1]]) for h in left.discrete]
    elements += [block_diagonal([units[0], h[None]]) for h in right.discrete]
    nothing = torch.zeros(0, *group.element_shape, dtype=torch.float64)
    return Generators(torch.cat([nothing, *lie]), torch.cat([nothing, *elements]))
