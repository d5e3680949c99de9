"""The Gaunt product with a filter of one channel, as a matrix per sample; O(3) acts on `dim`. Fast for messages."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.gaunt import gaunt, poisson_bracket
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.filter_form import Coupling, FilterForm
from intertwine.tensor_products.leg_weights import LegWeights


class GauntFilterForm(nn.Module):
    r"""The map of a `Gaunt` for a `y` of one channel, without visiting the points.

        z = w3 * FilterForm( w1 * x, y; w2 )         with the couplings norm * gaunt and norm * poisson_bracket

    The filter turns the triple integrals into one matrix per sample, which serves all channels: for the small degrees
    of a message that moves less memory than the values at the points do, and the bracket comes at no cost.

    Args:
        irreps: types of x, y and the result.
        norms: factor of the pointwise product and of the bracket for every entry of the result.
        legs: legs that carry weights, none for a map without weights.

    Shapes: as in `TensorProduct`, y with one channel.
    """

    def __init__(
        self,
        irreps: tuple[Irreps, Irreps, Irreps],
        norms: Float[Tensor, "out 2"],
        *,
        bracket: bool,
        legs: Sequence[int],
    ):
        super().__init__()
        self.legs = LegWeights(irreps, legs)
        self.form = FilterForm(irreps, gaunt_couplings(irreps, norms, bracket), weighted=2 in legs)

    def forward(
        self,
        x: Float[Tensor, "*batch dim1 channel"],
        y: Float[Tensor, "*batch dim2 1"],
        weight: Float[Tensor, "*#batch paths #channel"] | None = None,
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """Apply the map."""
        if (weight is None) == bool(self.legs.count):
            raise ValueError(
                f"GauntFilterForm: expected a weight of {self.legs.count} rows, came "
                f"{'none' if weight is None else f'one of shape {tuple(weight.shape)}'}."
            )
        w1, w2, w3 = self.legs.split(weight)
        return self.legs.scale(self.form(self.legs.scale(x, 1, w1), y, w2), 3, w3)


def gaunt_couplings(
    irreps: tuple[Irreps, Irreps, Irreps], norms: Float[Tensor, "out 2"], bracket: bool
) -> list[Coupling]:
    """Every term, with the weight of its filter entry."""
    found = []
    for in1, ir1 in enumerate(irreps[0]):
        for in2, ir2 in enumerate(irreps[1]):
            for out, ir3 in enumerate(irreps[2]):
                odd = (ir1.l + ir2.l + ir3.l) % 2
                if ir3 in ir1 * ir2 and (bracket or not odd):
                    table = (poisson_bracket if odd else gaunt)(ir1.l, ir2.l, ir3.l)
                    found.append(Coupling(in1, in2, out, weight=in2, coefficients=norms[out, odd] * table))
    return found
