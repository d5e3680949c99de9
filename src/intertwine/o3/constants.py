"""Constants of a module that O(3) fixes, such as couplings: adds buffers that stay exact through changes of dtype."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Constants(nn.Module):
    """Named constants, kept in float64 on the CPU and served in the dtype and on the device of the module.

    Plain buffers lose digits for good in `module.float().double()`, and an equivariant map is then equivariant to 1e-8
    only. Here every change of dtype or device casts the exact value anew. Not part of the state dict.

    Example:
        >>> constants = Constants(third=torch.tensor(1 / 3, dtype=torch.float64))
        >>> float(constants.float().double().third) == 1 / 3
        True
    """

    def __init__(self, **values: Tensor) -> None:
        super().__init__()
        self.exact = {name: value.detach().to(torch.float64).cpu() for name, value in values.items()}
        for name, value in self.exact.items():
            self.register_buffer(name, value.to(torch.get_default_dtype()), persistent=False)

    def like(self, x: Tensor, name: str) -> Tensor:
        """A constant in the dtype and on the device of `x`: the buffer where that fits, else the exact value cast."""
        buffer = self._buffers[name]  # as getattr does, without its search through modules
        if buffer is not None and buffer.dtype == x.dtype and buffer.device == x.device:
            return buffer
        return self.exact[name].to(dtype=x.dtype, device=x.device)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Constants":
        super()._apply(fn, recurse)
        for name, value in self.exact.items():
            cast = self.get_buffer(name)
            self.register_buffer(name, value.to(dtype=cast.dtype, device=cast.device), persistent=False)
        return self
