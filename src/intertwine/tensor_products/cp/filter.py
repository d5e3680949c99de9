"""A `CP` product with a filter of one channel, as a matrix per sample; O(3) acts on `dim`. Fast for messages."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.filter_form import Coupling, FilterForm
from intertwine.tensor_products.leg_weights import LegWeights


class CPFilterForm(nn.Module):
    r"""The map of a `CP` with weights on its legs for a `y` of one channel, without the factors.

        z = w3 * FilterForm( w1 * x, y; w2 )         with the blocks of the tensor that the factors make

    The filter turns that tensor into one matrix per sample, which serves all channels: dim1 dim3 products a channel,
    fewer than the rank (dim1 + dim3) of the three factors. It holds what the factors make and not what they were
    fitted to, so that an approximate product keeps its error here, too.

    Args:
        irreps: types of x, y and the result.
        tensor: what the factors make.
        legs: legs that carry weights.

    Shapes: as in `TensorProduct`, y with one channel.
    """

    def __init__(
        self,
        irreps: tuple[Irreps, Irreps, Irreps],
        tensor: Float[Tensor, "dim1 dim2 dim3"],
        *,
        legs: Sequence[int],
    ):
        super().__init__()
        self.legs = LegWeights(irreps, legs)
        self.form = FilterForm(irreps, blocks(irreps, tensor), weighted=2 in legs)

    def forward(
        self,
        x: Float[Tensor, "*batch dim1 channel"],
        y: Float[Tensor, "*batch dim2 1"],
        weight: Float[Tensor, "*#batch paths #channel"] | None = None,
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """Apply the map."""
        if weight is None:
            raise ValueError(f"CPFilterForm: expected a weight of {self.legs.count} rows, came none.")
        w1, w2, w3 = self.legs.split(weight)
        return self.legs.scale(self.form(self.legs.scale(x, 1, w1), y, w2), 3, w3)


def blocks(
    irreps: tuple[Irreps, Irreps, Irreps], tensor: Float[Tensor, "dim1 dim2 dim3"], *, shared: bool = False
) -> list[Coupling]:
    """The tensor cut into entries of the three legs, with the weight of the filter entry, or one shared by all."""
    slices1, slices2, slices3 = (each.slices() for each in irreps)
    return [
        Coupling(in1, in2, out, weight=0 if shared else in2, coefficients=tensor[rows1, rows2, rows3])
        for in1, rows1 in enumerate(slices1)
        for in2, rows2 in enumerate(slices2)
        for out, rows3 in enumerate(slices3)
    ]
