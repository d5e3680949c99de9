"""`intertwine info PATH`: what a folder or file is. No group acts here."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer


def info(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A potential, checkpoint, run, or file of structures.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a path holds: potential, committee, checkpoint, run, exported package or data, and verify it."""
    import json

    from intertwine.potentials.judging.info import describe

    found = describe(path)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    rows = list(lines(found))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        typer.echo(f"{name:{width}}  {value}")


def lines(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and values as text, nested ones with dotted names; what is empty or unknown is left out."""
    for name, value in values.items():
        if isinstance(value, Mapping) and all(isinstance(each, int | float) for each in value.values()) and value:
            yield prefix + name, "  ".join(f"{key} {short(each)}" for key, each in value.items())
        elif isinstance(value, Mapping):
            yield from lines(value, f"{prefix}{name}.")
        elif value not in (None, [], ""):
            yield prefix + name, short(value)


def short(value: Any) -> str:
    """A value in a few characters."""
    if isinstance(value, list):
        return " ".join(map(short, value))
    return f"{value:.8g}" if isinstance(value, float) else str(value)
