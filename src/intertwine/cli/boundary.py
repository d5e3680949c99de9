"""Where errors become one line and an exit code; what nobody expected keeps its traceback. No group acts here."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

PACKAGE = Path(__file__).parent.parent
BAD_INPUT, NUMERICAL_FAILURE, INTERRUPTED = 3, 4, 5


class CannotRun(ValueError):
    """Something a command needs is not there: a file, a package. One line with the remedy."""


def exit_code(error: BaseException) -> int | None:
    """The code to leave with, or None for an error that is a bug.

    An exception class that this package defines was raised on purpose: a `ValueError` among them means bad input, an
    `ArithmeticError` a computation that failed. So no room has to be imported to know its errors. Operating-system
    errors that name a file (disk full, permission denied) count as bad input.
    """
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    ours = any(kind.__module__.partition(".")[0] == "intertwine" for kind in type(error).__mro__)
    if ours and isinstance(error, ArithmeticError):
        return NUMERICAL_FAILURE
    if ours and isinstance(error, ValueError):
        return BAD_INPUT
    if isinstance(error, OSError) and error.filename is not None:
        return BAD_INPUT
    return None


def explain(error: BaseException) -> str:
    """The error in one line."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "stopped by hand."
    return " ".join(str(error).split())


@contextmanager
def warnings_in_a_line() -> Iterator[None]:
    """Show what this package warns of as one line, without the place in its code; others' warnings as ever."""
    with warnings.catch_warnings():
        before = warnings.showwarning

        def show(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
            if PACKAGE in Path(filename).parents:
                print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)
            else:
                before(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


class Boundary(TyperGroup):
    """The group of all verbs; the only place that catches."""

    def invoke(self, ctx: Any) -> Any:
        """Run a verb."""
        try:
            with warnings_in_a_line():
                return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            code = exit_code(error)
            if code is None:
                raise
            sys.stdout.flush()
            print(f"{'interrupted' if code == INTERRUPTED else 'error'}: {explain(error)}", file=sys.stderr)
            raise typer.Exit(code) from None
