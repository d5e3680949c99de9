"""Text as decimal numbers, and text quoted in messages; no group acts."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from intertwine.potentials.structures.graph import GraphError

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
FORTRAN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([dDqQ][+-]?\d+|[+-]\d+)", re.ASCII)
IN_TEXT = re.compile(r"""(?<![^\s"'=,\[{])([+-]?(?:\d+\.?\d*|\.\d+))[dDqQ]([+-]?\d+)(?![^\s"',\]}])""", re.ASCII)
MARK = re.compile(r"[dDqQ]|(?<=\d)(?=[+-])")
NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)


def parse_numbers(tokens: Sequence[str], place: Callable[[int], str]) -> np.ndarray:
    """Decimal numbers as float64; `place(index)` names the token in the error: file, frame, line, field.

    Python alone would take "1_000" and digits of other scripts as well; here both are errors.

    Raises:
        GraphError: a token that is no finite decimal number, naming Fortran exponents as such.
    """
    joined = "".join(tokens)
    try:
        values = np.array([float(token) for token in tokens])
        if np.isfinite(values).all() and "_" not in joined and joined.isascii():
            return values
    except ValueError:
        values = None
    for index, token in enumerate(tokens):
        if FORTRAN.fullmatch(token):
            remedy = (
                f"it looks like a Fortran exponent, write {MARK.sub('e', token)} instead, or use data convert --fortran"
            )
        elif NOT_FINITE.fullmatch(token) or (NUMBER.fullmatch(token) and not np.isfinite(float(token))):
            raise GraphError(
                f"{place(index)} is {quote(token)}, expected a finite number; drop the frame or compute it again."
            )
        elif NUMBER.fullmatch(token):
            continue
        else:
            remedy = "correct the file"
        raise GraphError(f"{place(index)} is {quote(token)}, which is no decimal number; {remedy}.")
    assert values is not None
    return values


def without_fortran(text: str) -> str:
    """The text with every word that is a number with a Fortran exponent, 1.0D-3, written as others do, 1.0e-3.

    Example:
        >>> without_fortran('energy=-7.6D+01 name="2d"')
        'energy=-7.6e+01 name="2d"'
    """
    return IN_TEXT.sub(r"\1e\2", text)


def quote(text: str, length: int = 60) -> str:
    """Text of unknown content as it may stand in a one-line message."""
    return ascii(text if len(text) <= length else text[:length] + "...")
