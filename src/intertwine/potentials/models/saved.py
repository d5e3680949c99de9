"""Potentials on disk: weights as safetensors, everything else as JSON, nothing pickled; no group acts here."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import nn

from intertwine.potentials.models.heads import choose_head, head_tensors, head_values
from intertwine.potentials.models.mace_torch import MACETorch
from intertwine.potentials.models.mean_model import MeanModel
from intertwine.potentials.models.models import MODELS, ModelName
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.zbl import with_repulsion
from intertwine.training.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from intertwine.training.weights import load_weights, weights

KIND = "potential"
KINDS: dict[str, Callable[..., nn.Module]] = {
    **MODELS,
    "mace-torch": MACETorch,
    "committee": lambda members: MeanModel([_member(**member) for member in members]),
}
"""What a folder can hold: the models of configuration files, those that conversions make, and means of several."""
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def build_potential(
    kind: ModelName | Literal["mace-torch", "committee"],
    hyperparameters: Mapping[str, Any],
    reference_energies: Mapping[int, float],
    *,
    scale: float = 1.0,
    shift: float = 0.0,
    shift_alone: bool = False,
    seed: int | None = None,
) -> Potential:
    """A potential with fresh weights, remembering how it was built so that it can be saved.

    Args:
        hyperparameters: keyword arguments of the model's constructor, JSON values; with `repulsion: "zbl"` nuclei repel
            each other besides, under any model.
        seed: of the weights; left out, torch's own generator goes on.

    Raises:
        ValueError: an unknown kind, or hyperparameters that the model refuses.

    Example:
        >>> hyperparameters = {"species": [1, 8], "cutoff": 4.0, "channels": 8}
        >>> potential = build_potential("mace", hyperparameters, {1: -13.6, 8: -2041.8}, seed=0)
        >>> potential.species, potential.cutoff
        ((1, 8), 4.0)
    """
    if kind not in KINDS:
        raise ValueError(f"build_potential: there is no model {kind!r}; choose one of {', '.join(KINDS)}.")
    arguments = dict(hyperparameters)
    repulsion = arguments.pop("repulsion", "none")
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        model: nn.Module = KINDS[kind](**arguments)
    model = with_repulsion(model, repulsion, scale=scale)
    potential = Potential(model, reference_energies, scale=scale, shift=shift, shift_alone=shift_alone)
    potential.recipe = {"model": kind, "hyperparameters": dict(hyperparameters)}
    return potential


def save_potential(
    folder: Path | str,
    potential: Potential,
    *,
    heads: Mapping[str, Potential] = MappingProxyType({}),
    notes: Mapping[str, Any] | None = None,
) -> Path:
    """Write a potential as a folder, all of it or nothing; `load` reads it back bit for bit.

    Args:
        heads: potentials that share its weights but for their readouts, as `another_head` makes them, by name.
        notes: JSON values to keep beside the weights, for example the training configuration.

    Raises:
        ValueError: the potential was not made by `build_potential` or `load`.

    Example:
        >>> save_potential("runs/mine/potential", potential)  # doctest: +SKIP
    """
    if potential.recipe is None:
        raise ValueError("save_potential: this potential has no recipe; make it with build_potential to save it.")
    values = {
        **potential.recipe,
        "reference_energies": {str(number): energy for number, energy in potential.reference_energies.items()},
        "scale": potential.scale,
        "shift": potential.shift,
        "shift_alone": potential.shift_alone,
        "dtype": str(potential.dtype).removeprefix("torch."),
        "notes": dict(notes or {}),
        **({"heads": head_values(heads)} if heads else {}),
    }
    return write_checkpoint(folder, {**weights(potential), **head_tensors(heads)}, values, kind=KIND)


def load(folder: Path | str, *, head: str | None = None, device: torch.device | str = "cpu") -> Potential:
    """Read a potential that `save_potential` wrote, in its own dtype.

    Args:
        head: which of its heads; the one called main if none is named.

    Example:
        >>> potential = load("runs/demo/potential")  # doctest: +SKIP

    Raises:
        CheckpointError: missing, cut short, altered by as little as a bit, not a potential, or without such a head.
    """
    checkpoint = read_checkpoint(folder, kind=KIND)
    values, tensors = choose_head(checkpoint.values, checkpoint.tensors, head, origin=str(folder))
    try:
        references = {int(number): float(energy) for number, energy in values["reference_energies"].items()}
        potential = build_potential(
            values["model"],
            values["hyperparameters"],
            references,
            scale=values["scale"],
            shift=values["shift"],
            shift_alone=values.get("shift_alone", True),  # all that was saved before the field was
            seed=0,
        )
        potential.to(DTYPES[values["dtype"]])
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{folder}: the checkpoint does not describe a potential that this release can build ({reason}). "
            f"Load it with the release that wrote it."
        ) from error
    load_weights(potential, tensors, origin=str(folder))
    return potential.to(device)


def _member(
    model: ModelName,
    hyperparameters: Mapping[str, Any],
    reference_energies: Mapping[str, float],
    scale: float,
    shift: float,
    shift_alone: bool = True,
) -> Potential:
    """A member of a committee, from what its folder says of it."""
    references = {int(number): float(energy) for number, energy in reference_energies.items()}
    return build_potential(model, hyperparameters, references, scale=scale, shift=shift, shift_alone=shift_alone)
