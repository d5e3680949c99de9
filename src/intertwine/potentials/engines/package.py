"""Packages of exported potentials on disk: what is in them, and what is refused before anything in them runs."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile, ZipFile

import torch
from torch import Tensor

from intertwine.training.checkpoint import CheckpointError

Format = Literal["torch-export", "aoti"]
KIND = "intertwine export"
VERSION = 1


def sidecar(path: Path) -> Path:
    """The file beside a package that describes it."""
    return path.with_name(f"{path.name}.json")


def digest(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_description(path: Path) -> dict[str, Any]:
    """What stands beside a package, after the package was found to be the one that it describes.

    Raises:
        CheckpointError: a file is missing or damaged, or the package is for another torch or processor.
    """
    beside = sidecar(path)
    for each in (path, beside):
        if not each.is_file():
            raise CheckpointError(f"{each}: the file is missing; an exported potential is {path.name} and its .json.")
    try:
        values = json.loads(beside.read_bytes())
        if values["kind"] != KIND or values["version"] != VERSION:
            raise CheckpointError(
                f"{beside}: describes {str(values['kind'])[:30]!r}, version {str(values['version'])[:20]}; expected "
                f"{KIND!r}, version {VERSION}. Use the release that wrote it."
            )
        expected, compiled = values["sha256"], values["format"] == "aoti"
        made = {"torch": values["torch"], "processor": values["processor"]}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{beside}: damaged or edited by hand; export the potential again.") from None
    if digest(path) != expected:
        raise CheckpointError(
            f"{path}: not the file that {beside.name} describes, or damaged; copy or export it again."
        )
    here = {"torch": torch.__version__, "processor": torch.backends.cpu.get_cpu_capability()}
    for name, value in here.items():
        if compiled and made[name] != value:
            raise CheckpointError(
                f"{path}: compiled for {name} {str(made[name])[:30]}, this machine has {value}; export it here, or "
                f"with format torch-export."
            )
    return values


def start(path: Path, format: Format) -> Callable[..., Sequence[Tensor]]:
    """The function in a package.

    A package is a program: whoever wrote it decides what runs here. Objects that Python would unpickle are refused, as
    we write none; "aoti" holds machine code, and torch evaluates the sizes in "torch-export" as expressions.

    Raises:
        CheckpointError: the package holds a pickle, or cannot be read.
    """
    try:
        if format == "aoti":
            return torch._inductor.aoti_load_package(str(path))
        _refuse_pickles(path)
        return torch.export.load(path).module().__call__  # bound: a module would ask to be a part of the model
    except (RuntimeError, BadZipFile, OSError, ValueError, KeyError) as error:
        if isinstance(error, CheckpointError):
            raise
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: cannot be loaded ({reason}); export the potential again.") from error


def _refuse_pickles(path: Path) -> None:
    with ZipFile(path) as archive:
        for each in archive.infolist():
            pickled = each.filename.endswith(".pt") and each.file_size > 0
            if each.filename.endswith("_config.json"):
                entries = json.loads(archive.read(each))["config"].values()
                pickled = any(entry["use_pickle"] for entry in entries)
            if pickled:
                raise CheckpointError(
                    f"{path}: {each.filename} is a pickle, which could run any code; packages that we write have none."
                )
