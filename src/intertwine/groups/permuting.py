"""Finite groups that move the rows of the `dim` axis: adds the regular representation and permutation matrices."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from intertwine.groups.finite import Cyclic, Permutation
from intertwine.groups.representation import Representation


class Regular(Representation):
    """Functions on a cyclic group, shifted by it: (g x)[(i + g) mod n] = x[i].

    Example:
        >>> Regular(Cyclic(3)).act(torch.tensor(1), torch.tensor([[5.0], [6.0], [7.0]]))[:, 0]
        tensor([7., 5., 6.])
    """

    def __init__(self, group: Cyclic) -> None:
        self._group = group

    @property
    def group(self) -> Cyclic:
        """The cyclic group."""
        return self._group

    @property
    def dim(self) -> int:
        """Order of the group."""
        return self.group.n

    def matrix(self, g: Int[Tensor, "..."]) -> Float[Tensor, "*batch dim dim"]:
        """Shift matrices."""
        places = torch.arange(self.dim, device=g.device)
        return moving_matrix((places + g[..., None]) % self.dim)


class PermutationMatrix(Representation):
    """Features with one row per place: (g x)[g[i]] = x[i].

    Example:
        >>> swap = torch.tensor([1, 0, 2])
        >>> PermutationMatrix(Permutation(3)).act(swap, torch.tensor([[5.0], [6.0], [7.0]]))[:, 0]
        tensor([6., 5., 7.])
    """

    def __init__(self, group: Permutation) -> None:
        self._group = group

    @property
    def group(self) -> Permutation:
        """The permutation group."""
        return self._group

    @property
    def dim(self) -> int:
        """Number of places."""
        return self.group.n

    def matrix(self, g: Int[Tensor, "..."]) -> Float[Tensor, "*batch dim dim"]:
        """Permutation matrices."""
        return moving_matrix(g)


def moving_matrix(to: Int[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim dim"]:
    """The matrix that moves row i to row `to[i]`."""
    return torch.nn.functional.one_hot(to, to.shape[-1]).to(torch.float64).mT
