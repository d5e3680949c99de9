"""What a potential is trained for: errors of energy, forces and stress, all invariants of E(3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from intertwine.potentials.graph import Graph, Prediction


@dataclass(frozen=True)
class LossWeights:
    """How much each error counts; a zero leaves the label unread.

    Squared errors are taken in eV/atom, eV/Angstrom and eV/Angstrom^3, which differ in size: a force error of 0.1 eV/A
    goes with an energy error of a few meV/atom.
    """

    energy: float = 1.0
    forces: float = 10.0
    stress: float = 0.0


def make_objective(weights: LossWeights) -> Callable[[nn.Module, Graph], Mapping[str, Tensor]]:
    r"""The loss `(potential, batch) -> {"loss", "energy_mse", "forces_mse", "stress_mse"}`.

        loss = w_energy mean( ((E - E*) / atoms)^2 ) + w_forces mean( |F - F*|^2 / 3 ) + w_stress mean( |S - S*|^2 / 9 )

    Means run over structures, over all atoms of the batch, and over structures.
    """

    def objective(potential: nn.Module, batch: Graph) -> Mapping[str, Tensor]:
        prediction: Prediction = potential(batch, forces=weights.forces > 0, stress=weights.stress > 0)
        terms: dict[str, tuple[float, Tensor]] = {}
        if weights.energy > 0:
            assert batch.energy is not None
            atoms = torch.bincount(batch.structure, minlength=batch.graph_count)
            terms["energy_mse"] = weights.energy, ((prediction.energy - batch.energy) / atoms).square().mean()
        if weights.forces > 0:
            assert batch.forces is not None and prediction.forces is not None
            terms["forces_mse"] = weights.forces, (prediction.forces - batch.forces).square().mean()
        if weights.stress > 0:
            assert batch.stress is not None and prediction.stress is not None
            terms["stress_mse"] = weights.stress, (prediction.stress - batch.stress).square().mean()
        loss = sum(weight * term for weight, term in terms.values())
        return {"loss": torch.as_tensor(loss), **{name: term.detach() for name, (_, term) in terms.items()}}

    return objective
