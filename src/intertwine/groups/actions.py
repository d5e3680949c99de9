"""Actions on tensors outside the house layout: E(n) moves points, any representation acts on one or two last axes."""

from jaxtyping import Float, Shaped
from torch import Tensor

from intertwine.groups.euclidean import SE, E, Translation, linear_part, translation_part
from intertwine.groups.group import Group
from intertwine.groups.representation import Action, Representation


class Points(Action):
    """Positions in space, coordinates on the last axis: E(n), SE(n) or Translation(n) moves every point.

        act(g, x) = Q x + t

    Affine, so not a representation. Batch axes of g stand before all axes of x but the two last: `[*batch, point, n]`.

    Example:
        >>> import torch
        >>> g = E(3).sample()
        >>> Points(E(3)).act(g, torch.zeros(5, 3)).shape
        torch.Size([5, 3])
    """

    def __init__(self, group: E | SE | Translation) -> None:
        self._group = group

    @property
    def group(self) -> E | SE | Translation:
        """The group of motions."""
        return self._group

    def act(self, g: Float[Tensor, "..."], x: Float[Tensor, "*batch point n"]) -> Float[Tensor, "..."]:
        """Move every point."""
        g = g.to(dtype=x.dtype, device=x.device)
        if isinstance(self.group, Translation):
            return x + g[..., None, :]
        return x @ linear_part(g).mT + translation_part(g)[..., None, :]


class LastAxis(Action):
    """A representation on the last axis instead of `dim`: vectors stored as `[*batch, row, dim]`, such as forces.

    Example:
        >>> import torch
        >>> from intertwine.groups.classical import SO
        >>> from intertwine.groups.representation import Standard
        >>> LastAxis(Standard(SO(3))).act(SO(3).sample(), torch.zeros(5, 3)).shape
        torch.Size([5, 3])
    """

    def __init__(self, base: Representation) -> None:
        self.base = base

    @property
    def group(self) -> Group:
        """The same group."""
        return self.base.group

    def act(self, g: Shaped[Tensor, "..."], x: Shaped[Tensor, "*batch row dim"]) -> Shaped[Tensor, "..."]:
        """Apply the matrices along the last axis."""
        return self.base.act(g, x.mT).mT


class BothAxes(Action):
    """A representation on the last two axes at once: tensors stored as `[*batch, dim, dim]`, such as stresses or, with
    permutation matrices, adjacency.

        act(g, x) = M x M^T,      M = base.matrix(g)

    Example:
        >>> import torch
        >>> from intertwine.groups.classical import SO
        >>> from intertwine.groups.representation import Standard
        >>> BothAxes(Standard(SO(3))).act(SO(3).sample(), torch.eye(3)).round().abs()
        tensor([[1., 0., 0.],
                [0., 1., 0.],
                [0., 0., 1.]])
    """

    def __init__(self, base: Representation) -> None:
        self.base = base

    @property
    def group(self) -> Group:
        """The same group."""
        return self.base.group

    def act(self, g: Shaped[Tensor, "..."], x: Shaped[Tensor, "*batch dim dim"]) -> Shaped[Tensor, "..."]:
        """Apply the matrices along both axes."""
        return self.base.act(g, self.base.act(g, x).mT).mT
