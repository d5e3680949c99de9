"""Training several heads at once: every graph comes with the name of its head. No group acts here."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from pathlib import Path

from torch import nn

from intertwine.potentials.fitting.fit import hidden_matrices_decay, loss_and_errors, total
from intertwine.potentials.fitting.objective import LossWeights, make_terms
from intertwine.potentials.fitting.partial_labels import collate_partial
from intertwine.potentials.models.heads import Heads
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.structures.graph import Graph
from intertwine.training.history import History
from intertwine.training.loggers import LoggerName
from intertwine.training.loop import SecondStage, Validation, fit
from intertwine.training.means import Mean
from intertwine.training.plan import TrainingPlan
from intertwine.training.progress import Progress


def train_heads(
    heads: Mapping[str, Potential],
    train: Mapping[str, Sequence[Graph]],
    valid: Mapping[str, Sequence[Graph]],
    plan: TrainingPlan,
    *,
    weights: LossWeights = LossWeights(),
    later_weights: LossWeights | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    log: Sequence[LoggerName] = (),
) -> History:
    """Train potentials that share weights, each on its own frames, which are `ready` for it.

    Batches are drawn from all frames together; each term of the loss is a mean over the labels of all heads, so that a
    head counts by the number of its labels. The history holds errors of all heads together and of each.
    """
    items = [(name, graph) for name, graphs in train.items() for graph in graphs]
    size, later = 2 * plan.batch_size, later_weights or weights
    return fit(
        Heads(heads),
        make_head_terms(weights),
        items,
        collate_by_head,
        plan,
        validate=make_head_validation(valid, weights, batch_size=size),
        second_stage=SecondStage(make_head_terms(later), make_head_validation(valid, later, batch_size=size)),
        folder=folder,
        resume=resume,
        progress=progress,
        log=log,
        decays=hidden_matrices_decay,
    )


def collate_by_head(items: Sequence[tuple[str, Graph]]) -> dict[str, Graph]:
    """One batch for each head, of graphs that come with the name of their head."""
    names = dict.fromkeys(name for name, _ in items)
    return {name: collate_partial([graph for head, graph in items if head == name]) for name in names}


def make_head_terms(weights: LossWeights) -> Callable[[nn.Module, Mapping[str, Graph]], dict[str, Mean]]:
    """The terms of the loss over the graphs of all heads together."""
    terms = make_terms(weights)

    def of_all(heads: nn.Module, batch: Mapping[str, Graph]) -> dict[str, Mean]:
        assert isinstance(heads, Heads)
        return _joined([terms(heads[name], graph) for name, graph in batch.items()])

    return of_all


def make_head_validation(valid: Mapping[str, Sequence[Graph]], weights: LossWeights, *, batch_size: int) -> Validation:
    """A function from heads to their loss and errors together, and to the errors of each."""
    terms = make_terms(weights)
    batches = {
        name: [collate_partial(graphs[start : start + batch_size]) for start in range(0, len(graphs), batch_size)]
        for name, graphs in valid.items()
    }

    def validate(heads: nn.Module) -> dict[str, float]:
        assert isinstance(heads, Heads)
        means = {name: total(terms, heads[name], parts) for name, parts in batches.items()}
        each = {
            f"{head}_{name}": value
            for head, found in means.items()
            for name, value in loss_and_errors(found).items()
            if name != "loss"
        }
        return {**loss_and_errors(_joined(list(means.values()))), **each}

    return validate


def _joined(terms: Sequence[Mapping[str, Mean]]) -> dict[str, Mean]:
    return {name: reduce(add, (each[name] for each in terms)) for name in terms[0]}
