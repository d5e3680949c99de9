"""Marks functions whose results torch.compile keeps from when it traces; no group acts here."""

from collections.abc import Callable
from typing import TypeVar

Function = TypeVar("Function", bound=Callable)


def traced_constant(function: Function) -> Function:
    """`torch.compiler.assume_constant_result` without its import of all of torch's compiler.

    That takes longer than to import the rest of this library, and sets an environment variable
    (TORCHINDUCTOR_CACHE_DIR). What torch's tracer looks for is one attribute, which a test compares with torch's own.

    Example:
        >>> @traced_constant
        ... def threads() -> int:
        ...     return torch.get_num_threads()
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function
