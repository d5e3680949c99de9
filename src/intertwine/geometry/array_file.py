"""Named arrays of an .npz file, all read at once, so that damage shows here alone. No group acts on a file."""

import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np


class ArrayFileError(ValueError):
    """A file that is not there, is none of arrays, or is damaged. One line that names it."""


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name.

    Raises:
        ArrayFileError: see there.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/a.npz", x=np.arange(3))
        ...     read_arrays(f"{folder}/a.npz")
        {'x': array([0, 1, 2])}
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise ArrayFileError(f"{path}: no such file.") from None
    # a single array has no `files`; what is no archive, a damaged one, and one of Python objects each raise their own
    except (OSError, ValueError, EOFError, KeyError, AttributeError, TypeError, BadZipFile, zlib.error) as error:
        raise ArrayFileError(
            f"{path}: expected named arrays (.npz), came something else ({type(error).__name__}); is the file complete?"
        ) from None
