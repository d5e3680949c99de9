"""The tensors that make a model what it is, by name, once each, and writing them in place. No group acts here."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from intertwine.training.checkpoint import CheckpointError


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter and persistent buffer, by its first name: the tensors themselves, not copies.

    A tensor tied to two names appears once. Buffers registered with `persistent=False` are left out.

    Example:
        >>> list(weights(nn.Linear(2, 1)))
        ['weight', 'bias']
    """
    seen: set[int] = set()
    found = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if isinstance(tensor, Tensor) and id(tensor) not in seen:
            seen.add(id(tensor))
            found[name] = tensor
    return found


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of `weights(model)`, detached."""
    return {name: tensor.detach().clone() for name, tensor in weights(model).items()}


@torch.no_grad()
def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], *, origin: str = "the checkpoint") -> None:
    """Copy named tensors into a model, which must want exactly these names, shapes and dtypes.

    Raises:
        CheckpointError: a name is missing or left over, or a shape or dtype differs; `origin` says whose fault it is.
    """
    wanted = weights(model)
    check_fit(wanted, tensors, origin=origin)
    for name, tensor in wanted.items():
        tensor.copy_(tensors[name])


def check_fit(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor], *, origin: str) -> None:
    """Raise `CheckpointError` unless `tensors` has the names, shapes and dtypes of `wanted`."""
    remedy = "Build the model with the configuration it was trained with."
    for name, tensor in wanted.items():
        if name not in tensors:
            raise CheckpointError(f'{origin}: tensor "{name}" is missing. {remedy}')
        found = tensors[name]
        if found.shape != tensor.shape:
            raise CheckpointError(
                f'{origin}: tensor "{name}" has shape {list(found.shape)}, '
                f"the model wants {list(tensor.shape)}. {remedy}"
            )
        if found.dtype != tensor.dtype:
            raise CheckpointError(
                f'{origin}: tensor "{name}" is {found.dtype}, the model wants {tensor.dtype}. {remedy}'
            )
    for name in tensors:
        if name not in wanted:
            raise CheckpointError(f'{origin}: tensor "{name}" has no place in the model. {remedy}')
