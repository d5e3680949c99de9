"""A running average of a model's weights, to validate with and to keep: exponential, then equal. No group acts here."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from intertwine.training.weights import check_fit, snapshot, weights


class ExponentialAverage:
    """Average of parameters and floating buffers over the steps of training.

        average <- d average + (1 - d) weight        d = min(decay, (1 + n) / (10 + n)),  n updates so far

    The early, smaller d forgets the random start quickly. Integer buffers, and those that begin with an infinity
    (masks), are copied instead. Tables that never change belong in buffers with `persistent=False`, which cost nothing.

    After `weigh_equally` all weights from there on count alike, d = n / (n + 1): stochastic weight averaging.

    Reference: Polyak and Juditsky, 1992; the warm start is that of TensorFlow's `ExponentialMovingAverage`; equal
    weights: Izmailov et al., 2018, Averaging weights leads to wider optima, arXiv:1803.05407, algorithm 1.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.model = model
        self.decay = decay
        self.equal = False
        self.updates = 0
        self.average = snapshot(model)
        # Modules and leaf names, not tensors: a module may assign a new tensor to its buffer at any step. Found by
        # identity, since a state_dict may call its tensors otherwise than the modules do.
        held = {
            id(tensor): (module, leaf)
            for module in model.modules()
            for leaf, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
        }
        self._owners = {name: held[id(tensor)] for name, tensor in weights(model).items()}
        self._averaged = [
            name
            for name, tensor in self.average.items()
            if tensor.is_floating_point() and bool(tensor.isfinite().all())
        ]
        self._copied = [name for name in self.average if name not in self._averaged]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the present weights of the model."""
        n = self.updates
        decay = n / (n + 1) if self.equal else min(self.decay, (1 + n) / (10 + n))
        self.updates += 1
        if self._averaged:
            averages = [self.average[name] for name in self._averaged]
            torch._foreach_lerp_(averages, [self._live(name) for name in self._averaged], 1 - decay)
        for name in self._copied:
            self.average[name].copy_(self._live(name))

    def weigh_equally(self) -> None:
        """Forget the past; the weights of all updates from now on count alike."""
        self.equal, self.updates = True, 0

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Let the model carry the average for the length of a `with` block; the live weights come back exactly."""
        live = {name: self._live(name).detach().clone() for name in self.average}
        self._write(self.average)
        try:
            yield
        finally:
            self._write(live)

    @torch.no_grad()
    def restore(
        self, average: Mapping[str, Tensor], updates: int, *, equal: bool = False, origin: str = "the checkpoint"
    ) -> None:
        """Continue from a stored `average` after `updates` updates.

        Raises:
            CheckpointError: the names, shapes or dtypes are not those of the model.
        """
        check_fit(self.average, average, origin=origin)
        for name, tensor in self.average.items():
            tensor.copy_(average[name])
        self.updates, self.equal = updates, equal

    def _live(self, name: str) -> Tensor:
        return getattr(*self._owners[name])

    @torch.no_grad()
    def _write(self, tensors: Mapping[str, Tensor]) -> None:
        for name, tensor in tensors.items():
            self._live(name).copy_(tensor)
