"""Subgroups that act on the `dim` axis through the group that holds them: adds O(n - 1) about an axis, and a check."""

from dataclasses import dataclass

import torch
from torch import Tensor

from intertwine.groups.generators import Generators, generators, none_of, reflection, skew_basis
from intertwine.groups.group import Group
from intertwine.groups.haar import haar_orthogonal
from intertwine.groups.matrix_group import OrthogonalGroup
from intertwine.groups.representation import Representation, Restrict


class SubgroupError(ValueError):
    """A group that is asked to act through another one without being a part of it."""


@dataclass(frozen=True)
class FixedAxis(OrthogonalGroup):
    """Rotations and reflections of n-dimensional space that leave one axis in place: a copy of O(n - 1) inside O(n).

    With n = 3 and the vertical axis this is the symmetry of problems with gravity. Also written O(2)_xy for axis z.

    Example:
        >>> up = torch.tensor([0.0, 0.0, 1.0])
        >>> torch.allclose(FixedAxis(3, axis=2).sample() @ up, up)
        True
    """

    n: int
    axis: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n < 2 or not 0 <= self.axis < self.n:
            raise ValueError(
                f"FixedAxis: expected an axis 0 to n - 1 of n >= 2, came axis {self.axis} of n = {self.n}."
            )

    def draw(self, *shape: int, generator: torch.Generator | None) -> Tensor:
        """Uniform (Haar) elements of the copy of O(n - 1)."""
        moving = [i for i in range(self.n) if i != self.axis]
        element = torch.eye(self.n, dtype=torch.float64).expand(*shape, self.n, self.n).clone()
        turned = haar_orthogonal(self.n - 1, *shape, generator=generator, dtype=torch.float64).to(element)
        element[..., torch.tensor(moving)[:, None], torch.tensor(moving)] = turned
        return element


@dataclass(frozen=True)
class Unit(OrthogonalGroup):
    """Only the unit matrix: the group of no symmetry, with which every map commutes.

    Example:
        >>> torch.equal(Unit(2).sample(), torch.eye(2))
        True
    """

    n: int

    def draw(self, *shape: int, generator: torch.Generator | None) -> Tensor:
        """Unit matrices."""
        return torch.eye(self.n, dtype=torch.float64).expand(*shape, self.n, self.n)


@generators.register(FixedAxis)
def _(group: FixedAxis) -> Generators:
    turns = skew_basis(group.n)
    return Generators(
        turns[turns[:, group.axis].abs().sum(-1) == 0], reflection(group.n, (group.axis + 1) % group.n)[None]
    )


@generators.register(Unit)
def _(group: Unit) -> Generators:
    return Generators(none_of(group), none_of(group))


def restrict(rep: Representation, subgroup: Group) -> Restrict:
    """The representation of a group of matrices as one of a subgroup with matrices of the same size.

    Raises SubgroupError when the group does not hold the generators of the subgroup: their tangents lie outside its
    Lie algebra, or its inverse does not undo their elements.

    Example:
        >>> from intertwine.groups.classical import O
        >>> from intertwine.groups.representation import Standard
        >>> restrict(Standard(O(3)), FixedAxis(3, axis=2)).group
        FixedAxis(n=3, axis=2)
    """
    group = rep.group
    if subgroup == group:
        return Restrict(rep, subgroup, _same)
    if subgroup.element_shape != group.element_shape:
        raise SubgroupError(
            f"restrict: expected a subgroup of {group}, came {subgroup} with elements of another shape. "
            f"Name the embedding with Restrict."
        )
    whole, part = generators(group), generators(subgroup)
    both = torch.cat([whole.lie, part.lie]).flatten(1)
    grows = torch.linalg.matrix_rank(both) > len(whole.lie) if len(part.lie) else False
    undone = group.compose(part.discrete, group.inverse(part.discrete))
    if grows or not torch.allclose(undone, group.identity(dtype=torch.float64).expand_as(undone), atol=1e-10):
        raise SubgroupError(f"restrict: expected a subgroup of {group}, came {subgroup}, which is none.")
    return Restrict(rep, subgroup, _same)


def _same(g: Tensor) -> Tensor:
    return g
