"""What a product can say: the bilinear maps it spans between equivariant linear maps; O(3) acts on `dim`."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call

from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.irreps import Irrep
from intertwine.tensor_products.base import TensorProduct

LIVE = 1e-9
"""A coefficient below this part of the largest is the rounding of a zero."""
SEPARATE = 1e-9
"""A singular value below this part of the largest does not count towards a rank."""


class Triple(NamedTuple):
    """Which irreps interact: `one` of x and `two` of y give `out`. By Schur's lemma there is one map, times a number.

    Example:
        >>> cross = Triple(Irrep(1, -1), Irrep(1, -1), Irrep(1, 1))
        >>> cross, cross.symmetric
        ((1o, 1o; 1e), False)
    """

    one: Irrep
    two: Irrep
    out: Irrep

    @property
    def symmetric(self) -> bool:
        """Whether the coupling keeps its sign when x and y change places: l1 + l2 + l3 even."""
        return (self.one.l + self.two.l + self.out.l) % 2 == 0

    def __repr__(self) -> str:
        return f"({self.one}, {self.two}; {self.out})"


@dataclass(frozen=True)
class Expressivity:
    """How many independent maps a product gives, beside how many there are: what `expressivity` returns.

    Example:
        >>> from intertwine.tensor_products import Gaunt
        >>> print(expressivity(Gaunt("0e+1o", "0e+1o")))
        5 of 6 dimensions with 1 replica; 5 of 6 paths live, 0 of 1 odd ones
    """

    dim: int
    """Of the family Lin_Z o T o (Lin_X, Lin_Y)."""
    full_dim: int
    """Of all bilinear equivariant maps between the same irreps and to the same degrees, of either parity."""
    live_paths: int
    """Triples of irreps that interact at all."""
    odd_live: int
    """Those of them with l1 + l2 + l3 odd, which a product of functions cannot reach."""
    odd_full: int
    """Odd ones among `full_dim`."""
    replicas: int
    """Channels between the linear maps."""

    def __str__(self) -> str:
        return (
            f"{self.dim} of {self.full_dim} dimensions with {self.replicas} replica{'s' * (self.replicas > 1)}; "
            f"{self.live_paths} of {self.full_dim} paths live, {self.odd_live} of {self.odd_full} odd ones"
        )


@dataclass(frozen=True)
class Interactability:
    """Which irreps interact in a product. Printed as a table: x down, y across; "-" antisymmetric, "()" dead.

    Example:
        >>> from intertwine.tensor_products import Gaunt
        >>> interactability(Gaunt("0e+1o", "0e+1o"))
              0e  1o
          0e  0e  1o
          1o  1o  0e (1e-) 2e
    """

    live: tuple[Triple, ...]
    dead: tuple[Triple, ...]
    """Allowed by the selection rules to the same degrees, and zero."""

    def __repr__(self) -> str:
        every = sorted(self.live + self.dead)
        ones, twos = (list(dict.fromkeys(triple[leg] for triple in every)) for leg in (0, 1))

        def cell(one: Irrep, two: Irrep) -> str:
            words = [
                (str(triple.out) + "-" * (not triple.symmetric), triple in self.live)
                for triple in every
                if triple[:2] == (one, two)
            ]
            return " ".join(word if alive else f"({word})" for word, alive in words)

        rows = [["", *map(str, twos)], *([str(one), *(cell(one, two) for two in twos)] for one in ones)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) for row in rows)
        return "\n".join(f"  {line}".rstrip() for line in lines)


class _Term(NamedTuple):
    """Entries that meet: the number in front of their coupling, and how it changes with the product's weights."""

    in1: int
    in2: int
    out: int
    value: float
    slope: Float[Tensor, "paths"]


def expressivity(*products: TensorProduct, replicas: int = 1, generator: torch.Generator | None = None) -> Expressivity:
    r"""Dimension of the bilinear maps that a product gives between linear maps which mix channels.

        Lin_Z( T( Lin_X x, Lin_Y y ) )        x, y: one channel, one copy of each irrep of T
        c[l1, l2, l3] = sum over r and entries of  t[in1, in2, out] A_r[in1] B_r[in2] C_r[out]
        dim = rank of  d c / d (A, B, C, weights of T)    at a random point

    c are the path coefficients, the numbers before `wigner_3j` of each triple of irreps; T acts on each of the
    `replicas` channels alone; A, B, C are the weights of the three linear maps. Repeated irreps of T are entries that
    the linear maps weight one by one. Weights of T count as free, each channel its own. Several products stand side by
    side: each has linear maps of its own, and the results are added.

    The rank is that of a generic point, found at three random ones: exact unless all three are exceptional. For a
    product that is only nearly equivariant, t is its projection onto the equivariant maps.

    Cost: a call of T per pair of entries, and the singular values of a matrix of paths x weights.

    Raises:
        ValueError: no product, or fewer than one replica.

    Example:
        >>> from intertwine.o3 import Irreps
        >>> from intertwine.tensor_products import ClebschGordan, Gaunt
        >>> degrees = Irreps.spherical_harmonics(3)
        >>> expressivity(ClebschGordan(degrees, degrees)).dim, expressivity(Gaunt(degrees, degrees)).dim
        (44, 13)
        >>> print(expressivity(Gaunt(degrees, degrees, odd="bracket"), replicas=4))
        44 of 44 dimensions with 4 replicas; 44 of 44 paths live, 14 of 14 odd ones

    Reference: Xie, Daigavane, Kotak, Smidt, 2025 (The Price of Freedom), section on expressivity.
    """
    if replicas < 1 or not products:
        raise ValueError(f"expressivity: expected products and replicas >= 1, came {len(products)} and {replicas}.")
    draw = torch.Generator().manual_seed(0) if generator is None else generator
    ranks, table = [], interactability(*products, generator=draw)
    for _ in range(3):
        blocks = [_slopes(each, table.live, replicas, draw) for each in products]
        ranks.append(_rank(torch.cat(blocks, dim=1)))
    every = table.live + table.dead
    return Expressivity(
        dim=max(ranks),
        full_dim=len(every),
        live_paths=len(table.live),
        odd_live=sum(not triple.symmetric for triple in table.live),
        odd_full=sum(not triple.symmetric for triple in every),
        replicas=replicas,
    )


def interactability(*products: TensorProduct, generator: torch.Generator | None = None) -> Interactability:
    """The triples of irreps whose path coefficient a product, or one of several, can make other than zero.

    Example:
        >>> from intertwine.tensor_products import ClebschGordan
        >>> interactability(ClebschGordan("1o", "1o", "0e+1e")).live
        ((1o, 1o; 0e), (1o, 1o; 1e))

    Reference: Xie, Daigavane, Kotak, Smidt, 2025 (The Price of Freedom), section on interactability.
    """
    draw = torch.Generator().manual_seed(0) if generator is None else generator
    live: set[Triple] = set()
    every: set[Triple] = set()
    for product in products:
        terms = _terms(product, draw)
        largest = max((abs(term.value) for term in terms), default=0.0)
        live |= {_triple(product, term) for term in terms if abs(term.value) > LIVE * largest}
        every |= {
            Triple(one, two, out)
            for one in product.irreps_in1
            for two in product.irreps_in2
            for out in one * two
            if out.l in product.irreps_out.degrees
        }
    return Interactability(tuple(sorted(live)), tuple(sorted(every - live)))


def _triple(product: TensorProduct, term: _Term) -> Triple:
    return Triple(product.irreps_in1[term.in1], product.irreps_in2[term.in2], product.irreps_out[term.out])


def _terms(product: TensorProduct, draw: torch.Generator) -> list[_Term]:
    """Every triple of entries that the selection rules allow, at random weights of the product."""
    product = deepcopy(product).double()
    weight = _random(draw, product.weight_count, 1).requires_grad_()
    given = product.weights == "external"
    slices1, slices2, slices3 = (each.slices() for each in (product.irreps_in1, product.irreps_in2, product.irreps_out))
    found = []
    for in1, one in enumerate(product.irreps_in1):
        for in2, two in enumerate(product.irreps_in2):
            outs = [(out, ir) for out, ir in enumerate(product.irreps_out) if ir in one * two]
            if not outs:
                continue
            x = _basis(product.irreps_in1.dim, slices1[in1]).repeat_interleave(two.dim, 0)
            y = _basis(product.irreps_in2.dim, slices2[in2]).repeat(one.dim, 1)
            features = (x.unsqueeze(-1), y.unsqueeze(-1))
            if given or product.weights == "none":
                z = product(*features, weight) if given else product(*features)
            else:
                z = functional_call(product, {"weight": weight}, features)
            z = z.squeeze(-1).unflatten(0, (one.dim, two.dim))
            for out, ir in outs:
                value = (z[..., slices3[out]] * wigner_3j(one.l, two.l, ir.l)).sum()
                slope = torch.zeros(product.weight_count, dtype=torch.float64)
                if product.weight_count:
                    (slope,) = torch.autograd.grad(value, weight, retain_graph=True)
                found.append(_Term(in1, in2, out, float(value.detach()), slope.flatten()))
    return found


def _slopes(
    product: TensorProduct, live: Sequence[Triple], replicas: int, draw: torch.Generator
) -> Float[Tensor, "path weight"]:
    """d c / d (A, B, C, weights) of every replica at a random point."""
    row = {triple: index for index, triple in enumerate(live)}
    terms, blocks = _terms(product, draw), []
    for _ in range(replicas):
        if product.weight_count and blocks:
            terms = _terms(product, draw)
        legs = [_random(draw, len(irreps)) for irreps in (product.irreps_in1, product.irreps_in2, product.irreps_out)]
        slopes = [torch.zeros(len(live), len(leg), dtype=torch.float64) for leg in legs]
        by_weight = torch.zeros(len(live), product.weight_count, dtype=torch.float64)
        for term in terms:
            path = row.get(_triple(product, term))
            if path is None:
                continue
            a, b, c = legs[0][term.in1], legs[1][term.in2], legs[2][term.out]
            slopes[0][path, term.in1] += term.value * b * c
            slopes[1][path, term.in2] += term.value * a * c
            slopes[2][path, term.out] += term.value * a * b
            by_weight[path] += term.slope * a * b * c
        blocks += [*slopes, by_weight]
    return torch.cat(blocks, dim=1)


def _rank(matrix: Float[Tensor, "path weight"]) -> int:
    if not matrix.numel():
        return 0
    rows = matrix / matrix.norm(dim=1, keepdim=True).clamp(min=torch.finfo(matrix.dtype).tiny)
    values = torch.linalg.svdvals(rows)
    return int((values > SEPARATE * values[0]).sum())


def _basis(dim: int, rows: slice) -> Float[Tensor, "row dim"]:
    """The unit vectors of one entry."""
    return torch.eye(dim, dtype=torch.float64)[rows]


def _random(draw: torch.Generator, *shape: int) -> Tensor:
    """Numbers of size 1/2 to 3/2, either sign: generic, and none of them near zero."""
    size = torch.rand(shape, generator=draw, dtype=torch.float64) + 0.5
    return size * (2.0 * torch.randint(2, shape, generator=draw) - 1.0)
