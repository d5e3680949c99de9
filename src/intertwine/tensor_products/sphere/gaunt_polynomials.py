"""A Gaunt contraction as polynomials of the feature, without points; O(3) acts on `dim`. Fast for small degrees."""

from itertools import combinations_with_replacement, product

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.o3.constants import Constants
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.kernels.contract import contract, takes
from intertwine.tensor_products.kernels.contraction_table import contraction_table
from intertwine.tensor_products.sphere.function import entry_of_row
from intertwine.tensor_products.sphere.grid import GridTransform
from intertwine.tensor_products.symmetric_power import exponents

LARGEST = 100_000
"""Products of rows of the feature, dim ** correlation, up to which a table is worth making."""


class GauntPolynomials(nn.Module):
    r"""The map of a `GauntContraction` in the compiled kernel of the Clebsch-Gordan contraction.

        z = sum over orders n, output entries, entries e_1 .. e_n of the feature of
            w_n[element] v_1[e_1] ... v_n[e_n]  P( S(x_e1) ... S(x_en) )

    Every P(...) is a polynomial that O(3) fixes, and its weight a product of the weights of legs and orders. Orders of
    the same entries meet in the same polynomial, so that their weights add up; behind a double bracket they do not.

    Args:
        irreps_in, irreps_out, correlation: as in `GauntContraction`.
        legs, result: its transforms to points and back.
        inner: derivatives of a bracket at the points, where there are brackets.

    Shapes: x `node dim_in channel`, element `node`, legs `correlation entry channel`, weights `element term out
    channel`, result `node dim_out channel`.
    """

    structure: Tensor

    def __init__(
        self,
        irreps_in: Irreps,
        irreps_out: Irreps,
        correlation: int,
        legs: GridTransform,
        result: GridTransform,
        inner: Float[Tensor, "derivative point"] | None,
    ):
        super().__init__()
        self.irreps_in, self.irreps_out, self.correlation = irreps_in, irreps_out, correlation
        values, back = legs.tables.exact["harmonics"], result.tables.exact["expansion"]
        powers, rows = [values], torch.arange(irreps_in.dim)
        for _ in range(1, correlation):
            powers.append(torch.einsum("qi,qj->qij", powers[-1], values).flatten(1))
        entries = entry_of_row(irreps_in)
        terms = [(n, back @ f, multisets(len(irreps_in), n)) for n, f in enumerate(powers, start=1)]
        if inner is not None:
            bracket = double_brackets(legs.tables.exact["tangential"], inner)
            for n in range(3, correlation + 1):
                bracket = bracket if n == 3 else torch.einsum("qi,qj->qij", bracket, values).flatten(1)
                terms.append((n, back @ bracket, torch.arange(len(irreps_in) ** n)))
        every = [indices for n in range(1, correlation + 1) for indices in exponents(irreps_in.dim, n)]
        place = {indices: column for column, indices in enumerate(every)}
        out, slices = entry_of_row(irreps_out), irreps_out.slices()
        tables, row_out, row_basis, count = [], [], [], 0
        for number, (n, tensor, names) in enumerate(terms):
            tuples = torch.cartesian_prod(*[rows] * n).reshape(-1, n)
            columns = torch.tensor([place[tuple(each)] for each in tuples.sort(1).values.tolist()])
            order = ravel(entries[tuples], len(irreps_in))
            weight, size = names[order], int(names.max()) + 1
            first = torch.full((size,), len(names)).scatter_reduce(0, names, torch.arange(len(names)), "amin")
            once = order == first[weight]  # other orders of the same entries are the same polynomial
            table = torch.zeros(irreps_out.dim, size, len(every), dtype=torch.float64)
            table = table.flatten(1).index_add(1, (weight * len(every) + columns)[once], tensor[:, once])
            tables.append(table.reshape(irreps_out.dim * size, -1))
            row_out.append(torch.arange(irreps_out.dim).repeat_interleave(size))
            row_basis.append((count + out[:, None] * size + torch.arange(size)).flatten())
            self.register_buffer(f"names{number}", names, persistent=False)
            count += len(slices) * size
        self.orders = [n for n, _, _ in terms]
        self.sizes = [int(names.max()) + 1 for _, _, names in terms]
        dims = {"dim_in": irreps_in.dim, "dim_out": irreps_out.dim, "weights": count}
        found = contraction_table(torch.cat(tables), torch.cat(row_out), torch.cat(row_basis), every, **dims)
        self.tables = Constants(compiled=found.coefficients)
        self.register_buffer("structure", found.structure, persistent=False)

    def takes(self, x: Tensor, element: Tensor, legs: Tensor) -> bool:
        """Whether the compiled kernel runs on these."""
        fits = x.dim() == 3 and x.shape[1:] == (self.irreps_in.dim, legs.shape[2]) and element.shape == x.shape[:1]
        return fits and takes(x, legs, element, self.irreps_in.dim)

    def forward(self, x: Tensor, element: Tensor, legs: Tensor, weights: Tensor) -> Tensor:
        """Contract the feature of every node with itself."""
        w = self.effective_weights(legs, weights)
        return contract(x, w, element, self.structure, self.tables.like(x, "compiled"), self.irreps_out.dim)

    def effective_weights(
        self, legs: Float[Tensor, "correlation entry channel"], weights: Float[Tensor, "element term out channel"]
    ) -> Float[Tensor, "element weight channel"]:
        """Of every polynomial: those of legs and orders, multiplied, and summed over orders of the same entries."""
        products = [legs[0]]
        for leg in legs[1:]:
            products.append((products[-1].unsqueeze(1) * leg).flatten(0, 1))
        found = []
        for number, (n, size) in enumerate(zip(self.orders, self.sizes, strict=True)):
            names = self.get_buffer(f"names{number}")
            of_legs = legs.new_zeros(size, legs.shape[2]).index_add(0, names, products[n - 1])
            found.append((weights[:, number].unsqueeze(2) * of_legs).flatten(1, 2))
        return torch.cat(found, dim=1)


def multisets(count: int, n: int) -> Int[Tensor, "tuple"]:
    """For every tuple of n of `count` things, last index fastest, the number of its multiset.

    Example:
        >>> multisets(2, 2)
        tensor([0, 1, 1, 2])
    """
    number = {each: place for place, each in enumerate(combinations_with_replacement(range(count), n))}
    return torch.tensor([number[tuple(sorted(each))] for each in product(range(count), repeat=n)])


def ravel(tuples: Int[Tensor, "any n"], count: int) -> Int[Tensor, "any"]:
    """The place of tuples of numbers below `count` in the list of all, last index fastest."""
    strides = torch.tensor(count ** np.arange(tuples.shape[1])[::-1].copy())
    return (tuples * strides).sum(1)


def double_brackets(
    tangential: Float[Tensor, "both dim"], inner: Float[Tensor, "both point"]
) -> Float[Tensor, "point tuple"]:
    """{{Y_i, Y_j}, Y_k} at the points, last index fastest."""
    a, b = tangential.chunk(2)
    first = torch.einsum("qi,qj->qij", a, b) - torch.einsum("qi,qj->qij", b, a)
    inner_a, inner_b = (inner @ first.flatten(1)).chunk(2)
    return (inner_a.unsqueeze(2) * b.unsqueeze(1) - inner_b.unsqueeze(2) * a.unsqueeze(1)).flatten(1)
