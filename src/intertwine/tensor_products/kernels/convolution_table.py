"""The couplings of a product with a filter in the form that the compiled convolution reads; O(3) acts on the rows.

For every path p the filter makes a matrix M_p[row3, row1] = sum over j of C_p[row1, j, row3] Y[j]; all matrices lie one
after the other, and what is listed for each of their entries are the j with a coefficient.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.filter_form import Coupling


@dataclass(frozen=True)
class ConvolutionTable:
    """Where everything is, and the numbers.

    structure: the numbers of paths, rows of x, y, z, weights and matrix entries; for every path
    `x d1 z d3 weight m shared`: first rows and sizes, the row of its weight (-1 without weights), the place of its
    matrix, and whether an earlier path has the same weight; for every matrix entry
    where its terms begin; for every term its row of the filter.
    """

    structure: Int32[Tensor, "integer"]
    coefficients: Float[Tensor, "number"]


def convolution_table(
    irreps: tuple[Irreps, Irreps, Irreps], couplings: Sequence[Coupling], *, weighted: bool
) -> ConvolutionTable:
    """List the terms, paths in the order of what they read."""
    slices = [each.slices() for each in irreps]
    # one matrix for all couplings of the same entries and weight
    keys = sorted({(term.in1, term.out, term.weight if weighted else -1) for term in couplings})
    paths, starts, filters, numbers = [], [0], [], []
    seen: set[int] = set()
    for in1, out, weight in keys:
        x, z = slices[0][in1], slices[2][out]
        table = torch.zeros(z.stop - z.start, x.stop - x.start, irreps[1].dim, dtype=torch.float64)
        for term in couplings:
            if (term.in1, term.out) == (in1, out) and (not weighted or term.weight == weight):
                table[:, :, slices[1][term.in2]] += term.coefficients.double().permute(2, 0, 1)
        paths += [x.start, x.stop - x.start, z.start, z.stop - z.start, weight, len(starts) - 1, int(weight in seen)]
        seen.add(weight)
        for entry in table.flatten(0, 1):
            present = torch.nonzero(entry).flatten()
            filters += present.tolist()
            numbers += entry[present].tolist()
            starts.append(len(filters))
    weights = 1 + max((term.weight for term in couplings), default=-1) if weighted else 0
    head = [len(keys), *(each.dim for each in irreps), weights, len(starts) - 1]
    structure = torch.tensor([*head, *paths, *starts, *filters], dtype=torch.int32)
    return ConvolutionTable(structure, torch.tensor(numbers, dtype=torch.float64))
