"""What contract checks work on: a module with its types, random inputs, and how a broken clause is told.

O(3) acts along `dim`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from intertwine.groups.error import relative_error
from intertwine.o3.irreps import Irreps

EXACT_FLOAT64 = 1e-12
"""Largest error of an exact map in float64, relative to the root mean square of its result."""
EXACT_FLOAT32 = 5e-6
"""The same in float32."""

Batch = tuple[int, ...]
BATCHES: tuple[Batch, ...] = ((), (0,), (5,), (2, 3))


class Draw:
    """Random float64 features from one generator."""

    def __init__(self, generator: torch.Generator | None) -> None:
        self.generator = torch.Generator().manual_seed(0) if generator is None else generator

    def __call__(self, *shape: int) -> Tensor:
        """Standard normal numbers."""
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)


@dataclass(frozen=True)
class Case:
    """A module in float64 with its types: how to draw inputs, how O(3) acts on them and on the result."""

    module: nn.Module
    make: Callable[[Batch, Draw], tuple[Tensor, ...]]
    irreps_in: tuple[Irreps | None, ...]
    irreps_out: Irreps
    channels: int | None
    draw: Draw
    rounding: float = EXACT_FLOAT32

    def inputs(self, *batch: int) -> tuple[Tensor, ...]:
        """Random inputs of a batch shape."""
        return self.make(batch, self.draw)


def cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Features in another precision; whole numbers stay."""
    return x.to(dtype) if x.is_floating_point() else x


def require_close(sentence: str, value: Tensor, expected: Tensor, bound: float) -> None:
    """Raise AssertionError unless two results are the same, relative to their size."""
    error = relative_error(value, expected)
    require(error <= bound, f"expected that {sentence} to {bound:.0e}, came {error:.1e}")


def require(condition: bool, failure: str) -> None:
    """Raise AssertionError with the clause that is broken."""
    if not condition:
        raise AssertionError(failure)
