"""The shape checker of these tests: beartype, for the first calls of every function in every test.

A wrong shape shows at once. A loop of a thousand steps calls the same functions with the same shapes each time, and
checking them all would take longer than the loop. A function's check is put together when it is first called.
"""

from collections.abc import Callable
from typing import Any

from beartype import beartype

FIRST = 16
"""Calls of a function that are checked in each test."""
_tests_begun = 0


def begin_test() -> None:
    """All functions are checked anew."""
    global _tests_begun
    _tests_begun += 1


def first_calls(function: Callable[..., Any]) -> Callable[..., None]:
    """What jaxtyping asks of a type checker: call it to check arguments, and a result among them."""
    checked: Callable[..., Any] | None = None
    test, calls = -1, 0

    def check(*args: Any, **kwargs: Any) -> None:
        nonlocal checked, test, calls
        if test != _tests_begun:
            test, calls = _tests_begun, 0
        calls += 1
        if calls <= FIRST:
            checked = checked or beartype(function)
            checked(*args, **kwargs)

    return check
