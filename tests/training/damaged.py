"""Damaged copies of one good checkpoint folder: flipped bits, cuts, garbage, missing and foreign parts.

Shared with the command line's tests, which expect one line and exit code 3 for each.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

TENSORS, VALUES = "tensors.safetensors", "checkpoint.json"


def damaged_copies(good: Path, into: Path, *, bits: int = 40, cuts: int = 12) -> Iterator[tuple[str, Path]]:
    """Pairs of what was done and the damaged folder; one folder is reused, so look before asking for the next."""
    copy = into / good.name

    def fresh() -> Path:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(good, copy)
        return copy

    for name in (TENSORS, VALUES):
        size = (good / name).stat().st_size
        for index in range(bits):
            place, bit = index * size // bits, index % 8
            raw = bytearray((fresh() / name).read_bytes())
            raw[place] ^= 1 << bit
            (copy / name).write_bytes(raw)
            yield f"{name}: bit {bit} of byte {place} flipped", copy
        for index in range(cuts):
            length = index * size // cuts
            (fresh() / name).write_bytes((good / name).read_bytes()[:length])
            yield f"{name}: cut to {length} bytes", copy
        (fresh() / name).write_bytes((good / name).read_bytes()[:-1])
        yield f"{name}: last byte gone", copy
        (fresh() / name).write_bytes((good / name).read_bytes() + b"\0")
        yield f"{name}: a byte too many", copy
        (fresh() / name).write_bytes(bytes(range(256)) * 4)
        yield f"{name}: garbage", copy
        (fresh() / name).unlink()
        yield f"{name}: missing", copy
        (fresh() / name).unlink()
        (copy / name).mkdir()
        yield f"{name}: a folder", copy
    for what, text in {
        "deep": "[" * 100_000,
        "null": "null",
        "list": "[]",
        "empty object": "{}",
        "latin-1": "\xff",
        "nan": '{"format": "intertwine checkpoint", "version": 1, "values": NaN}',
    }.items():
        (fresh() / VALUES).write_bytes(text.encode("latin-1"))
        yield f"{VALUES}: {what}", copy
    for what, change in EDITS.items():
        content = json.loads((fresh() / VALUES).read_text())
        change(content)
        (copy / VALUES).write_bytes(signed(content))
        yield f"{VALUES}: {what}, with a correct digest", copy
    tensors = load_file(good / TENSORS)
    first = next(name for name, tensor in tensors.items() if tensor.numel() > 1)
    for what, other in {
        "tensor missing": {name: tensor for name, tensor in tensors.items() if name != first},
        "tensor too many": {**tensors, "stranger": torch.zeros(3)},
        "tensor of another shape": {**tensors, first: tensors[first].reshape(-1)[:-1].clone()},
        "tensor of another dtype": {**tensors, first: tensors[first].to(torch.float16)},
        "tensors exchanged for zeros": {name: torch.zeros_like(tensor) for name, tensor in tensors.items()},
    }.items():
        save_file(other, fresh() / TENSORS)
        yield f"{TENSORS}: {what}", copy


def signed(content: dict) -> bytes:
    """Content with its own digest made right, as somebody who knows the format would forge it."""
    content = {name: value for name, value in content.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(content, indent=1).encode()).hexdigest()
    return (json.dumps({**content, "sha256": digest}, indent=1) + "\n").encode()


def _first_tensor(content: dict) -> dict:
    return next(described for described in content["tensors"].values() if described["shape"])


EDITS: dict[str, Callable[[dict], object]] = {
    "version 99": lambda content: content.update(version=99),
    "version as text": lambda content: content.update(version="1"),
    "another kind": lambda content: content.update(kind="recipe"),
    "kind as a list": lambda content: content.update(kind=[]),
    "no values": lambda content: content.pop("values"),
    "values as a number": lambda content: content.update(values=3),
    "tensors as a list": lambda content: content.update(tensors=[]),
    "a description as a number": lambda content: content["tensors"].update({next(iter(content["tensors"])): 3}),
    "a shape changed": lambda content: _first_tensor(content).update(shape=[7, 7]),
    "a dtype changed": lambda content: _first_tensor(content).update(dtype="float16"),
    "a tensor forgotten": lambda content: content["tensors"].popitem(),
    "a tensor invented": lambda content: content["tensors"].update(ghost={"sha256": "", "shape": [], "dtype": "f"}),
}
