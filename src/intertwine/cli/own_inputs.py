"""Tensors to give to a module of the user's own: random ones of a shape, or those of a file. No group acts here."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from intertwine.cli.boundary import CannotRun
from intertwine.cli.group_words import Kind

if TYPE_CHECKING:
    from torch import Tensor


def read_inputs(
    words: list[str], example: Path | None, generator: Any, dtype: Any
) -> "tuple[list[Tensor], list[Kind]]":
    """Inputs and their kinds, random of given shapes or from a file."""
    import torch

    if not words:
        raise CannotRun("symmetry check needs an input: --input SHAPE:KIND, such as --input 4,20,3:points.")
    arrays = {} if example is None else read_arrays(example)
    inputs, kinds = [], []
    for word in words:
        first, colon, kind = word.rpartition(":")
        if not colon or kind not in set(Kind):
            raise CannotRun(f"--input {word}: expected SHAPE:KIND with a kind of {', '.join(Kind)}.")
        kinds.append(Kind(kind))
        if example is not None:
            if first not in arrays:
                raise CannotRun(f"--input {word}: {example} has no array {first!r}; it has {', '.join(arrays)}.")
            x = arrays[first]
            if x.is_floating_point() and not bool(x.isfinite().all()):
                raise CannotRun(f"--input {word}: {example} holds numbers that are not finite.")
            inputs.append(x.to(dtype) if x.is_floating_point() else x)
            continue
        try:
            shape = [int(size) for size in first.split(",")]
            if min(shape) < 1:
                raise ValueError
        except ValueError:
            raise CannotRun(f"--input {word}: expected whole numbers above zero, such as 4,20,3:{kind}.") from None
        inputs.append(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype))
    return inputs, kinds


def read_arrays(path: Path) -> "dict[str, Tensor]":
    """Named tensors of an .npz or .safetensors file."""
    import numpy as np
    import torch

    if not path.is_file():
        raise CannotRun(f"{path}: no such file.")
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as stored:
                return {name: torch.from_numpy(np.array(stored[name])) for name in stored.files}
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
    except Exception as error:
        raise CannotRun(f"{path}: cannot be read: {type(error).__name__}: {error}") from error
    raise CannotRun(f"{path}: expected a file .npz or .safetensors.")
