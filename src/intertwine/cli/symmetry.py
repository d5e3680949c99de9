"""`intertwine symmetry check MODULE:NAME`: a group acts on the inputs of your own module, layer by layer."""

from pathlib import Path
from typing import Annotated, Any

import typer

from intertwine.cli.boundary import CannotRun
from intertwine.cli.group_words import Kind, action, parse_group
from intertwine.cli.own_inputs import read_inputs
from intertwine.cli.own_module import load_module

app = typer.Typer(no_args_is_help=True)


class SymmetryBroken(ArithmeticError):
    """The module does not commute with the group: exit code 4."""


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
