"""The folder behind `--data`: all sets side by side, or the one set that an experiment reads. No group acts here."""

from pathlib import Path

from intertwine.potentials.structures.graph import one_line


class DataFolderError(ValueError):
    """A folder for `--data` without what the experiment reads. One line: where, what was expected, what to try."""

    def __init__(self, data: Path, expected: str, *, name: str, without: str) -> None:
        super().__init__(
            f"{one_line(data)}: {'expected' if data.is_dir() else 'no such folder; expected one with'} {expected}; "
            f"--data names the folder that holds all sets, or the set {name} itself; leave it out for {without}."
        )


def locate(data: Path, place: Path | str) -> Path:
    """Where a set or a file of a set lies: in `data`, or right there if `data` has no folder of the set's name.

    Args:
        place: `SET` or `SET/FILE`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     (Path(folder) / "3bpa").mkdir()
        ...     [locate(data, "3bpa").name for data in (Path(folder), Path(folder) / "3bpa")]
        ['3bpa', '3bpa']
    """
    name, *rest = Path(place).parts
    return (data / name if (data / name).is_dir() else data).joinpath(*rest)


def require(data: Path, place: Path | str, *, without: str) -> Path:
    """A file `SET/FILE` that an experiment cannot do without.

    Args:
        without: what takes the place of the file if `--data` is left out.

    Raises:
        DataFolderError: it is not there.
    """
    found = locate(data, place)
    if not found.is_file():
        raise DataFolderError(data, str(place), name=Path(place).parts[0], without=without)
    return found
