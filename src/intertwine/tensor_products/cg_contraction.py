"""Many-body products with every coupling tree: symmetric powers of a feature; O(3) acts on `dim`."""

from collections import Counter
from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.o3.constants import Constants
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.kernels.contract import contract, takes
from intertwine.tensor_products.kernels.contraction_table import contraction_table
from intertwine.tensor_products.symmetric_power import Monomials, exponents, symmetric_power


class ClebschGordanContraction(nn.Module):
    r"""All symmetric products of a feature with itself up to an order, one weight per independent coupling.

        z[out] = sum over orders n and bases p of  w_n[element, p] U_n[p, out, monomial] monomial_n(x)

    U_n is an orthonormal basis of the equivariant polynomials of degree n (`symmetric_power`), so that nothing is
    counted twice and unit-variance x gives unit-variance terms. The most expressive contraction: it spans everything
    that `GauntContraction` reaches. Its cost grows as the number of monomials, (dim + n - 1 choose n); where the
    compiled kernel runs, only those that reach a row of the result are counted, and none is stored.

    Args:
        irreps_in, irreps_out: types of feature and result; any parities.
        correlation: largest order n, the body order minus one.
        elements: number of chemical elements; each has its own weights.

    Shapes: x `node dim_in channel`, element `node`, result `node dim_out channel`.

    Raises:
        IrrepsError: correlation < 1, or an entry of irreps_out that no product reaches.

    Example:
        >>> contract = ClebschGordanContraction(Irreps("0e+1o"), Irreps("0e+1o"), channels=8, correlation=3, elements=2)
        >>> contract(torch.randn(5, 4, 8), torch.tensor([0, 0, 1, 1, 0])).shape
        torch.Size([5, 4, 8])

    Reference: Batatia et al., 2022, arXiv:2206.07697, equations (10) and (11).
    """

    def __init__(
        self, irreps_in: Irreps | str, irreps_out: Irreps | str, *, channels: int, correlation: int, elements: int
    ):
        super().__init__()
        self.irreps_in, self.irreps_out, self.correlation = Irreps(irreps_in), Irreps(irreps_out), correlation
        if correlation < 1:
            raise IrrepsError(f"ClebschGordanContraction: expected correlation = 1, 2, 3, ..., came {correlation}.")
        self.monomials = Monomials(self.irreps_in.dim, correlation)
        tables, entries = [], []  # a table for every term, and the entry of the result that it adds to
        for order in range(1, correlation + 1):
            power = symmetric_power(self.irreps_in, order, self.irreps_out.lmax)
            for entry, ir in enumerate(self.irreps_out):
                for basis in power.get(ir, []):
                    tables.append(nn.functional.pad(basis, self.monomials.padding(order)))
                    entries.append(entry)
        arrivals = Counter(entries)
        for entry, ir in enumerate(self.irreps_out):
            if not arrivals[entry]:
                raise IrrepsError(
                    f"ClebschGordanContraction: irreps_out asks for {ir}, which products of {self.irreps_in} up to "
                    f"order {correlation} do not reach. Drop it, or raise correlation or the degrees of irreps_in."
                )
        slices = self.irreps_out.slices()
        row_out = [torch.arange(slices[entry].start, slices[entry].stop) for entry in entries]
        row_basis = [torch.full((len(rows),), term) for term, rows in enumerate(row_out)]
        basis = torch.cat(tables)
        self.register_buffer("row_basis", torch.cat(row_basis), persistent=False)
        self.register_buffer("row_out", torch.cat(row_out), persistent=False)
        every = [indices for n in range(1, correlation + 1) for indices in exponents(self.irreps_in.dim, n)]
        dims = {"dim_in": self.irreps_in.dim, "dim_out": self.irreps_out.dim, "weights": len(tables)}
        table = contraction_table(basis, torch.cat(row_out), torch.cat(row_basis), every, **dims)
        self.tables = Constants(basis=basis, compiled=table.coefficients)
        self.register_buffer("structure", table.structure, persistent=False)
        scale = torch.tensor([1 / sqrt(arrivals[entry]) for entry in entries])
        self.weights = nn.Parameter(torch.randn(elements, len(tables), channels) * scale[:, None])

    def forward(
        self, x: Float[Tensor, "node dim_in channel"], element: Int[Tensor, "node"]
    ) -> Float[Tensor, "node dim_out channel"]:
        """Contract the feature of every node with itself."""
        if takes(x, self.weights, element, self.irreps_in.dim):
            table = (self.get_buffer("structure"), self.tables.like(x, "compiled"))
            return contract(x, self.weights, element, *table, self.irreps_out.dim)
        return self.readable(x, element)

    def readable(
        self, x: Float[Tensor, "node dim_in channel"], element: Int[Tensor, "node"]
    ) -> Float[Tensor, "node dim_out channel"]:
        """Evaluate all monomials, multiply by the basis, and sum with the weights of the element."""
        terms = self.tables.like(x, "basis") @ self.monomials(x)
        terms = terms * self.weights.index_select(0, element).index_select(1, self.get_buffer("row_basis"))
        found = x.new_zeros(x.shape[0], self.irreps_out.dim, x.shape[-1])
        return found.index_add(1, self.get_buffer("row_out"), terms)
