"""A module under the tracers of torch: still the same map. No group acts here."""

import torch
from torch import Tensor, nn

from intertwine.contracts.case import EXACT_FLOAT64, require_close


def check_compiles(module: nn.Module, *inputs: Tensor, tolerance: float = EXACT_FLOAT64) -> None:
    """Check that a module traces whole by torch.compile and torch.export, and still gives the same result.

    Run it in a process without runtime type checkers: their wrappers do not trace.

    Raises:
        AssertionError: the traced module gives something else. Errors of torch's tracer pass through.

    Example:
        >>> from intertwine.nn import MLP
        >>> check_compiles(MLP(2, 3, 1).double(), torch.randn(5, 2, dtype=torch.float64))  # doctest: +SKIP
    """
    expected = module(*inputs)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    require_close("torch.compile gives the same result", compiled(*inputs), expected, tolerance)
    exported = torch.export.export(module, inputs).module()
    require_close("torch.export gives the same result", exported(*inputs), expected, tolerance)
