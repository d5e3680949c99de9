"""What generates a group, and how a representation moves its generators; adds tangents and discrete elements."""

from dataclasses import dataclass
from functools import singledispatch
from itertools import combinations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from intertwine.groups.classical import SO, O
from intertwine.groups.euclidean import SE, E, Translation, pure_rotation, pure_translation
from intertwine.groups.finite import Cyclic, Permutation
from intertwine.groups.group import Group
from intertwine.groups.representation import Dual, Product, Representation, Restrict, Standard, Sum, Trivial


@dataclass(frozen=True)
class Generators:
    """Tangents at the identity and single elements which together generate a group.

    Products of exponentials of multiples of `lie` and of elements of `discrete` reach every element.

    Example:
        >>> len(generators(SE(3)).lie)
        6
    """

    lie: Float[Tensor, "lie *element"]
    """A basis of the Lie algebra: derivatives of curves through the identity, in float64."""
    discrete: Shaped[Tensor, "discrete *element"]
    """Elements, such as one reflection."""


@singledispatch
def generators(group: Group) -> Generators:
    """Generators of a group: `lie` of shape `[k, *element_shape]`, `discrete` of shape `[m, *element_shape]`.

    A group of your own registers its own: `@generators.register(MyGroup)`.

    Raises ValueError for a group that has registered none.

    Example:
        >>> found = generators(O(3))
        >>> found.lie.shape, found.discrete.shape
        (torch.Size([3, 3, 3]), torch.Size([1, 3, 3]))

    Reference: Finzi, Welling, Wilson, 2021, A Practical Method for Constructing Equivariant Multilayer Perceptrons for
    Arbitrary Matrix Groups, section 4.
    """
    raise ValueError(
        f"generators: expected a group with known generators, came {group}. "
        f"Name them with @generators.register({type(group).__name__})."
    )


@generators.register(SO)
def _(group: SO) -> Generators:
    return Generators(skew_basis(group.n), none_of(group))


@generators.register(O)
def _(group: O) -> Generators:
    return Generators(skew_basis(group.n), reflection(group.n)[None])


@generators.register(SE)
def _(group: SE) -> Generators:
    return Generators(_motions(group.n), none_of(group))


@generators.register(E)
def _(group: E) -> Generators:
    return Generators(_motions(group.n), pure_rotation(reflection(group.n))[None])


@generators.register(Translation)
def _(group: Translation) -> Generators:
    return Generators(torch.eye(group.n, dtype=torch.float64), none_of(group))


@generators.register(Cyclic)
def _(group: Cyclic) -> Generators:
    return Generators(none_of(group), torch.tensor([1 % group.n]))


@generators.register(Permutation)
def _(group: Permutation) -> Generators:
    places = torch.arange(group.n)
    swap = torch.cat([places[:2].flip(0), places[2:]])
    return Generators(none_of(group), torch.stack([swap, places.roll(1)]))


def differential(rep: Representation, tangent: Float[Tensor, "*element"]) -> Float[Tensor, "dim dim"]:
    r"""How a representation moves a tangent: the derivative of its matrix along a curve through the identity.

        drho(X) = d/dt matrix( g(t) ) at t = 0,      g(0) = identity,  g'(0) = X

    Sums, products (X (x) 1 + 1 (x) X), duals (-X^T) and restrictions follow exact rules. Any other representation is
    differentiated by forward-mode automatic differentiation of `matrix`: exact too, where `matrix` is smooth.

    Example:
        >>> vector = Standard(SO(3))
        >>> x = generators(SO(3)).lie[0]
        >>> torch.equal(differential(vector, x), x), differential(vector * vector, x).shape
        (True, torch.Size([9, 9]))
    """
    match rep:
        case Trivial():
            return tangent.new_zeros(rep.dim, rep.dim)
        case Standard():
            return tangent
        case Sum():
            return torch.block_diag(*(differential(term, tangent) for term in rep.terms))
        case Product():
            first, second = (differential(factor, tangent) for factor in (rep.first, rep.second))
            one, two = (torch.eye(len(each), dtype=each.dtype) for each in (first, second))
            return torch.kron(first, two) + torch.kron(one, second)
        case Dual():
            return -differential(rep.base, tangent).mT.contiguous()  # kron wants it so
        case Restrict():
            return differential(rep.base, _derivative(rep.embedding, rep.group, tangent))
        case _:
            return _derivative(rep.matrix, rep.group, tangent)


def skew_basis(n: int) -> Float[Tensor, "lie n n"]:
    """The Lie algebra of SO(n): a quarter turn in each coordinate plane."""
    basis = torch.zeros(n * (n - 1) // 2, n, n, dtype=torch.float64)
    for turn, (i, j) in zip(basis, combinations(range(n), 2)):
        turn[i, j], turn[j, i] = -1.0, 1.0
    return basis


def reflection(n: int, axis: int = 0) -> Float[Tensor, "n n"]:
    """The unit matrix with the sign of one axis flipped."""
    diagonal = torch.ones(n, dtype=torch.float64)
    diagonal[axis] = -1.0
    return diagonal.diag()


def none_of(group: Group) -> Float[Tensor, "0 *element"]:
    """No generators, in the shape of a group's elements."""
    return torch.zeros(0, *group.element_shape, dtype=torch.float64)


def _motions(n: int) -> Tensor:
    turns = torch.nn.functional.pad(skew_basis(n), (0, 1, 0, 1))
    shifts = pure_translation(torch.eye(n, dtype=torch.float64)) - torch.eye(n + 1, dtype=torch.float64)
    return torch.cat([turns, shifts])


def _derivative(function, group: Group, tangent: Tensor) -> Tensor:
    return torch.func.jvp(function, (group.identity(dtype=tangent.dtype),), (tangent,))[1]
