"""What a potential is trained for: errors of energy, forces and stress, all invariants of E(3)."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.potentials.graph import Graph, GraphError, Prediction


@dataclass(frozen=True)
class LossWeights:
    """How much each error counts; a zero leaves the label unread.

    Squared errors are taken in eV/atom, eV/Angstrom and eV/Angstrom^3, which differ in size: a force error of 0.1 eV/A
    goes with an energy error of a few meV/atom.

    Raises ValueError for a negative weight, or when all are zero.
    """

    energy: float = 1.0
    forces: float = 10.0
    stress: float = 0.0

    def __post_init__(self) -> None:
        values = list(asdict(self).values())
        if not (all(0 <= value < float("inf") for value in values) and any(values)):
            raise ValueError(f"LossWeights: expected weights of at least 0, one of them above 0, came {asdict(self)}.")

    @property
    def labels(self) -> list[str]:
        """The labels that count: "energy", "forces", "stress"."""
        return [name for name, weight in asdict(self).items() if weight > 0]


def make_objective(weights: LossWeights) -> Callable[[nn.Module, Graph], Mapping[str, Tensor]]:
    r"""The loss `(potential, batch) -> {"loss", "energy_mse", "forces_mse", "stress_mse"}`, for the labels that count.

        loss = w_energy mean( ((E - E*) / atoms)^2 ) + w_forces mean( |F - F*|^2 / 3 ) + w_stress mean( |S - S*|^2 / 9 )

    Means run over structures, over all atoms of the batch, and over structures.

    Raises:
        GraphError: when called with a batch that lacks a label that counts.

    Example:
        >>> objective = make_objective(LossWeights(energy=1.0, forces=10.0))
        >>> objective(potential, collate(graphs))["loss"].backward()  # doctest: +SKIP
    """

    def objective(potential: nn.Module, batch: Graph) -> Mapping[str, Tensor]:
        prediction = potential(batch, forces=weights.forces > 0, stress=weights.stress > 0)
        errors = {name: _squares(name, prediction, batch).mean() for name in weights.labels}
        zero = torch.zeros((), dtype=torch.float64, device=batch.positions.device)
        loss = sum((getattr(weights, name) * error for name, error in errors.items()), start=zero)
        return {"loss": loss, **{f"{name}_mse": error.detach() for name, error in errors.items()}}

    return objective


def _squares(name: str, prediction: Prediction, batch: Graph) -> Float[Tensor, "..."]:
    """Squared errors of one quantity: a number a structure, or one a Cartesian component."""
    predicted, label = getattr(prediction, name), getattr(batch, name)
    if label is None:
        raise GraphError(
            f"{batch.place(0)}: {name} is missing; label the frames, or set the loss weight of {name} to 0."
        )
    difference = predicted - label
    if name == "energy":
        difference = difference / torch.bincount(batch.structure, minlength=batch.graph_count)
    return difference.square()
