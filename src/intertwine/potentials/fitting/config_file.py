"""Configuration files: safe YAML to a checked `FitConfig`, each fault with line and remedy. No group acts here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from intertwine.potentials.fitting.config import FitConfig
from intertwine.potentials.structures.textfile import write_text

LARGEST = 1_000_000
"""Bytes beyond which a file is taken for something else than a configuration."""
DEEPEST = 20
"""Levels of nesting; a configuration has four."""
Config = TypeVar("Config", bound=BaseModel)
Place = tuple[str | int, ...]
"""Where a value stands: ("model", "cutoff")."""


class ConfigError(ValueError):
    """A configuration file that must not be used. One line: file, line, key, what to write."""


@dataclass(frozen=True)
class Change:
    """A value from the command line that takes the place of the file's."""

    place: Place
    value: Any
    origin: str
    """As the user wrote it, for messages: "--epochs 50"."""


def load_config(path: Path | str) -> FitConfig:
    """Read and check a configuration file. Paths inside it are relative to the current folder.

    Only plain values, lists and sections are read: no tags, no anchors, no key twice. Numbers follow YAML 1.2, so that
    `1e-3` is a number.

    Raises:
        ConfigError: the first fault in the file, and how many more there are.

    Example:
        >>> load_config("config.yaml").model.cutoff  # doctest: +SKIP
        5.0
    """
    return compose_config(FitConfig, path)


def compose_config(schema: type[Config], path: Path | str | None, changes: Sequence[Change] = ()) -> Config:
    """A checked configuration from a file, changes from the command line, or both.

    Raises:
        ConfigError: the first fault, where it was written, and how many more there are.

    Example:
        >>> changes = [Change(("data", "train"), "a.extxyz", "--train"), read_change("train.loss.stress=1")]
        >>> compose_config(FitConfig, None, changes).train.loss.stress
        1.0
    """
    values, lines = ({"version": 1}, {}) if path is None else _read(Path(path))
    origins = {place: f"{path} line {line}" for place, line in lines.items()}
    for change in changes:
        _apply(change, values, origins)
    try:
        return schema.model_validate(values)
    except ValidationError as invalid:
        faults: dict[tuple[int, bool, Place], str] = {}
        for error in invalid.errors(include_url=False):
            place = error["loc"]
            while place and place not in origins:
                place = place[:-1]  # a missing key, or a branch of a union: the line of what holds it
            order = lines.get(place, 0), error["type"] == "missing", place  # a misspelt key, then what it should be
            faults.setdefault(order, _explain(error, values, schema))
    (*_, place), first = min(faults.items(), key=lambda fault: (*fault[0][:2], str(fault[0][2])))
    more = f" ({len(faults) - 1} more after this one.)" if len(faults) > 1 else ""
    raise ConfigError(f"{origins.get(place, path or 'command line')}: {first}{more}")


def read_change(text: str) -> Change:
    """A change from `section.key=value`, the value written as in a file.

    Raises:
        ConfigError: no `=`, or a value that is not plain YAML.

    Example:
        >>> read_change("model.channels=32").place
        ('model', 'channels')
    """
    key, equals, value = text.partition("=")
    origin = f"--set {text}" if text.isprintable() else f"--set {text!a}"
    if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key):
        raise ConfigError(f"{origin}: expected KEY=VALUE with dots between sections, for example model.channels=32.")
    return Change(tuple(key.split(".")), _parse(value, origin, {}), origin)


def write_config(path: Path | str, config: BaseModel) -> None:
    """Write a configuration with every key, so that the same run can be made again."""
    text = yaml.dump(config.model_dump(mode="json"), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    write_text(Path(path), text)


def example() -> str:
    """A configuration file with every key, its default and what it means."""
    return Path(__file__).with_name("example.yaml").read_text(encoding="utf-8")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the numbers of YAML 1.2: 1e-3 is a number, 1:30 is not, 010 is ten."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":float", ":int", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)


class _Dumper(yaml.SafeDumper):
    """Quotes what `_Loader` would take for something else than text."""


_Dumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, []), *_Loader.yaml_implicit_resolvers.get(first, [])]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *_Loader.yaml_implicit_resolvers}
}


def _apply(change: Change, values: dict, origins: dict[Place, str]) -> None:
    """Put a value in its place, making sections on the way."""
    for depth, name in enumerate(change.place[:-1], 1):
        section = values.setdefault(name, {})
        if not isinstance(section, dict):
            where = ".".join(map(str, change.place[:depth]))
            raise ConfigError(f"{change.origin}: {where} is {section!r} and no section. Check the key.")
        origins.setdefault(change.place[:depth], change.origin)
        values = section
    values[change.place[-1]] = change.value
    for place in [place for place in origins if place[: len(change.place)] == change.place]:
        del origins[place]
    origins[change.place] = change.origin


def _read(path: Path) -> tuple[dict, dict[Place, int]]:
    """The values of a file, and the line of every key and list entry."""
    try:
        if path.is_file() and path.stat().st_size > LARGEST:
            raise ConfigError(f"{path}: {path.stat().st_size} bytes are too many for a configuration. Check the path.")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file. `intertwine train --example > {path}` writes one to start from."
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file in UTF-8. Check the path.") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}). Check the path.") from None
    lines: dict[Place, int] = {}
    values = _parse(text, path, lines)
    if not isinstance(values, dict):
        found = "is empty" if values is None else "holds no sections"
        raise ConfigError(f"{path}: {found}. `intertwine train --example` shows what it may hold.")
    return values, lines


def _parse(text: str, path: Path | str, lines: dict[Place, int]) -> Any:
    """The values of a text; notes the line of every key and list entry."""
    try:
        _check_events(text, path)
        node = yaml.compose(text, _Loader)
        return None if node is None else _plain(node, (), lines, path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(
            f"{path}{where}: not YAML, {error.problem or error.context}. Check indents and colons."
        ) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: not YAML ({type(error).__name__}). Check the path.") from None


def _check_events(text: str, path: Path | str) -> None:
    """Refuse anchors, and nesting so deep that PyYAML would take minutes over it, before anything is built."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        line = event.start_mark.line + 1
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ConfigError(
                f"{path} line {line}: nested more than {DEEPEST} levels deep. Check brackets and indents."
            )
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ConfigError(f"{path} line {line}: anchors (&, *) are not read. Repeat the value.")


def _plain(node: yaml.Node, place: Place, lines: dict[Place, int], path: Path | str) -> Any:
    """The value of a node in plain Python; notes the lines of what it holds."""
    line = node.start_mark.line + 1
    if not str(node.tag).startswith("tag:yaml.org,2002:") or "python" in str(node.tag):
        raise ConfigError(f"{path} line {line}: the tag {node.tag} is not read. Write a plain value.")
    if isinstance(node, yaml.MappingNode):
        values = {}
        for key_node, value_node in node.value:
            key, line = key_node.value, key_node.start_mark.line + 1
            if not isinstance(key, str) or key_node.tag != "tag:yaml.org,2002:str":
                raise ConfigError(f"{path} line {line}: keys are words. Write `name: value`.")
            if key in values:
                first = lines[*place, key]
                raise ConfigError(f'{path} line {line}: "{key}" stands already in line {first}. Keep one of them.')
            lines[*place, key] = line
            values[key] = _plain(value_node, (*place, key), lines, path)
        return values
    if isinstance(node, yaml.SequenceNode):
        for index, entry in enumerate(node.value):
            lines[*place, index] = entry.start_mark.line + 1
        return [_plain(entry, (*place, index), lines, path) for index, entry in enumerate(node.value)]
    loader = yaml.constructor.SafeConstructor()
    if node.tag == "tag:yaml.org,2002:int":
        return int(node.value)
    return loader.construct_object(node)


def _explain(error: Any, values: dict, schema: type[BaseModel]) -> str:
    """One fault of pydantic's in our words."""
    wanted = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    if not error["loc"]:
        return f"{wanted[:200].rstrip('.')}."
    *parents, name = error["loc"]
    section = ".".join(str(part) for part in parents) or "the file"
    known = _fields(parents, schema)
    if error["type"] == "extra_forbidden":
        near = get_close_matches(str(name), known, n=1)
        hint = f'Did you mean "{near[0]}"?' if near else f"It may have {', '.join(known)}."
        return f'{section} has no "{name}". {hint}'
    if error["type"] == "missing":
        description = known[name].description if name in known else None
        return f'{section} needs "{name}"{f", {description}" if description else ""}.'
    value, place = values, []
    for part in error["loc"]:
        if not (isinstance(value, dict) and part in value) and not (isinstance(value, list) and isinstance(part, int)):
            break  # pydantic adds the branch of a union to the place
        value = value[part]
        place.append(str(part))
    if error["type"] == "model_type":
        wanted = f"expected a section with {', '.join(_fields(error['loc'], schema))}"
    shown = "empty" if value is None else repr(value) if len(repr(value)) < 60 else f"{repr(value)[:60]}..."
    return f"{'.'.join(place)} is {shown}: {wanted[:200].rstrip('.')}."


def _fields(place: Any, schema: type[BaseModel]) -> dict[str, Any]:
    """The fields of the section at a place; none when there is no such section."""
    held: Any = schema
    for part in place:
        if get_origin(held) is dict:
            held = get_args(held)[1]
        elif _is_section(held) and str(part) in held.model_fields:
            held = held.model_fields[str(part)].annotation
            if get_origin(held) is not dict:  # a section, or one that may be empty
                held = next((each for each in get_args(held) if _is_section(each)), held)
        else:
            return {}
    return dict(held.model_fields) if _is_section(held) else {}


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
