"""Tables of radial functions that depend on the pair of elements, one after another; invariant, no group acts here."""

from itertools import combinations_with_replacement

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.nn.radial_table import RadialTable
from intertwine.o3.constants import Constants
from intertwine.potentials.models.mace_torch import MACETorch
from intertwine.potentials.models.mace_torch_radial import EdgeFeatures, FeatureNetwork
from intertwine.tensor_products.hermite import Span

MOST_ELEMENTS = 5
"""Of whose pairs tables are made: 15. Distances in float32 lose digits as tables grow longer."""


class PairNetwork(nn.Module):
    """The weights of one pair of elements as a function of the distance alone.

    Shapes: r `edge` in Angstrom, result `edge rows channel`.
    """

    def __init__(self, features: EdgeFeatures, transform: nn.Module, network: FeatureNetwork, pair: tuple[int, int]):
        super().__init__()
        self.features, self.transform, self.network = features, transform, network
        self.pair, self.envelope = pair, features.envelope

    def forward(self, r: Float[Tensor, "edge"]) -> Float[Tensor, "edge rows channel"]:
        """Evaluate."""
        one, two = (torch.full(r.shape, element, device=r.device) for element in self.pair)
        return self.network(self.features(r, self.transform(r, one, two)))


class PairPlaces(nn.Module):
    """Where an edge is found in tables that lie one after another: its distance, and the begin of its pair's table.

    Shapes: r `edge` in Angstrom, elements of the two ends `edge`, result `edge`.

    Example:
        >>> places = PairPlaces(2, end=4.0, period=5.0)
        >>> places(torch.tensor([1.0, 1.0, 9.0]), torch.tensor([0, 1, 0]), torch.tensor([0, 1, 1]))
        tensor([ 1., 11.,  9.])
    """

    def __init__(self, elements: int, *, end: float, period: float):
        super().__init__()
        self.elements, self.end = elements, end
        begin = torch.zeros(elements, elements, dtype=torch.float64)
        for place, (one, two) in enumerate(combinations_with_replacement(range(elements), 2)):
            begin[one, two] = begin[two, one] = place * period
        self.tables = Constants(begin=begin.flatten())

    def forward(
        self, r: Float[Tensor, "edge"], one: Int[Tensor, "edge"], two: Int[Tensor, "edge"]
    ) -> Float[Tensor, "edge"]:
        """Look up."""
        return r.clamp(max=self.end) + self.tables.like(r, "begin").index_select(0, self.elements * one + two)


def tabulate_pairs(model: MACETorch, *, tolerance: float) -> None:
    """Put tables in the place of the radial networks of a model with a distance transform, once.

    Raises:
        ValueError: too many elements, or a network that is too rough for a table.
    """
    elements = len(model.species)
    if isinstance(model.transform, PairPlaces):
        return
    if model.transform is None or elements > MOST_ELEMENTS:
        raise ValueError(
            f"tabulate: radial weights of this model depend on the pair of elements, expected at most {MOST_ELEMENTS} "
            f"elements, came {elements}. Convert it again with --elements, or use it as it is."
        )
    pairs = list(combinations_with_replacement(range(elements), 2))
    holders = [module for module in model.modules() if isinstance(getattr(module, "radial", None), FeatureNetwork)]
    weight = next(model.parameters())
    networks = [
        [PairNetwork(model.features, model.transform, holder.get_submodule("radial"), pair) for pair in pairs]  # pyright: ignore[reportArgumentType]
        for holder in holders
    ]
    points = max(RadialTable.compile(each, tolerance=tolerance).points for every in networks for each in every)
    for holder, every in zip(holders, networks, strict=True):
        tables = [RadialTable.compile(each, points=points) for each in every]
        joined = torch.cat([table.tables.exact["weights"] for table in tables])
        whole = RadialTable(joined, Span(0.0, tables[0].span.step), tables[0].rows)
        whole.error = max(table.error for table in tables)
        whole.slope_error = max(table.slope_error for table in tables)
        holder.add_module("radial", whole.to(device=weight.device, dtype=weight.dtype))
    step = model.cutoff / (points - 1)
    model.transform = PairPlaces(elements, end=model.cutoff, period=points * step).to(
        device=weight.device, dtype=weight.dtype
    )
