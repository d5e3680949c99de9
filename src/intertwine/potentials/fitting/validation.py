"""The loss and the errors of a potential on frames that it is not trained on. No group acts here."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from intertwine.potentials.data.on_demand import comes_on_demand
from intertwine.potentials.data.prepared import Prepared
from intertwine.potentials.fitting.objective import LossWeights, make_terms
from intertwine.potentials.fitting.partial_labels import collate_partial
from intertwine.potentials.structures.graph import Graph
from intertwine.training.means import Mean, together
from intertwine.training.run import Validation


def make_validation(graphs: Sequence[Graph], weights: LossWeights, *, batch_size: int) -> Validation:
    """A function from a potential to its loss and errors on some frames, over the labels that they have."""
    terms, batches = make_terms(weights), in_batches(graphs, batch_size)
    return lambda potential: loss_and_errors(total(terms, potential, batches))


def in_batches(graphs: Sequence[Graph], size: int) -> Sequence[Graph]:
    """Frames in their order, `size` in a graph; fewer in the last."""
    starts = range(0, len(graphs), size)

    def batch(start: int) -> Graph:
        return collate_partial(graphs[start : start + size])

    return Prepared(starts, batch) if comes_on_demand(graphs) else [batch(start) for start in starts]


def total(
    terms: Callable[[nn.Module, Graph], dict[str, Mean]], potential: nn.Module, batches: Sequence[Graph]
) -> dict[str, Mean]:
    """The terms over several batches together."""
    device = next(potential.parameters()).device
    with torch.no_grad():
        return together([terms(potential, batch.to(device)) for batch in batches])


def loss_and_errors(means: Mapping[str, Mean]) -> dict[str, float]:
    """The loss, and the root of every mean square; a label that no frame has is left out."""
    there = {name: mean for name, mean in means.items() if mean.count > 0}
    values = {name: (mean.total / mean.count).item() for name, mean in there.items()}
    loss = sum(mean.weight * values[name] for name, mean in there.items())
    roots = {name.replace("_mse", "_rmse"): value**0.5 for name, value in values.items() if name.endswith("_mse")}
    return {"loss": loss, **roots}
