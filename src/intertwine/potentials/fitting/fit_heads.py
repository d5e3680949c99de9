"""Training several heads at once: every graph comes with the name of its head. No group acts here."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Unpack

from torch import nn

from intertwine.potentials.data.on_demand import joined, mapped
from intertwine.potentials.fitting.fit import train_towards
from intertwine.potentials.fitting.objective import LossWeights, make_terms
from intertwine.potentials.fitting.partial_labels import collate_partial
from intertwine.potentials.fitting.validation import in_batches, loss_and_errors, total
from intertwine.potentials.models.heads import Heads
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.structures.graph import Graph
from intertwine.training.history import History
from intertwine.training.loop import RunOptions
from intertwine.training.means import Mean, together
from intertwine.training.plan import TrainingPlan
from intertwine.training.run import SecondStage, Validation


def train_heads(
    heads: Mapping[str, Potential],
    train: Mapping[str, Sequence[Graph]],
    valid: Mapping[str, Sequence[Graph]],
    plan: TrainingPlan,
    *,
    weights: LossWeights = LossWeights(),
    later_weights: LossWeights | None = None,
    **options: Unpack[RunOptions],
) -> History:
    """Train potentials that share weights, each on its own frames, which are `ready` for it.

    Batches are drawn from all frames together; each term of the loss is a mean over the labels of all heads, so that a
    head counts by the number of its labels. The history holds errors of all heads together and of each.
    """
    items = joined([mapped(graphs, partial(pair, name)) for name, graphs in train.items()])

    def aim(weights: LossWeights) -> SecondStage:
        validate = make_head_validation(valid, weights, batch_size=2 * plan.batch_size)
        return SecondStage(make_head_terms(weights), validate)

    return train_towards(aim, Heads(heads), items, collate_by_head, plan, weights, later_weights, **options)


def pair(name: str, graph: Graph) -> tuple[str, Graph]:
    """A graph with the name of its head."""
    return name, graph


def collate_by_head(items: Sequence[tuple[str, Graph]]) -> dict[str, Graph]:
    """One batch for each head, of graphs that come with the name of their head."""
    names = dict.fromkeys(name for name, _ in items)
    return {name: collate_partial([graph for head, graph in items if head == name]) for name in names}


def make_head_terms(weights: LossWeights) -> Callable[[nn.Module, Mapping[str, Graph]], dict[str, Mean]]:
    """The terms of the loss over the graphs of all heads together."""
    terms = make_terms(weights)

    def of_all(heads: nn.Module, batch: Mapping[str, Graph]) -> dict[str, Mean]:
        assert isinstance(heads, Heads)
        return together([terms(heads[name], graph) for name, graph in batch.items()])

    return of_all


def make_head_validation(valid: Mapping[str, Sequence[Graph]], weights: LossWeights, *, batch_size: int) -> Validation:
    """A function from heads to their loss and errors together, and to the errors of each."""
    terms = make_terms(weights)
    batches = {name: in_batches(graphs, batch_size) for name, graphs in valid.items()}

    def validate(heads: nn.Module) -> dict[str, float]:
        assert isinstance(heads, Heads)
        means = {name: total(terms, heads[name], parts) for name, parts in batches.items()}
        each = {
            f"{head}_{name}": value
            for head, found in means.items()
            for name, value in loss_and_errors(found).items()
            if name != "loss"
        }
        return {**loss_and_errors(together(list(means.values()))), **each}

    return validate
