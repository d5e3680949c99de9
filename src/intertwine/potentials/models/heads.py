"""Heads: potentials that share all weights but their readouts, one for each level of theory. No group acts here."""

import copy
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from intertwine.potentials.models.potential import Potential
from intertwine.potentials.structures.graph import Graph, Prediction
from intertwine.training.checkpoint import CheckpointError
from intertwine.training.weights import weights

MAIN = "main"
"""The head of a potential that was trained on one data set, and the one that is loaded where none is named."""


def of_readout(name: str) -> bool:
    """Whether a parameter belongs to a head: a part of its name begins with "readout".

    Example:
        >>> of_readout("model.readouts.0.weight"), of_readout("model.interactions.0.radial.weight")
        (True, False)
    """
    return any(part.startswith("readout") for part in name.split("."))


def another_head(potential: Potential, reference_energies: Mapping[int, float], *, shift: float) -> Potential:
    """A potential with readouts, reference energies and shift of its own, and all other weights shared.

    Its readouts begin as those of `potential`. Elements without a reference energy take that of `potential`. Training
    one trains the other's shared weights: they are the same tensors.

    Raises:
        ValueError: the model has no part whose name begins with "readout", so all would be shared.

    Example:
        >>> from intertwine.potentials.models.saved import build_potential
        >>> main = build_potential("mace", {"species": [1, 8], "cutoff": 4.0, "channels": 8}, {1: -13.6, 8: -2041.8})
        >>> other = another_head(main, {1: -13.5}, shift=0.0)
        >>> other.model.embedding.weight is main.model.embedding.weight, other.reference_energies
        (True, {1: -13.5, 8: -2041.8})
    """
    named = dict(potential.named_parameters())
    if not any(of_readout(name) for name in named):
        raise ValueError(f"another_head: {type(potential.model).__name__} has no parameter under a name with readout.")
    shared = {id(parameter): parameter for name, parameter in named.items() if not of_readout(name)}
    model = copy.deepcopy(potential.model, shared)
    references = {**potential.reference_energies, **{int(n): float(e) for n, e in reference_energies.items()}}
    rule = potential.shift_alone
    head = Potential(model, references, scale=potential.scale, shift=shift, shift_alone=rule)
    head.recipe = copy.deepcopy(potential.recipe)
    return head


class Heads(nn.Module):
    """Potentials by name as one module, for training: shared weights are there once.

    Example:
        >>> from intertwine.potentials.models.saved import build_potential
        >>> main = build_potential("mace", {"species": [1, 8], "cutoff": 4.0, "channels": 8}, {1: -13.6, 8: -2041.8})
        >>> heads = Heads({"main": main, "r2scan": another_head(main, {1: -13.5}, shift=0.0)})
        >>> heads.names
        ('main', 'r2scan')
    """

    def __init__(self, potentials: Mapping[str, Potential]):
        super().__init__()
        self.names = tuple(potentials)
        self.potentials = nn.ModuleList(potentials.values())

    def __getitem__(self, name: str) -> nn.Module:
        return self.potentials[self.names.index(name)]

    def forward(
        self, graphs: Mapping[str, Graph], *, forces: bool = True, stress: bool = False
    ) -> dict[str, Prediction]:
        """What each head says of its own graphs."""
        return {name: self[name](graph, forces=forces, stress=stress) for name, graph in graphs.items()}


def head_tensors(heads: Mapping[str, Potential]) -> dict[str, Tensor]:
    """What heads have of their own, as tensors to be saved beside those of the main one."""
    return {
        f"heads.{head}.{name}": tensor
        for head, potential in heads.items()
        for name, tensor in weights(potential).items()
        if of_readout(name)
    }


def head_values(heads: Mapping[str, Potential]) -> dict[str, Any]:
    """What heads have of their own, as JSON values."""
    return {
        head: {
            "reference_energies": {str(number): energy for number, energy in potential.reference_energies.items()},
            "shift": potential.shift,
        }
        for head, potential in heads.items()
    }


def choose_head(
    values: dict[str, Any], tensors: dict[str, Tensor], head: str | None, *, origin: str
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Values and tensors of a saved potential as if it had the chosen head only; None is the main one.

    Raises:
        CheckpointError: there is no such head.
    """
    known = values.get("heads", {})
    main = {name: tensor for name, tensor in tensors.items() if not re.match(r"heads\.", name)}
    if head is None or head == MAIN:
        return values, main
    if head not in known:
        raise CheckpointError(f"{origin}: there is no head {head!a}; it has {', '.join([MAIN, *known])}.")
    prefix = f"heads.{head}."
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return {**values, **known[head]}, {**main, **own}
