"""Weights for whole entries on the legs of a product, two inputs and a result; O(3) on `dim` leaves them alone."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.tensor_products.sphere.function import entry_of_row


class LegWeights(nn.Module):
    """How one tensor of weights is cut into legs, a row per entry of each leg that is weighted.

    Args:
        irreps: types of the three legs.
        legs: which of 1, 2 and 3 carry weights, in the order of their rows.

    Raises:
        IrrepsError: legs names something else, or a leg twice.
    """

    def __init__(self, irreps: tuple[Irreps, Irreps, Irreps], legs: Sequence[int]):
        super().__init__()
        if not set(legs) <= {1, 2, 3} or len(set(legs)) < len(legs):
            raise IrrepsError(f"legs: expected some of 1, 2 (inputs) and 3 (result), each once, came {tuple(legs)}.")
        self.legs = tuple(legs)
        self.entries = [len(irreps[leg - 1]) for leg in self.legs]
        for leg, each in enumerate(irreps, start=1):
            self.register_buffer(f"entry{leg}", entry_of_row(each), persistent=False)

    @property
    def count(self) -> int:
        """Rows of the weight."""
        return sum(self.entries)

    def split(self, weight: Float[Tensor, "*batch count channel"] | None) -> tuple[Tensor | None, ...]:
        """The rows of each of the three legs, one per entry; None for a leg without weights."""
        if weight is None:
            return None, None, None
        rows = dict(zip(self.legs, weight.split(self.entries, dim=-2), strict=True))
        return rows.get(1), rows.get(2), rows.get(3)

    def scale(self, x: Float[Tensor, "*batch dim channel"], leg: int, rows: Tensor | None) -> Tensor:
        """The feature on a leg with every entry times its row; the feature itself where there are no weights."""
        return x if rows is None else x * rows.index_select(-2, self.get_buffer(f"entry{leg}"))
