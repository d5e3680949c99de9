"""What a potential is trained for: errors of energy, forces and stress, all invariants of E(3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.potentials.structures.batching import LABELS
from intertwine.potentials.structures.graph import Graph, GraphError, Prediction
from intertwine.training.means import Mean, contributions, weighted_sum


@dataclass(frozen=True)
class LossWeights:
    """How much each error counts; a zero leaves the label unread.

    Errors are taken in eV/atom, eV/Angstrom and eV/Angstrom^3, which differ in size: a force error of 0.1 eV/A goes
    with an energy error of a few meV/atom. They are squared; with `huber` only up to that error, and from there on grow
    linearly, so that a few wrong labels do not lead:

        loss(e) = e^2  for |e| <= huber,      huber (2 |e| - huber)  beyond

    Example:
        >>> LossWeights(energy=1.0, forces=10.0).labels
        ['energy', 'forces']

    Raises ValueError for a negative weight, when all are zero, or for a `huber` that is not positive.

    Reference: Huber, 1964, Annals of Mathematical Statistics 35, 73, twice its equation for rho.
    """

    energy: float = 1.0
    forces: float = 10.0
    stress: float = 0.0
    huber: float | None = None

    def __post_init__(self) -> None:
        values = {name: getattr(self, name) for name in LABELS}
        if not (all(0 <= value < float("inf") for value in values.values()) and any(values.values())):
            raise ValueError(f"LossWeights: expected weights of at least 0, one of them above 0, came {values}.")
        if self.huber is not None and not 0 < self.huber < float("inf"):
            raise ValueError(f"LossWeights: huber must be positive, came {self.huber}; None squares all errors.")

    @property
    def labels(self) -> list[str]:
        """The labels that count: "energy", "forces", "stress"."""
        return [name for name in LABELS if getattr(self, name) > 0]


def make_terms(weights: LossWeights) -> Callable[[nn.Module, Graph], dict[str, Mean]]:
    r"""The terms of the loss `(potential, batch) -> {"energy_mse", "forces_mse", "stress_mse"}` for `training.fit`.

    Means run over the labels that are there: over structures, over Cartesian components of all atoms, and over
    components of the stress. NaN is a blank. With `huber` the squares are reported, and terms "energy_huber", ...
    make the loss.
    """

    def terms(potential: nn.Module, batch: Graph) -> dict[str, Mean]:
        there = {name: name in weights.labels and getattr(batch, name) is not None for name in LABELS}
        prediction = potential(batch, forces=there["forces"], stress=there["stress"])
        found = {}
        for name in weights.labels:
            error, count = _errors(name, prediction, batch) if there[name] else _nothing(batch)
            squares, weight = error.square(), getattr(weights, name)
            if weights.huber is None:
                found[f"{name}_mse"] = Mean(squares.sum(), count, weight)
            else:
                size = error.abs()
                huber = torch.where(size <= weights.huber, squares, weights.huber * (2 * size - weights.huber))
                found[f"{name}_huber"] = Mean(huber.sum(), count, weight)
                found[f"{name}_mse"] = Mean(squares.sum().detach(), count)
        return found

    return terms


def make_objective(weights: LossWeights) -> Callable[[nn.Module, Graph], Mapping[str, Tensor]]:
    r"""The loss of one batch `(potential, batch) -> {"loss", "energy_mse", "forces_mse", "stress_mse"}`, as numbers.

        loss = w_energy mean( ((E - E*) / atoms)^2 ) + w_forces mean( |F - F*|^2 / 3 ) + w_stress mean( |S - S*|^2 / 9 )

    Means run over structures, over all atoms of the batch, and over structures. `make_terms` gives its parts, which can
    be shared out over processes.

    Raises:
        GraphError: when called with a batch that lacks a label that counts.

    Example:
        >>> objective = make_objective(LossWeights(energy=1.0, forces=10.0))
        >>> objective(potential, collate(graphs))["loss"].backward()  # doctest: +SKIP
    """
    terms = make_terms(weights)

    def objective(potential: nn.Module, batch: Graph) -> Mapping[str, Tensor]:
        for name in weights.labels:
            if getattr(batch, name) is None:
                raise GraphError(
                    f"{batch.place(0)}: {name} is missing; label the frames, or set the loss weight of {name} to 0."
                )
        means = terms(potential, batch)
        parts = contributions(means, torch.stack([mean.count for mean in means.values()]))
        return {"loss": weighted_sum(means, parts), **{name: part.detach() for name, part in zip(means, parts)}}

    return objective


def _errors(name: str, prediction: Prediction, batch: Graph) -> tuple[Float[Tensor, "..."], Float[Tensor, ""]]:
    """Errors of one quantity in float64, zero where the label is blank, and how many are not blank."""
    predicted, label = getattr(prediction, name), getattr(batch, name)
    there = ~label.isnan()
    error = torch.where(there, predicted - label, 0).double()
    if name == "energy":
        error = error / torch.bincount(batch.structure, minlength=batch.graph_count)
    return error, there.sum().double()


def _nothing(batch: Graph) -> tuple[Float[Tensor, "0"], Float[Tensor, ""]]:
    empty = torch.zeros(0, dtype=torch.float64, device=batch.positions.device)
    return empty, empty.sum()
