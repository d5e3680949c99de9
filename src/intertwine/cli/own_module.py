"""A torch module of the user's own, by file and name; its code is run. No group acts here."""

from pathlib import Path
from typing import TYPE_CHECKING

from intertwine.cli.boundary import CannotRun

if TYPE_CHECKING:
    from torch import nn


def load_module(name: str) -> "nn.Module":
    """The torch module behind file.py:name or package.module:name."""
    import importlib
    import importlib.util
    import sys

    from torch import nn

    where, colon, attribute = name.rpartition(":")
    if not colon or not where or not attribute:
        raise CannotRun(f"{name}: expected MODULE:NAME, such as net.py:model or package.module:Model.")
    try:
        if where.endswith(".py"):
            path = Path(where)
            if not path.is_file():
                raise CannotRun(f"{where}: no such file.")
            spec = importlib.util.spec_from_file_location(path.stem, path)
            assert spec is not None and spec.loader is not None
            code = importlib.util.module_from_spec(spec)
            sys.path.insert(0, str(path.resolve().parent))
            try:
                spec.loader.exec_module(code)
            finally:
                sys.path.pop(0)
        else:
            code = importlib.import_module(where)
    except CannotRun:
        raise
    except Exception as error:
        raise CannotRun(f"{where}: importing it failed: {type(error).__name__}: {error}") from error
    if not hasattr(code, attribute):
        raise CannotRun(f"{where}: has no name {attribute!r}.")
    made = getattr(code, attribute)
    if not isinstance(made, nn.Module) and callable(made):
        try:
            made = made()
        except Exception as error:
            raise CannotRun(
                f"{name}: making a module with no arguments failed: {type(error).__name__}: {error}. "
                f"Write a function without arguments that returns one."
            ) from error
    if not isinstance(made, nn.Module):
        raise CannotRun(f"{name}: expected a torch module, a class or a function that makes one, came {type(made)}.")
    return made
