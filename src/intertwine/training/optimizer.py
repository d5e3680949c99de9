"""Adam with the decay groups a model asks for, and its state as named tensors. No group acts here."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from intertwine.training.checkpoint import CheckpointError
from intertwine.training.plan import TrainingPlan


def matrices_decay(name: str, parameter: Tensor) -> bool:
    """Decay weights with at least two axes; leave biases, scales and single numbers alone."""
    return parameter.ndim >= 2


def make_optimizer(
    model: nn.Module, plan: TrainingPlan, decays: Callable[[str, Tensor], bool] = matrices_decay
) -> torch.optim.Optimizer:
    """Adam or AdamW over the trainable parameters, in two groups: those that decay and those that do not.

    Args:
        decays: says of a parameter, by name, whether `plan.weight_decay` applies to it.
    """
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    if not named:
        raise ValueError("make_optimizer: the model has no trainable parameter.")
    groups = [
        {"params": [pair for pair in named if decays(*pair)], "weight_decay": plan.weight_decay},
        {"params": [pair for pair in named if not decays(*pair)], "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if plan.optimizer == "adamw" else torch.optim.Adam
    fused = all(
        parameter.device.type in ("cpu", "cuda", "mps") and parameter.dtype in (torch.float32, torch.float64)
        for _, parameter in named
    )
    return kind(
        [group for group in groups if group["params"]],
        lr=plan.learning_rate,
        amsgrad=plan.amsgrad,
        fused=fused,
    )


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimizer as tensors named `<parameter>.<key>`, for example `layer.weight.exp_avg`."""
    return {
        f"{name}.{key}": torch.as_tensor(value)
        for name, parameter in _named(optimizer)
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], *, origin: str = "the checkpoint"
) -> None:
    """Continue from `optimizer_tensors`; learning rates and decays stay those of the plan.

    Raises:
        CheckpointError: a tensor belongs to no parameter, or its shape is not that of its parameter.
    """
    state: dict[int, dict[str, Tensor]] = {}
    left = dict(tensors)
    for index, (name, parameter) in enumerate(_named(optimizer)):
        for key in [key for key in left if key.rpartition(".")[0] == name]:
            value = left.pop(key)
            slot = key.rpartition(".")[2]
            if value.ndim and value.shape != parameter.shape:
                raise CheckpointError(
                    f'{origin}: optimizer tensor "{key}" has shape {list(value.shape)}, its parameter has '
                    f"{list(parameter.shape)}. Build the model with the configuration it was trained with."
                )
            state.setdefault(index, {})[slot] = value
    if left:
        raise CheckpointError(
            f'{origin}: optimizer tensor "{next(iter(left))}" belongs to no parameter of the model. '
            "Build the model with the configuration it was trained with."
        )
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _named(optimizer: torch.optim.Optimizer) -> list[tuple[str, Tensor]]:
    return [
        pair for group in optimizer.param_groups for pair in zip(group["param_names"], group["params"], strict=True)
    ]
