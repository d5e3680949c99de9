"""Linear maps on the `dim` axis that commute with a group: adds their basis and the exact projection onto them."""

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.groups.generators import differential, generators
from intertwine.groups.representation import Dual, Product, Representation, Restrict, Standard, Sum, Trivial

DOUBTFUL, TOLERANCE = 1e-12, 1e-8
"""Squared singular values of the constraints, in units of the largest: below the first they are zero, above the second
not; those between say that the constraints decide nothing."""

ONE_BLOCK = 256
"""Numbers of a map that is not worth cutting into blocks."""


class ProjectorError(ValueError):
    """Representations without a projector between them: of two groups, or with constraints that decide nothing."""


def intertwiners(v: Representation, w: Representation) -> Float[Tensor, "multiplicity dim_w dim_v"]:
    r"""An orthonormal basis (Frobenius norm, float64) of the linear maps from v to w that commute with the group.

        Hom_G(v, w) = { M :  drho_w(X) M = M drho_v(X),  rho_w(h) M = M rho_v(h) }    X in lie, h in discrete generators

    Exact up to rounding for every group with `generators`, compact or not, and for matrices that are not orthogonal: it
    is the null space of these equations. One basis is as good as another; only its span has a meaning.

    Cost: the eigenvectors of one matrix of side dim_v * dim_w.

    Raises ProjectorError when v and w belong to two groups, or their matrices hold numbers not finite or too coarse
    to decide which maps commute.

    Example:
        >>> from intertwine.groups.classical import O
        >>> vector = Standard(O(3))
        >>> intertwiners(vector, vector).shape, intertwiners(vector * vector, vector * vector).shape
        (torch.Size([1, 3, 3]), torch.Size([3, 9, 9]))

    Reference: Finzi, Welling, Wilson, 2021, arXiv:2104.09459, theorem 1 and section 5.
    """
    if v.group != w.group:
        raise ProjectorError(
            f"intertwiners: expected representations of one group, came {v.group} and {w.group}. "
            f"Bring them to one with Restrict."
        )
    found = generators(v.group)
    pairs = [(differential(w, x), differential(v, x)) for x in (x / x.norm() for x in found.lie)]
    pairs += [(w.matrix(h).to(torch.float64), v.matrix(h).to(torch.float64)) for h in found.discrete]
    one_v, one_w = torch.eye(v.dim, dtype=torch.float64), torch.eye(w.dim, dtype=torch.float64)
    # M is flattened row by row, so that A M B becomes kron(A, B^T) M.
    rows = [torch.kron(a.contiguous(), one_v) - torch.kron(one_w, b.mT.contiguous()) for a, b in pairs]
    if not rows:
        return torch.eye(w.dim * v.dim, dtype=torch.float64).unflatten(-1, (w.dim, v.dim))
    return _null_space(torch.cat(rows), f"{v.group}").unflatten(-1, (w.dim, v.dim))


def multiplicity(v: Representation, w: Representation) -> int:
    """Dimension of the space of maps that commute: over how many numbers an equivariant linear map from v to w is free.

    Example:
        >>> from intertwine.groups.classical import O
        >>> multiplicity(Trivial(O(3)), Standard(O(3)) * Standard(O(3)))
        1
    """
    return len(intertwiners(v, w))


class BlockProjector:
    r"""Orthogonal projection of weights onto the maps that commute with the group, block by block of a direct sum.

        P(W)[b, a] = sum_k  Q_k < Q_k, W[b, a] >      Q = intertwiners(a, b)  for each term a of v and b of w

    Linear maps between direct sums fall into blocks, one for each pair of terms; only the basis of each kind of pair is
    stored, and one product serves all copies and channels of it. Equal terms that follow each other are one kind. Maps
    of few numbers are one block: a single product is quicker then than many.
    P P = P = P^T whatever the group and the representation. The distance that it minimises is that of the numbers in
    the weights: where the matrices are not orthogonal, it depends on the basis of the features.

    Shapes: weight `*batch dim_w channel_w dim_v channel_v`, and so is the result.

    Example:
        >>> from intertwine.groups.classical import O
        >>> vector = Standard(O(3))
        >>> project = BlockProjector(vector, vector)
        >>> project(torch.arange(9.0).reshape(3, 1, 3, 1))[:, 0, :, 0].round().abs()
        tensor([[4., 0., 0.],
                [0., 4., 0.],
                [0., 0., 4.]])

    Reference: Kim, Lee, Yang, Lee, 2023, Regularizing Towards Soft Equivariance Under Mixed Symmetries,
    arXiv:2306.00356, section 3; the blocks are ours.
    """

    def __init__(self, v: Representation, w: Representation):
        self.v, self.w = v, w
        small = v.dim * w.dim <= ONE_BLOCK
        self._runs_v, self._runs_w = ([_whole(rep)] if small else _runs(rep) for rep in (v, w))
        known: dict = {}
        for b in self._runs_w:
            for a in self._runs_v:
                if (a.kind, b.kind) not in known:
                    known[a.kind, b.kind] = intertwiners(a.term, b.term)
        self._bases = [[known[a.kind, b.kind] for a in self._runs_v] for b in self._runs_w]
        self._ready: dict = {}

    @property
    def freedom(self) -> int:
        """Numbers over which an equivariant map is free, for one channel: the rank of the projection."""
        pairs = zip(self._runs_w, self._bases)
        return sum(b.copies * a.copies * len(q) for b, row in pairs for a, q in zip(self._runs_v, row))

    def __call__(
        self, weight: Float[Tensor, "*batch dim_w channel_w dim_v channel_v"]
    ) -> Float[Tensor, "*batch dim_w channel_w dim_v channel_v"]:
        """The nearest weight that commutes."""
        if weight.dim() < 4 or weight.shape[-4::2] != (self.w.dim, self.v.dim):
            raise ProjectorError(
                f"BlockProjector: expected a weight [*batch, {self.w.dim}, channel, {self.v.dim}, channel], "
                f"came shape {tuple(weight.shape)}. Add channel axes of length one to a plain matrix."
            )
        rows = [
            torch.cat([_project(weight[..., b.where, :, a.where, :], q, a, b) for a, q in zip(self._runs_v, row)], -2)
            for b, row in zip(self._runs_w, self._in(weight.dtype, weight.device))
        ]
        return torch.cat(rows, -4)

    def _in(self, dtype: torch.dtype, device: torch.device) -> list[list[Tensor]]:
        if (dtype, device) not in self._ready:
            self._ready[dtype, device] = [[q.to(dtype=dtype, device=device) for q in row] for row in self._bases]
        return self._ready[dtype, device]


@dataclass(frozen=True)
class _Run:
    """Equal terms of a sum that follow each other."""

    kind: Hashable
    term: Representation
    copies: int
    where: slice


def _whole(rep: Representation) -> _Run:
    return _Run(id(rep), rep, 1, slice(0, rep.dim))


def _runs(rep: Representation) -> list[_Run]:
    runs, start = [], 0
    for kind, group in groupby(_terms(rep), _kind):
        terms = list(group)
        stop = start + len(terms) * terms[0].dim
        runs.append(_Run(kind, terms[0], len(terms), slice(start, stop)))
        start = stop
    return runs


def _terms(rep: Representation) -> list[Representation]:
    match rep:
        case Sum():
            return [inner for term in rep.terms for inner in _terms(term)]
        case Trivial():
            return [Trivial(rep.group)] * rep.dim
        case Restrict():
            return [Restrict(term, rep.group, rep.embedding) for term in _terms(rep.base)]
    return [rep]


def _kind(rep: Representation) -> Hashable:
    match rep:
        case Trivial() | Standard():
            return type(rep), rep.group, rep.dim
        case Product():
            return Product, _kind(rep.first), _kind(rep.second)
        case Dual():
            return Dual, _kind(rep.base)
        case Restrict():
            return Restrict, _kind(rep.base), rep.group, rep.embedding
    return id(rep)


def _project(block: Tensor, basis: Tensor, a: _Run, b: _Run) -> Tensor:
    if not len(basis):
        return torch.zeros_like(block)
    copies = block.unflatten(-2, (a.copies, -1)).unflatten(-5, (b.copies, -1))  # [..., copy_w, w, c, copy_v, v, e]
    coefficient = torch.einsum("...mwcnve,kwv->...mcnek", copies, basis)
    return torch.einsum("...mcnek,kwv->...mwcnve", coefficient, basis).flatten(-6, -5).flatten(-3, -2)


def _null_space(constraints: Tensor, group: str) -> Tensor:
    """Orthonormal rows that the constraints send to zero: the squared singular values fall into two far groups."""
    if not constraints.isfinite().all():
        raise ProjectorError(
            f"intertwiners: expected finite matrices at the generators of {group}, came NaN or infinity."
        )
    squares, vectors = torch.linalg.eigh(constraints.mT @ constraints)
    size = max(1.0, float(squares[-1]))
    if bool(((squares > DOUBTFUL * size) & (squares < TOLERANCE * size)).any()):
        raise ProjectorError(
            f"intertwiners: the generators of {group} do not decide which maps commute (squared singular values down "
            f"to {float(squares[squares > DOUBTFUL * size][0]):.1e}); bring them and the representation to float64."
        )
    return vectors[:, squares <= DOUBTFUL * size].mT
