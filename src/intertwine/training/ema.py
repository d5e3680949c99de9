"""An exponential moving average of a model's weights, to validate with and to keep. No group acts here."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from intertwine.training.weights import check_fit, snapshot, weights


class ExponentialAverage:
    """Average of parameters and floating buffers over the steps of training.

        average <- d average + (1 - d) weight        d = min(decay, (1 + n) / (10 + n)),  n updates so far

    The early, smaller d forgets the random start quickly. Buffers that never change (tables, masks) cost nothing and
    may hold infinities; integer buffers are copied.

    Reference: Polyak and Juditsky, 1992; the warm start is that of TensorFlow's `ExponentialMovingAverage`.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.model = model
        self.decay = decay
        self.updates = 0
        self.average = snapshot(model)
        named = weights(model)
        parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
        self._parameters = {name: tensor for name, tensor in named.items() if name in parameters}
        self._averages = [self.average[name] for name in self._parameters]
        # Buffers are looked up at every step, because a module may assign a new tensor to one. Those still the tensor,
        # in the version, that they were at the start are skipped.
        self._owners = {
            name: (model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2])
            for name in named
            if name not in parameters
        }
        self._first = {name: (named[name], named[name]._version) for name in self._owners}
        self._moving: set[str] = set()

    @torch.no_grad()
    def update(self) -> None:
        """Take in the present weights of the model."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        if self._averages:
            torch._foreach_lerp_(self._averages, list(self._parameters.values()), 1 - decay)
        for name, (owner, leaf) in self._owners.items():
            value = getattr(owner, leaf)
            first, version = self._first[name]
            if name not in self._moving:
                if value is first and value._version == version:
                    continue
                self._moving.add(name)
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Let the model carry the average for the length of a `with` block; the live weights come back exactly."""
        targets = {**self._parameters, **{name: getattr(*self._owners[name]) for name in self._moving}}
        live = {name: tensor.detach().clone() for name, tensor in targets.items()}
        with torch.no_grad():
            for name, tensor in targets.items():
                tensor.copy_(self.average[name])
        try:
            yield
        finally:
            with torch.no_grad():
                for name, tensor in targets.items():
                    tensor.copy_(live[name])

    @torch.no_grad()
    def restore(self, average: Mapping[str, Tensor], updates: int, *, origin: str = "the checkpoint") -> None:
        """Continue from a stored `average` after `updates` updates, with the model's weights already restored.

        Raises:
            CheckpointError: the names, shapes or dtypes are not those of the model.
        """
        check_fit(self.average, average, origin=origin)
        present = weights(self.model)
        for name, tensor in self.average.items():
            tensor.copy_(average[name])
            if name in self._owners:
                self._first[name] = (present[name], present[name]._version)
        # A buffer equal to its average has not moved yet, or has settled: leaving it alone is the same as averaging.
        self._moving = {name for name in self._owners if not torch.equal(self.average[name], present[name])}
        self.updates = updates
