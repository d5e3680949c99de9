"""Many models of one shape trained at once, with an axis for models in front of every tensor. No group acts here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from intertwine.learning.soft_equivariance import Binding
from intertwine.training.run import NumericalError


@dataclass(frozen=True)
class Samples:
    """Inputs and targets, house layout; one set for each seed in front."""

    x: Float[Tensor, "seed sample dim_v channel_in"]
    y: Float[Tensor, "seed sample dim_w channel_out"]

    def __getitem__(self, samples: slice | Tensor) -> "Samples":
        return Samples(self.x[:, samples], self.y[:, samples])

    def __len__(self) -> int:
        return self.x.shape[1]


@dataclass(frozen=True)
class Course:
    """How a stack learns: Adam with a cosine to zero, the same batches for all."""

    steps: int
    batch_size: int = 100
    learning_rate: float = 3e-3
    looks: int = 20
    """How often the validation set is looked at; the best weights are kept."""


@dataclass(frozen=True)
class Fitted:
    """What a stack learned."""

    parameters: dict[str, Tensor]
    """Those trained, at the best look."""
    weights: dict[str, Tensor]
    """What the models compute with."""
    valid: Float[Tensor, "stack"]
    """Mean squared error at the best look."""


def stacked(models: Sequence[nn.Module], repeats: int = 1) -> dict[str, Tensor]:
    """Parameters of models of one shape, [model * repeats, ...]: each model `repeats` times in turn.

    Example:
        >>> stacked([nn.Linear(2, 3), nn.Linear(2, 3)], repeats=4)["weight"].shape
        torch.Size([8, 3, 2])
    """
    parameters, _ = stack_module_state(list(models))  # type: ignore[arg-type]
    return {name: each.detach().repeat_interleave(repeats, 0) for name, each in parameters.items()}


def predict(model: nn.Module, weights: Mapping[str, Tensor], x: Float[Tensor, "stack ..."]) -> Tensor:
    """Every model of a stack on an input of its own."""
    return vmap(lambda own, one: functional_call(model, own, (one,)))(dict(weights), x)


def squared_error(
    model: nn.Module, weights: Mapping[str, Tensor], data: Samples, seeds: Tensor
) -> Float[Tensor, "stack"]:
    """Mean squared error of every model of a stack on the set of its seed."""
    return (predict(model, weights, data.x[seeds]) - data.y[seeds]).square().flatten(1).mean(1)


def train_stack(
    model: nn.Module,
    parameters: Mapping[str, Tensor],
    binding: Binding,
    train: Samples,
    valid: Samples,
    *,
    seeds: Int[Tensor, "stack"],
    course: Course,
    decay: Float[Tensor, "stack"] | float = 0.0,
    generator: torch.Generator | None = None,
    watch: Callable[[int, Mapping[str, Tensor]], None] | None = None,
) -> Fitted:
    r"""Minimise mean squared error + penalty of the binding + decay |W|^2 / 2 for every model of a stack.

    One backward pass of the sum serves all, since no model sees another. Weights are kept from the look at the
    validation set that was best, for each model.

    Args:
        parameters: of the bare models, one axis in front (`stacked`).
        seeds: which set of samples each model sees.
        watch: called with the step and the parameters at every look.

    Raises NumericalError where errors are not finite.
    """
    own = {name: each.clone().requires_grad_() for name, each in binding.start(parameters).items()}
    adam = torch.optim.Adam(own.values(), lr=course.learning_rate, fused=True)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, course.steps)
    best, kept = torch.full((len(seeds),), torch.inf), {name: each.detach().clone() for name, each in own.items()}
    every = max(1, course.steps // course.looks)
    for step in range(course.steps + 1):
        if step % every == 0 or step == course.steps:
            with torch.no_grad():
                error = squared_error(model, binding.weights(own), valid, seeds)
            if not error.isfinite().all():
                raise NumericalError(
                    f"train_stack: the error of {int((~error.isfinite()).sum())} of {len(error)} models is not finite "
                    f"at step {step}; look for numbers that are not finite in the samples, or lower the learning rate."
                )
            better = error < best
            best = torch.where(better, error, best)
            for name, each in own.items():
                kept[name] = torch.where(better.view(-1, *[1] * (each.dim() - 1)), each.detach(), kept[name])
            if watch is not None:
                watch(step, own)
        if step == course.steps:
            break
        batch = torch.randint(len(train), (course.batch_size,), generator=generator)
        weights = binding.weights(own)
        loss = squared_error(model, weights, train[batch], seeds) + binding.penalty(own, step)
        size = sum(each.square().flatten(1).sum(1) for each in weights.values())
        adam.zero_grad()
        (loss + decay * size / 2).sum().backward()
        adam.step()
        cosine.step()
    with torch.no_grad():
        return Fitted(kept, binding.weights(kept), best)
