"""Equivariant polynomials: bases of the symmetric powers of a feature; O(3) acts on `dim`."""

from functools import lru_cache
from itertools import combinations_with_replacement
from math import prod, sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.irreps import Irrep, Irreps

RANK_TOLERANCE = 1e-10
"""Variance below which a polynomial depends on those before it; in practice 1e-15 meets 0.09."""


class Monomials(nn.Module):
    r"""All monomials of degree 1 to `order` in the components of a feature, each one product from a shorter one.

        monomial_n = monomial_(n-1)[parent] * x[last]

    Shapes: x `*batch dim channel`, result `*batch monomial channel`, by degree, then lexicographic.

    Example:
        >>> Monomials(2, 2)(torch.tensor([[2.0], [3.0]])).flatten()      # x, y, xx, xy, yy
        tensor([2., 3., 4., 6., 9.])
    """

    def __init__(self, dim: int, order: int):
        super().__init__()
        self.order = order
        self.counts = [len(exponents(dim, n)) for n in range(1, order + 1)]
        for n in range(2, order + 1):
            shorter = {indices: place for place, indices in enumerate(combinations_with_replacement(range(dim), n - 1))}
            longer = list(combinations_with_replacement(range(dim), n))
            self.register_buffer(f"parent{n}", torch.tensor([shorter[i[:-1]] for i in longer]), persistent=False)
            self.register_buffer(f"last{n}", torch.tensor([i[-1] for i in longer]), persistent=False)

    def forward(self, x: Float[Tensor, "*batch dim channel"]) -> Float[Tensor, "*batch monomial channel"]:
        """Evaluate all monomials."""
        found = [x]
        for n in range(2, self.order + 1):
            parent, last = self.get_buffer(f"parent{n}"), self.get_buffer(f"last{n}")
            found.append(found[-1].index_select(-2, parent) * x.index_select(-2, last))
        return torch.cat(found, dim=-2)

    def padding(self, n: int) -> tuple[int, int]:
        """Columns before and after the monomials of degree `n`."""
        return sum(self.counts[: n - 1]), sum(self.counts[n:])


@lru_cache(maxsize=64)
def symmetric_power(irreps: Irreps, order: int, lmax: int) -> dict[Irrep, Float[Tensor, "basis dim monomial"]]:
    r"""For every irrep up to degree `lmax`, a basis of the equivariant polynomials of degree `order`.

        U[p, m] . monomials(D x) = D^l[m, m'] U[p, m'] . monomials(x)

    Found by coupling one more factor to the bases of the order below and keeping what is independent of those before
    (Gram and Schmidt), so that the basis is the same on every machine: saved weights keep their meaning. For x from
    N(0, 1) the polynomials of one irrep are uncorrelated and have unit variance:

        E[ (U[p, m] . monomials(x)) (U[q, m] . monomials(x)) ] = delta_pq            averaged over m

    The tables are cached: do not write into them.

    Example:
        >>> {str(ir): len(basis) for ir, basis in symmetric_power(Irreps("0e+1o"), 2, 2).items()}
        {'0e': 2, '1o': 1, '2e': 1}
    """
    bases = {Irrep(0, 1): torch.ones(1, 1, 1, dtype=torch.float64)}
    for n in range(1, order + 1):
        reach = lmax + (order - n) * irreps.lmax
        bases = _couple_one_more(bases, irreps, n, reach)
    return bases


def _couple_one_more(
    bases: dict[Irrep, Tensor], irreps: Irreps, n: int, reach: int
) -> dict[Irrep, Float[Tensor, "basis dim monomial"]]:
    target = _extension(irreps.dim, n)
    count = len(exponents(irreps.dim, n))
    found: dict[Irrep, list[Tensor]] = {}
    for ir1, basis in bases.items():
        for ir2, where in zip(irreps, irreps.slices(), strict=True):
            columns = target[:, where].flatten()
            for ir3 in ir1 * ir2:
                if ir3.l <= reach:
                    coupled = torch.einsum("pam,abk->pkmb", basis, wigner_3j(ir1.l, ir2.l, ir3.l)).flatten(2)
                    table = coupled.new_zeros(*coupled.shape[:2], count).index_add(2, columns, coupled)
                    found.setdefault(ir3, []).append(table)
    gram = _moments(irreps.dim, n)
    independent = {ir: _orthonormal(torch.cat(tables), gram) for ir, tables in sorted(found.items())}
    return {ir: basis for ir, basis in independent.items() if len(basis)}


def _orthonormal(
    tables: Float[Tensor, "any dim monomial"], gram: Float[Tensor, "monomial monomial"]
) -> Float[Tensor, "basis dim monomial"]:
    covariance = torch.einsum("pka,qka->pq", tables @ gram, tables) / tables.shape[1]
    kept = covariance.new_zeros(0, len(tables))
    for unit in torch.eye(len(tables), dtype=torch.float64):
        rest = unit
        for _ in range(2):  # the second time removes what rounding left
            rest = rest - (kept @ (covariance @ rest)) @ kept
        variance = float(rest @ covariance @ rest)
        if variance > RANK_TOLERANCE:
            kept = torch.cat([kept, rest[None] / sqrt(variance)])
    return torch.einsum("rp,pka->rka", kept, tables)


def exponents(dim: int, n: int) -> list[tuple[int, ...]]:
    """The monomials of degree `n` as sorted tuples of component indices."""
    return list(combinations_with_replacement(range(dim), n))


def _extension(dim: int, n: int) -> Tensor:
    """Index of (monomial of degree n - 1) times (component), `[monomial, dim]`."""
    place = {indices: index for index, indices in enumerate(exponents(dim, n))}
    return torch.tensor(
        [[place[tuple(sorted((*shorter, i)))] for i in range(dim)] for shorter in exponents(dim, n - 1)]
    )


def _moments(dim: int, n: int) -> Float[Tensor, "monomial monomial"]:
    """E[monomial_a monomial_b] for independent N(0, 1) components: the product of (power - 1)!! over even powers."""
    powers = torch.zeros(len(exponents(dim, n)), dim, dtype=torch.long)
    for row, indices in enumerate(exponents(dim, n)):
        for i in indices:
            powers[row, i] += 1
    double_factorial = torch.tensor(
        [0 if k % 2 else prod(range(1, k, 2)) for k in range(2 * n + 1)], dtype=torch.float64
    )
    gram = torch.ones(len(powers), len(powers), dtype=torch.float64)
    for i in range(dim):
        gram *= double_factorial[powers[:, i, None] + powers[None, :, i]]
    return gram
