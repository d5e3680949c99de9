"""What tests of compiled kernels share: the instruction sets at hand, relative errors, threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from intertwine.tensor_products.kernels.library import ISAS, best_isa

HERE = ISAS[ISAS.index(best_isa() or "generic") :] if best_isa() else ()
needs_kernels = pytest.mark.skipif(not HERE, reason="this installation has no compiled kernels: no C++ compiler")


def distance(found: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the root mean square of what was expected."""
    if not expected.numel():
        return 0.0
    found, expected = found.detach(), expected.detach()
    return float((found - expected).abs().max() / expected.double().square().mean().sqrt().clamp_min(1e-300))


def on_eight_threads(call: Callable[[], Tensor]) -> list[Tensor]:
    """The results of eight calls at the same time."""
    with ThreadPoolExecutor(8) as pool:
        return [each.result() for each in [pool.submit(call) for _ in range(8)]]


def with_threads(count: int, call: Callable[[], Tensor]) -> Tensor:
    """The result of a call while torch has `count` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        return call()
    finally:
        torch.set_num_threads(before)
