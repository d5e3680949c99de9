"""Parts that move on their own: G^k acts on the `point` axis through the part that every point belongs to."""

from jaxtyping import Int, Shaped
from torch import Tensor

from intertwine.groups.group import Group
from intertwine.groups.power import Power
from intertwine.groups.representation import Action, Representation


class Piecewise(Action):
    r"""Every part of a cloud is moved by an element of its own.

        act((g_1, ..., g_k), x)_i = g_part(i) x_i

    `base` says how one element moves what a single point carries: `Points(SE(3))` for positions `[*batch, point, n]`,
    `LastAxis(...)` for vectors `[*batch, point, dim]`, a `Representation` for features `[*batch, point, dim, channel]`.
    The partition belongs to the action: to be equivariant for a partition is to be so for every one that is coarser,
    because the parts that it joins may move together.

    Raises ValueError when a part number is negative or not below `parts`.

    Example:
        >>> import torch
        >>> from intertwine.groups.actions import Points
        >>> from intertwine.groups.euclidean import Translation
        >>> bend = Piecewise(Points(Translation(1)), torch.tensor([0, 0, 1]), parts=2)
        >>> bend.act(torch.tensor([[0.0], [10.0]]), torch.tensor([[1.0], [2.0], [3.0]]))[:, 0]
        tensor([ 1.,  2., 13.])

    Reference: Atzmon et al., 2024, arXiv:2402.08529 (the piecewise action of APEN).
    """

    def __init__(self, base: Action, part: Int[Tensor, "*batch point"], parts: int) -> None:
        check_parts("Piecewise", part, parts)
        self.base, self.part = base, part
        self._group = Power(base.group, parts)

    @property
    def group(self) -> Group:
        """The direct power, one element for each part."""
        return self._group

    def act(self, g: Shaped[Tensor, "..."], x: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """Move every point by the element of its part."""
        of_point = g[self.part]
        if isinstance(self.base, Representation):
            return self.base.act(of_point, x)
        return self.base.act(of_point, x.unsqueeze(-2)).squeeze(-2)


def check_parts(name: str, part: Int[Tensor, "..."], parts: int) -> None:
    """Raise ValueError unless every part number is one of 0 to parts - 1."""
    if part.numel() and not (int(part.min()) >= 0 and int(part.max()) < parts):
        raise ValueError(
            f"{name}: expected part numbers from 0 to {parts - 1} for {parts} parts, came {int(part.min())} to "
            f"{int(part.max())} in `part`. Count them from zero, or raise `parts`."
        )
