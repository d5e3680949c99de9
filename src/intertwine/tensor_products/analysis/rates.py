"""How fast this machine multiplies, streams and starts operations, measured once in a fraction of a second."""

import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import exp, log

import torch

from intertwine.tensor_products.analysis.work import Operation, count
from intertwine.tensor_products.clebsch_gordan import ClebschGordan

WIDTHS = (1, 4, 16, 64)
"""Smallest sides of the matrix products that are timed."""
CACHED, LARGE = 1 << 14, 1 << 21
"""Numbers in a vector that fits a cache, and in one that does not."""


@dataclass(frozen=True)
class Rates:
    """What one device does in a second, for one dtype.

    Example:
        >>> rates = Rates(gemm=(1e9, 4e9, 16e9, 64e9), fft=1e9, coupling=1e9, cached=1e10, stream=1e9, start=1e-6)
        >>> rates.seconds(Operation("mm", "gemm", flops=64_000_000_000, width=64, read=8, written=8))
        1.000001
    """

    gemm: tuple[float, ...]
    """Flops, by `WIDTHS`."""
    fft: float
    """Flops, five a point and halving."""
    coupling: float
    """Flops of a coupling table, in the compiled kernel where there is one."""
    cached: float
    """Bytes, of vectors in a cache."""
    stream: float
    """Bytes, of long vectors."""
    start: float
    """Seconds to start an operation."""

    def seconds(self, operation: Operation) -> float:
        """To start an operation, and to compute or to move its bytes, whichever takes longer."""
        moved = operation.read + operation.written
        moving = moved / (self.cached if moved < LARGE else self.stream)
        flops = {"gemm": self._gemm(operation.width), "fft": self.fft, "coupling": self.coupling}
        computing = operation.flops / flops[operation.kind] if operation.kind in flops else 0.0
        return self.start + max(moving, computing)

    def _gemm(self, width: int) -> float:
        """Between the widths measured, a power law."""
        above = bisect_right(WIDTHS, width)
        if above in (0, len(WIDTHS)):
            return self.gemm[max(0, above - 1)]
        low, high = WIDTHS[above - 1], WIDTHS[above]
        share = log(width / low) / log(high / low)
        return exp((1 - share) * log(self.gemm[above - 1]) + share * log(self.gemm[above]))


def machine_rates(device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Rates:
    """The rates of this machine at the present number of threads; measured at the first call.

    Example:
        >>> machine_rates().stream > 0
        True
    """
    return _measured(str(device), dtype, torch.get_num_threads())


@cache
def _measured(device: str, dtype: torch.dtype, threads: int) -> Rates:
    def vector(*shape: int) -> torch.Tensor:
        return torch.ones(shape, dtype=dtype, device=device)

    def gemm(width: int) -> float:
        batch = max(1, 1024 // width)
        left, right = vector(48, 32), vector(batch, 32, width)
        return 2 * 48 * 32 * width * batch / fastest(lambda: left @ right, device)

    def passing(size: int) -> float:
        a, b, c = vector(size), vector(size), vector(size)
        return 3 * size * a.itemsize / fastest(lambda: torch.mul(a, b, out=c), device)

    values = vector(64, 15, 15, 16)
    transform = _Transform()
    points = count(transform, [tuple(values.shape)], dtype=dtype)[0].flops
    product = ClebschGordan("0e+1o+2e+3o", "0e+1o+2e+3o").to(device=device, dtype=dtype)
    x = vector(64, 16, 32)
    flops = sum(each.flops for each in count(product, [tuple(x.shape)] * 2, dtype=dtype) if each.kind == "coupling")
    tiny = vector(1)
    return Rates(
        gemm=tuple(gemm(width) for width in WIDTHS),
        fft=points / fastest(lambda: transform(values), device),
        coupling=max(1.0, flops) / fastest(lambda: product(x, x), device),
        cached=passing(CACHED),
        stream=passing(LARGE),
        start=fastest(lambda: tiny + tiny, device, runs=200),
    )


class _Transform(torch.nn.Module):
    """Along two inner axes, as products on a torus do it."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfft2(values, dim=(1, 2))


def fastest(task: Callable[[], object], device: torch.device | str, *, runs: int = 9, warmup: int = 2) -> float:
    """Seconds of the fastest of some runs: what the machine does when nothing else wants it.

    Example:
        >>> fastest(lambda: sum(range(100)), "cpu") > 0
        True
    """
    best = float("inf")
    for turn in range(-warmup, runs):
        begun = time.perf_counter()
        task()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize()
        if turn >= 0:
            best = min(best, time.perf_counter() - begun)
    return best
