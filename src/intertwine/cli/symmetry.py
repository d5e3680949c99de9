"""`intertwine symmetry check MODULE:NAME`: a group acts on the inputs of your own module, layer by layer."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from intertwine.cli.boundary import CannotRun

if TYPE_CHECKING:
    from torch import Tensor, nn

    from intertwine.groups.group import Group
    from intertwine.groups.representation import Action

app = typer.Typer(no_args_is_help=True)


class SymmetryBroken(ArithmeticError):
    """The module does not commute with the group: exit code 4."""


class Kind(StrEnum):
    """How the group acts on a tensor."""

    points = "points"
    vectors = "vectors"
    features = "features"
    tensors = "tensors"
    rows = "rows"
    both = "both"
    invariant = "invariant"


@app.callback()
def _verbs() -> None:
    """Symmetry of your own modules."""


@app.command()
def check(
    module: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:NAME",
            help="file.py:name or package.module:name of a torch module, or of a class or function that makes one. "
            "Its code is run.",
        ),
    ],
    group: Annotated[str, typer.Option(help="SO3, O3, SE3, E3, T3 (shifts), the same with 2, or S_n (order of rows).")],
    input: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SHAPE:KIND",
            help="A random input, such as 4,20,3:points; repeat it. With --example the name of an array in place of "
            "the shape. Kinds: points, vectors, features (axis before the last), tensors, rows, both, invariant.",
        ),
    ] = None,
    output: Annotated[
        list[Kind] | None,
        typer.Option(help="Kind of the output; repeat it for several. Left out: the one that it follows best."),
    ] = None,
    example: Annotated[Path | None, typer.Option(help="An .npz or .safetensors file with inputs.")] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="Largest error that counts as rounding: 1e-8, with --float32 1e-4.")
    ] = None,
    float32: Annotated[bool, typer.Option("--float32", help="Keep the module in float32 instead of float64.")] = False,
    samples: Annotated[int, typer.Option(min=1, help="Group elements to try.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Of inputs and group elements.")] = 0,
) -> None:
    """Hold a module of your own to a group, and find the layer that breaks the symmetry.

    Exit codes: 0 it commutes with the group, 3 bad input, 4 it does not.
    """
    import torch
    from rich.console import Console

    from intertwine.groups.layer_errors import layer_errors

    net = load_module(module)
    dtype = torch.float32 if float32 else torch.float64
    bound = tolerance if tolerance is not None else (1e-4 if float32 else 1e-8)
    inputs, kinds = read_inputs(input or [], example, torch.Generator().manual_seed(seed), dtype)
    acting = parse_group(group, inputs, kinds)
    reps_in = [action(acting, kind, "--input") for kind in kinds]
    try:
        found = layer_errors(
            net.to(dtype).eval(),
            inputs,
            reps_in,
            acting,
            reps={"": tuple(action(acting, kind, "--output") for kind in output)} if output else None,
            tolerance=bound,
            samples=samples,
            generator=torch.Generator().manual_seed(seed),
        )
    except Exception as error:
        shapes = ", ".join(str(tuple(x.shape)) for x in inputs)
        hint = "" if float32 else " It ran in float64; try --float32 if its code fixes the type."
        raise CannotRun(
            f"{module}: calling it with inputs of shape {shapes} failed: {type(error).__name__}: {error}.{hint}"
        ) from error
    Console(width=max(100, Console().width)).print(table(found, bound))
    whole = found[-1]
    if whole.out <= bound:
        typer.echo(f"{module} commutes with {group}: error {whole.out:.1e}, output {whole.behaves}.")
        return
    guilty = [each.name or "the module itself" for each in found if each.breaks]
    where = f" First layer to break it: {guilty[0]}." if guilty else ""
    raise SymmetryBroken(f"{module} does not commute with {group}: error {whole.out:.1e}, above {bound:.0e}.{where}")


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


def parse_group(name: str, inputs: "list[Tensor]", kinds: list[Kind]) -> "Group":
    """The group of a name such as SO3, SO(3), S_n."""
    from intertwine.groups.classical import SO, O
    from intertwine.groups.euclidean import SE, E, Translation
    from intertwine.groups.finite import Permutation

    word = name.replace("(", "").replace(")", "").replace("_", "").upper()
    families = {"SO": SO, "SE": SE, "O": O, "E": E, "T": Translation}
    if word == "SN":
        sizes = {x.shape[-2] for x, kind in zip(inputs, kinds) if kind in (Kind.rows, Kind.both) and x.dim() >= 2}
        if len(sizes) != 1:
            raise CannotRun("--group S_n: expected inputs of kind rows or both, all with the same number of rows.")
        return Permutation(sizes.pop())
    letters, digits = word.rstrip("0123456789"), word[len(word.rstrip("0123456789")) :]
    if letters not in families or not digits or not 1 <= int(digits) <= 10:
        raise CannotRun(f"--group {name}: expected SO3, O3, SE3, E3, T3, the same with 2, or S_n.")
    group = families[letters](int(digits))
    for x, kind in zip(inputs, kinds):
        axis = -2 if kind is Kind.features else -1
        if kind is not Kind.invariant and (x.dim() < 2 or x.shape[axis] != int(digits)):
            raise CannotRun(
                f"--group {name}: expected {digits} on axis {axis} of the input of kind {kind}, came shape "
                f"{tuple(x.shape)}."
            )
    return group


def action(group: "Group", kind: Kind, option: str) -> "Action | None":
    """How the group acts on a tensor of this kind."""
    from intertwine.groups.actions import BothAxes, LastAxis, Points
    from intertwine.groups.classical import O
    from intertwine.groups.euclidean import SE, E, Translation, linear_part
    from intertwine.groups.finite import Permutation
    from intertwine.groups.permuting import PermutationMatrix
    from intertwine.groups.representation import Restrict, Standard, Trivial

    if kind is Kind.invariant:
        return None
    if isinstance(group, Permutation):
        if kind not in (Kind.rows, Kind.both):
            raise CannotRun(f"{option} {kind}: S_n acts on rows or both, or leaves an input invariant.")
        rows = PermutationMatrix(group)
        return BothAxes(rows) if kind is Kind.both else rows
    if kind in (Kind.rows, Kind.both):
        raise CannotRun(f"{option} {kind}: only S_n permutes; take points, vectors, features, tensors or invariant.")
    if kind is Kind.points and isinstance(group, E | SE | Translation):
        return Points(group)
    if isinstance(group, Translation):
        vector = Trivial(group, group.n)
    elif isinstance(group, E | SE):
        vector = Restrict(Standard(O(group.n)), group, linear_part)
    else:
        vector = Standard(group)
    return {Kind.features: vector, Kind.tensors: BothAxes(vector)}.get(kind, LastAxis(vector))


def table(found: Any, bound: float) -> Any:
    """A row a call of a submodule, the ones that break the symmetry marked."""
    from rich.table import Table

    rows = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("layer", "class", "output behaves as", "error in", "error out", ""):
        rows.add_column(title, justify="right" if title.startswith("error") else "left")
    for each in found:
        held = "holds a layer that does" if each.into <= bound else "comes after"
        mark = "breaks it" if each.breaks else "" if each.out <= bound else held
        name = each.name or "whole module"
        behaves = each.behaves if each.out <= bound else "none of them"
        rows.add_row(name, each.kind, behaves, f"{each.into:.1e}", f"{each.out:.1e}", mark)
    return rows
