"""Means over a batch that many processes share: each brings a sum and a count. No group acts here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor

from intertwine.training.distributed import sum_over_processes


@dataclass(frozen=True)
class Mean:
    """One process's part of a mean over the entries of a global batch, and what that mean weighs in the loss.

        mean = sum over processes of total / sum over processes of count,      loss = sum over terms of weight * mean

    Entries are whatever the mean runs over: items, atoms, labels that are there. So the loss of a batch does not depend
    on how it was dealt out. A term that nobody has an entry of adds nothing.

    Shapes: total and count are scalars.
    """

    total: Tensor
    count: Tensor
    weight: float = 0.0

    def __add__(self, other: "Mean") -> "Mean":
        """The mean over the entries of both."""
        return Mean(self.total + other.total, self.count + other.count, self.weight)


def as_means(terms: Mapping[str, Tensor | Mean], items: int) -> dict[str, Mean]:
    """What an objective returned, as means: a plain scalar is a mean over `items`, and "loss" counts once.

    Example:
        >>> as_means({"loss": torch.tensor(3.0)}, 2)["loss"].total
        tensor(6.)
    """
    found = {}
    for name, term in terms.items():
        if isinstance(term, Mean):
            # A process without items in a short last batch took one to talk along; it must not count.
            found[name] = term if items else Mean(term.total * 0, term.count * 0, term.weight)
        else:
            count = torch.tensor(float(items), device=term.device)
            found[name] = Mean(term * items, count, float(name == "loss"))
    return found


def together(found: Sequence[Mapping[str, Mean]]) -> dict[str, Mean]:
    """The same terms over the entries of all, for example of several batches."""
    return {name: reduce(add, (each[name] for each in found)) for name in found[0]}


def global_counts(means: Mapping[str, Mean]) -> Tensor:
    """Entries of every term over all processes, in float64."""
    return sum_over_processes(torch.stack([mean.count.detach().to(torch.float64) for mean in means.values()]))


def contributions(means: Mapping[str, Mean], counts: Tensor) -> list[Tensor]:
    """Each process's summand of every global mean; their sums over the processes are the means."""
    return [mean.total / count for mean, count in zip(means.values(), counts.clamp(min=1), strict=True)]


def weighted_sum(means: Mapping[str, Mean], parts: list[Tensor]) -> Tensor:
    """This process's summand of the loss: the gradients of all processes add up to that of the loss."""
    weighed = [mean.weight * part for mean, part in zip(means.values(), parts, strict=True) if mean.weight]
    return torch.stack([part.to(torch.float64) for part in weighed]).sum() if len(weighed) > 1 else weighed[0]
