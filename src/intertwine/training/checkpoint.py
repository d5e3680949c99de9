"""Checkpoints: a folder of named tensors (safetensors) and values (JSON), whole or not there. No group acts here."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

TENSORS = "tensors.safetensors"
VALUES = "checkpoint.json"
VERSION = 1
STEP_NAME = "step-{:08d}"


class CheckpointError(ValueError):
    """A stored model or run that must not be used. One line: which file, which tensor, what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """What one checkpoint holds."""

    folder: Path
    kind: str
    tensors: dict[str, Tensor]
    values: dict

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose name starts with `prefix.`, without it."""
        cut = len(prefix) + 1
        return {name[cut:]: tensor for name, tensor in self.tensors.items() if name.startswith(f"{prefix}.")}


def write_checkpoint(folder: Path | str, tensors: Mapping[str, Tensor], values: Mapping, *, kind: str) -> Path:
    """Write a folder with `tensors.safetensors` and `checkpoint.json`, all of it or nothing.

    The files are written under a temporary name, forced to disk, and renamed into place; an older checkpoint of the
    same name is moved aside to `<name>.previous` for the moment between. The JSON holds the sha256, shape and dtype of
    every tensor and a sha256 of itself. Nothing is pickled.

    Args:
        kind: what the checkpoint is ("training", "potential"); reading asks for the same.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "model"
        >>> written = write_checkpoint(folder, {"w": torch.ones(2)}, {"step": 3}, kind="example")
        >>> read_checkpoint(folder, kind="example").values
        {'step': 3}
    """
    folder = Path(folder)
    # Copies: safetensors refuses tensors that share memory, and training goes on with the originals.
    stored = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    content = {
        "format": "intertwine checkpoint",
        "version": VERSION,
        "kind": kind,
        "values": dict(values),
        "tensors": {name: _describe(tensor) for name, tensor in stored.items()},
    }
    text = _render(content)  # before any file: values that are not JSON fail here
    temporary = folder.with_name(f".{folder.name}.writing-{os.getpid()}")
    previous = folder.with_name(f"{folder.name}.previous")
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    save_file(stored, temporary / TENSORS)
    (temporary / VALUES).write_bytes(text)
    for path in (temporary / TENSORS, temporary / VALUES, temporary):
        _force_to_disk(path)
    if folder.exists():
        shutil.rmtree(previous, ignore_errors=True)
        folder.rename(previous)
    temporary.rename(folder)
    _force_to_disk(folder.parent)
    shutil.rmtree(previous, ignore_errors=True)
    return folder


def read_checkpoint(folder: Path | str, *, kind: str) -> Checkpoint:
    """Read a checkpoint and verify every byte of it.

    Raises:
        CheckpointError: a file is missing, cut short, altered by as little as one bit, of another version or kind.
    """
    folder = Path(folder)
    previous = folder.with_name(f"{folder.name}.previous")
    if not folder.exists() and previous.exists():
        folder = previous  # the writer was stopped between its two renames
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: there is no such checkpoint folder. Check the path.")
    content = _read_values(folder / VALUES)
    if content["kind"] != kind:
        raise CheckpointError(
            f'{folder / VALUES}: this is a "{content["kind"]}" checkpoint, expected "{kind}". Check the path.'
        )
    return Checkpoint(folder, kind, _read_tensors(folder / TENSORS, content["tensors"]), content["values"])


def write_step(root: Path | str, step: int, tensors: Mapping[str, Tensor], values: Mapping, *, kind: str) -> Path:
    """Write checkpoint `root/step-########`, then remove all but the newest two and what interrupted writers left."""
    root = Path(root)
    folder = write_checkpoint(root / STEP_NAME.format(step), tensors, values, kind=kind)
    # Under another name first: half removed, it must not look like a checkpoint.
    for old in steps(root)[:-2]:
        old.rename(old.with_name(f".{old.name}.removing"))
    for rest in [*root.glob(".step-*.removing"), *root.glob(".step-*.writing-*"), *root.glob("step-*.previous")]:
        shutil.rmtree(rest, ignore_errors=True)
    return folder


def steps(root: Path | str) -> list[Path]:
    """The complete checkpoint folders below `root`, oldest first."""
    return sorted(path for path in Path(root).glob("step-*") if path.name.removeprefix("step-").isdigit())


def _describe(tensor: Tensor) -> dict:
    return {
        "sha256": hashlib.sha256(tensor.reshape(-1).view(torch.uint8).numpy().data).hexdigest(),
        "shape": list(tensor.shape),
        "dtype": str(tensor.dtype).removeprefix("torch."),
    }


def _render(content: dict) -> bytes:
    """The file's bytes: indented JSON whose last key is the sha256 of the rest. Equal content gives equal bytes."""
    body = json.dumps(content, indent=1, allow_nan=False)
    sha256 = hashlib.sha256(body.encode()).hexdigest()
    return (json.dumps({**content, "sha256": sha256}, indent=1, allow_nan=False) + "\n").encode()


def _read_values(path: Path) -> dict:
    damaged = CheckpointError(f"{path}: damaged or edited by hand. {_remedy(path.parent)}")
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"{path}: the file is missing. {_remedy(path.parent)}") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from None
    if not raw:
        raise CheckpointError(f"{path}: the file is empty. {_remedy(path.parent)}")
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        raise damaged from None
    if not isinstance(content, dict) or content.get("format") != "intertwine checkpoint":
        raise damaged
    if content.get("version") != VERSION:
        raise CheckpointError(
            f"{path}: checkpoint version {str(content.get('version'))[:20]}, this library reads version {VERSION}. "
            "Install the release that wrote it."
        )
    content.pop("sha256", None)
    try:
        same = _render(content) == raw
    except (ValueError, TypeError, RecursionError):
        same = False
    wanted = {"kind": str, "values": dict, "tensors": dict}
    if not same or not all(isinstance(content.get(name), kind) for name, kind in wanted.items()):
        raise damaged
    return content


def _read_tensors(path: Path, described: dict) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f"{path}: the file is missing. {_remedy(path.parent)}")
    tensors = {}
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            names = set(file.keys())
            for name, expected in described.items():
                if name not in names:
                    raise CheckpointError(f'{path}: tensor "{name}" is missing. {_remedy(path.parent)}')
                tensors[name] = file.get_tensor(name)
                if _describe(tensors[name]) != expected:
                    raise CheckpointError(f'{path}: tensor "{name}" is damaged. {_remedy(path.parent)}')
    except (SafetensorError, OSError, RuntimeError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: cut short or damaged ({reason}). {_remedy(path.parent)}") from None
    extra = sorted(names - described.keys())
    if extra:
        raise CheckpointError(f'{path}: tensor "{extra[0]}" does not belong here. {_remedy(path.parent)}')
    return tensors


def _remedy(folder: Path) -> str:
    if folder.name.startswith("step-"):
        others = [path.name for path in steps(folder.parent) if path != folder]
        if others:
            return f"Delete {folder.name} to resume from {others[-1]}."
        return "Delete it to start the run again."
    return "Copy it again from where it was saved."


def _force_to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
