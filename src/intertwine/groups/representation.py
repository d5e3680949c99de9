"""How a group acts on the `dim` axis of a feature: adds representations by matrices, their sums, products, duals."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from intertwine.groups.group import Group


class Action(ABC):
    """A way for a group to move tensors: act(compose(g, h), x) = act(g, act(h, x)).

    `Representation` is the linear kind, on the `dim` axis of the house layout. See `actions` for the others: points
    that move affinely, vectors on the last axis.

    Example:
        >>> from intertwine.groups.classical import SO
        >>> action: Action = Standard(SO(3))
        >>> action.act(SO(3).identity(), torch.tensor([[1.0], [2.0], [3.0]]))[:, 0]
        tensor([1., 2., 3.])
    """

    @property
    @abstractmethod
    def group(self) -> Group:
        """The group that acts."""

    @abstractmethod
    def act(self, g: Shaped[Tensor, "..."], x: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """The tensor that g makes of x."""


class Representation(Action):
    """A linear action on the `dim` axis, given by matrices.

        matrix(compose(g, h)) = matrix(g) matrix(h),      act(g, x) = matrix(g) x

    `a + b` stacks features, `a * b` is their outer product, `~a` acts on linear functions of a feature. Elements that
    are whole numbers give float64 matrices; `act` casts them to the dtype of x.

    Example:
        >>> from intertwine.groups.classical import SO
        >>> vector = Standard(SO(3))
        >>> feature = Trivial(SO(3)) + vector * vector
        >>> g = SO(3).sample(5)
        >>> feature.dim, feature.act(g, torch.randn(5, 10, 2)).shape
        (10, torch.Size([5, 10, 2]))
    """

    @property
    @abstractmethod
    def dim(self) -> int:
        """Length of the axis acted on."""

    @abstractmethod
    def matrix(self, g: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch dim dim"]:
        """The matrix of every element."""

    def act(self, g: Shaped[Tensor, "..."], x: Shaped[Tensor, "*batch dim channel"]) -> Shaped[Tensor, "..."]:
        """Apply the matrices along `dim`; batch axes of g and x broadcast."""
        return self.matrix(g).to(dtype=x.dtype, device=x.device) @ x

    def dual(self) -> "Representation":
        """The action on linear functions of the feature; also `~rep`."""
        return Dual(self)

    def __add__(self, other: "Representation") -> "Representation":
        return Sum(self, other)

    def __mul__(self, other: "Representation") -> "Representation":
        return Product(self, other)

    def __invert__(self) -> "Representation":
        return Dual(self)


class Sum(Representation):
    """Features one below the other: block-diagonal matrices.

    Example:
        >>> from intertwine.groups.classical import SO
        >>> Sum(Trivial(SO(3)), Standard(SO(3)), Standard(SO(3))).dim
        7
    """

    def __init__(self, *terms: Representation) -> None:
        self.terms = terms
        self._group = common_group("Sum", terms)

    @property
    def group(self) -> Group:
        """The group of every term."""
        return self._group

    @property
    def dim(self) -> int:
        """Sum of the dimensions."""
        return sum(term.dim for term in self.terms)

    def matrix(self, g: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch dim dim"]:
        """Blocks on the diagonal."""
        return block_diagonal([term.matrix(g) for term in self.terms])


class Product(Representation):
    """Outer products of two features, flattened with the second index running fastest: Kronecker products.

    Example:
        >>> from intertwine.groups.classical import SO
        >>> (Standard(SO(3)) * Standard(SO(3))).dim
        9
    """

    def __init__(self, first: Representation, second: Representation) -> None:
        self.first, self.second = first, second
        self._group = common_group("Product", (first, second))

    @property
    def group(self) -> Group:
        """The group of both factors."""
        return self._group

    @property
    def dim(self) -> int:
        """Product of the dimensions."""
        return self.first.dim * self.second.dim

    def matrix(self, g: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch dim dim"]:
        """Kronecker product."""
        outer = torch.einsum("...ij,...kl->...ikjl", self.first.matrix(g), self.second.matrix(g))
        return outer.flatten(-4, -3).flatten(-2, -1)


class Dual(Representation):
    """Linear functions of a feature: matrix(inverse(g))^T. Equal to the original for orthogonal matrices.

    Example:
        >>> from intertwine.groups.euclidean import SE
        >>> (~Standard(SE(3))).dim
        4
    """

    def __init__(self, base: Representation) -> None:
        self.base = base

    @property
    def group(self) -> Group:
        """The same group."""
        return self.base.group

    @property
    def dim(self) -> int:
        """The same dimension."""
        return self.base.dim

    def matrix(self, g: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch dim dim"]:
        """Transpose of the inverse."""
        return self.base.matrix(self.group.inverse(g)).mT


class Restrict(Representation):
    """A representation seen by another group, through a homomorphism into the group it belongs to.

        matrix(h) = base.matrix(embedding(h))

    The embedding of a subgroup gives the restriction; any homomorphism works, such as `linear_part` from E(n) to O(n).

    Example:
        >>> from intertwine.groups.classical import SO
        >>> from intertwine.groups.finite import Cyclic
        >>> quarter_turns = Restrict(Standard(SO(2)), Cyclic(4), Cyclic(4).turn)
        >>> quarter_turns.matrix(torch.tensor(1)).round()
        tensor([[ 0., -1.],
                [ 1.,  0.]], dtype=torch.float64)
    """

    def __init__(self, base: Representation, group: Group, embedding: Callable[[Tensor], Tensor]) -> None:
        self.base, self._group, self.embedding = base, group, embedding

    @property
    def group(self) -> Group:
        """The group that acts through the embedding."""
        return self._group

    @property
    def dim(self) -> int:
        """The same dimension."""
        return self.base.dim

    def matrix(self, g: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch dim dim"]:
        """Matrix of the embedded element."""
        return self.base.matrix(self.embedding(g))


class Trivial(Representation):
    """Invariant features: every element acts as the unit matrix.

    Example:
        >>> from intertwine.groups.classical import SO
        >>> Trivial(SO(3), 2).matrix(SO(3).sample())
        tensor([[1., 0.],
                [0., 1.]])
    """

    def __init__(self, group: Group, dim: int = 1) -> None:
        self._group, self._dim = group, dim

    @property
    def group(self) -> Group:
        """The group that does nothing."""
        return self._group

    @property
    def dim(self) -> int:
        """Number of invariants."""
        return self._dim

    def matrix(self, g: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch dim dim"]:
        """Unit matrices."""
        batch = g.shape[: g.dim() - len(self.group.element_shape)]
        dtype = g.dtype if g.is_floating_point() else torch.float64
        return torch.eye(self.dim, dtype=dtype, device=g.device).expand(*batch, self.dim, self.dim)


class Standard(Representation):
    """The defining representation of a group of matrices: vectors for SO(n) and O(n), homogeneous ones for SE(n), E(n).

    Raises ValueError for a group whose elements are not square matrices.

    Example:
        >>> from intertwine.groups.classical import SO
        >>> Standard(SO(3)).dim
        3
    """

    def __init__(self, group: Group) -> None:
        shape = group.element_shape
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(
                f"Standard: expected a group of square matrices, came {group} with elements of shape {shape}. "
                f"Try Regular for Cyclic and PermutationMatrix for Permutation."
            )
        self._group = group

    @property
    def group(self) -> Group:
        """The group of matrices."""
        return self._group

    @property
    def dim(self) -> int:
        """Side of the matrices."""
        return self.group.element_shape[0]

    def matrix(self, g: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch dim dim"]:
        """The element itself."""
        return g


class Determinant(Representation):
    """Numbers that change sign under reflections (pseudo-scalars): the determinant of the element.

    Example:
        >>> from intertwine.groups.classical import O
        >>> Determinant(O(3)).matrix(-torch.eye(3))
        tensor([[-1.]])
    """

    def __init__(self, group: Group) -> None:
        self._group = Standard(group).group

    @property
    def group(self) -> Group:
        """The group of matrices."""
        return self._group

    @property
    def dim(self) -> int:
        """One."""
        return 1

    def matrix(self, g: Shaped[Tensor, "..."]) -> Float[Tensor, "*batch dim dim"]:
        """Determinants."""
        return torch.linalg.det(g)[..., None, None]


def block_diagonal(blocks: list[Tensor]) -> Float[Tensor, "*batch dim dim"]:
    """Square blocks along the diagonal, batch axes in front."""
    batch = torch.broadcast_shapes(*(block.shape[:-2] for block in blocks))
    dim = sum(block.shape[-1] for block in blocks)
    matrix = blocks[0].new_zeros(*batch, dim, dim)
    start = 0
    for block in blocks:
        stop = start + block.shape[-1]
        matrix[..., start:stop, start:stop] = block
        start = stop
    return matrix


def common_group(name: str, terms: tuple[Representation, ...]) -> Group:
    """The group that all representations share; ValueError when there is none."""
    if not terms:
        raise ValueError(f"{name}: expected at least one representation, came none.")
    for term in terms:
        if term.group != terms[0].group:
            raise ValueError(
                f"{name}: expected representations of one group, came {terms[0].group} and {term.group}. "
                f"Bring them to one group with Restrict."
            )
    return terms[0].group
