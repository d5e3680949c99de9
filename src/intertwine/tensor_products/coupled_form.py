"""A product given by its couplings alone, all of them in one pass; O(3) acts on `dim`. Fast for functions too."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.constants import Constants
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.filter_form import Coupling
from intertwine.tensor_products.kernels.couple import couple, takes
from intertwine.tensor_products.kernels.coupling_table import coupling_table
from intertwine.tensor_products.leg_weights import LegWeights
from intertwine.tensor_products.sphere.gaunt_filter import gaunt_couplings


class CoupledForm(nn.Module):
    r"""The bilinear map of a list of couplings, added up without weights.

        z[k] = sum over terms, i, j of   coefficients[i, j, k] x[i] y[j]

    In the compiled kernel where there is one: only the numbers that are not zero are visited, once.

    Shapes: x `*batch dim1 channel`, y `*batch dim2 #channel`, result `*batch dim3 channel`.

    Example:
        >>> from intertwine.o3.clebsch_gordan import wigner_3j
        >>> cross = Coupling(0, 0, 0, weight=0, coefficients=6**0.5 * wigner_3j(1, 1, 1))
        >>> form = CoupledForm((Irreps("1o"), Irreps("1o"), Irreps("1e")), [cross])
        >>> form(torch.eye(3)[:, :1], torch.eye(3)[:, 1:2]).flatten()
        tensor([0., 0., 1.])
    """

    structure: Tensor

    def __init__(self, irreps: tuple[Irreps, Irreps, Irreps], couplings: Sequence[Coupling]):
        super().__init__()
        self.dims = (irreps[0].dim, irreps[1].dim, irreps[2].dim)
        compiled, slices = coupling_table(irreps, couplings), [each.slices() for each in irreps]
        self.pairs, tables = [], {}
        for in1, in2 in sorted({(term.in1, term.in2) for term in couplings}):
            one, two = slices[0][in1], slices[1][in2]
            table = torch.zeros(self.dims[2], irreps[0][in1].dim, irreps[1][in2].dim, dtype=torch.float64)
            for term in couplings:
                if (term.in1, term.in2) == (in1, in2):
                    table[slices[2][term.out]] += term.coefficients.permute(2, 0, 1)
            rows = torch.nonzero(table.flatten(1).any(1)).flatten()
            name = f"pair{len(self.pairs)}"
            self.register_buffer(f"rows_{name}", rows, persistent=False)
            tables[name] = table[rows].flatten(1)
            self.pairs.append((one, two))
        self.tables = Constants(compiled=compiled.coefficients, **tables)
        self.register_buffer("structure", compiled.structure, persistent=False)

    def forward(
        self, x: Float[Tensor, "*batch dim1 channel"], y: Float[Tensor, "*batch dim2 #channel"]
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """Multiply `x` by `y`."""
        if not takes(x, y, None, (*self.dims[:2], 0)):
            return self.readable(x, y)
        batch = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        x, y = (each.expand(*batch, *each.shape[-2:]).reshape(-1, *each.shape[-2:]) for each in (x, y))
        z = couple(x, y, None, self.structure, self.tables.like(x, "compiled"), self.dims[2])
        return z.reshape(*batch, *z.shape[1:])

    def readable(self, x: Tensor, y: Tensor) -> Tensor:
        """The same, a pair of entries after the other."""
        batch, channels = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-1]
        z = x.new_zeros(*batch, self.dims[2], channels)
        for pair, (one, two) in enumerate(self.pairs):
            outer = (x[..., one, :].unsqueeze(-2) * y[..., two, :].unsqueeze(-3)).flatten(-3, -2)
            z = z.index_add(-2, self.get_buffer(f"rows_pair{pair}"), self.tables.like(x, f"pair{pair}") @ outer)
        return z


class CoupledGaunt(nn.Module):
    r"""The map of a `Gaunt` without visiting the points: its triple integrals, as couplings.

        z = w3 * CoupledForm( w1 * x, w2 * y )            with the couplings norm * gaunt and norm * poisson_bracket

    O(L^5) work against O(L^4) on the grid, but on fewer numbers for the degrees in use, and the bracket is free.

    Args:
        irreps, norms, bracket, legs: as in `GauntFilterForm`.
        weight: the parameter of a product with weights of its own.

    Shapes: as in `TensorProduct`.
    """

    def __init__(
        self,
        irreps: tuple[Irreps, Irreps, Irreps],
        norms: Float[Tensor, "out 2"],
        *,
        bracket: bool,
        legs: Sequence[int],
        weight: nn.Parameter | None = None,
    ):
        super().__init__()
        self.legs = LegWeights(irreps, legs)
        self.form = CoupledForm(irreps, gaunt_couplings(irreps, norms, bracket))
        self.weight = weight

    def forward(
        self,
        x: Float[Tensor, "*batch dim1 channel"],
        y: Float[Tensor, "*batch dim2 #channel"],
        weight: Float[Tensor, "*#batch paths #channel"] | None = None,
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """Multiply `x` by `y`."""
        w1, w2, w3 = self.legs.split(self.weight if weight is None else weight)
        return self.legs.scale(self.form(self.legs.scale(x, 1, w1), self.legs.scale(y, 2, w2)), 3, w3)
