"""Extended XYZ text, read strictly: what is not plainly right is an error with its line. No group acts."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from intertwine.potentials.data.label_keys import Frame
from intertwine.potentials.structures.graph import Graph, GraphError, Source, one_line
from intertwine.potentials.structures.numerals import parse_numbers, quote

COUNT = re.compile(r"\s*(-?\d{1,12})\s*", re.ASCII)
QUOTED = r'"(?:[^"\\]|\\.)*+"' + "|" + r"'(?:[^'\\]|\\.)*+'"
BRACKETS = r"\{[^{}]*+\}|\[(?:[^\[\]]|\[[^\[\]]*+\])*+\]"
PAIR = re.compile(
    rf"""\s*(?P<key>{QUOTED}|[^\s="']++)(?:\s*=\s*(?P<value>{QUOTED}|{BRACKETS}|[^\s"'{{\[][^\s"']*+))?(?=\s|$)"""
)
FLAGS = {"T": True, "F": False, "True": True, "False": False, "true": True, "false": False, "1": True, "0": False}
PLAIN = "species:S:1:pos:R:3"


def parse(text: str, path: Path | str) -> Iterator[Frame]:
    """The frames of a text, one after another.

    Strict where readers are often lenient: the count must be a positive integer and every line there, symbols must be
    spelt as in the periodic table, keys must not repeat, numbers must be decimal (no Fortran D, no underscores), a
    column must have the width that Properties declares. A comment without any "=" is free text, as in plain XYZ.

    Raises:
        GraphError: the first fault, in one line: file, frame, line, field, what came, what to do.
    """
    for frame in frames_of(text, path):
        yield frame()


def frames_of(text: str, path: Path | str) -> Iterator[Callable[[], Frame]]:
    """The frames of a text as functions that read them: a fault inside one frame leaves the others readable.

    Raises:
        GraphError: a count of atoms that is wrong, behind which frames cannot be told apart.
    """
    lines = text.rstrip().split("\n")
    start, frame = 0, 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        count = _count(lines[start], len(lines) - start - 2, Source(path, frame, start + 1))
        source = Source(path, frame, start + 2)
        yield partial(_frame, lines[start + 1], lines[start + 2 : start + 2 + count], source)
        start, frame = start + 2 + count, frame + 1
    if frame == 0:
        raise GraphError(f"{one_line(path)}: the file holds no structures; expected at least one frame.")


def format_frame(graph: Graph, decimals: int | None = None) -> str:
    """One structure as text that `parse` reads back: every digit, or `decimals` of them for positions and forces."""
    columns = [graph.positions] + ([] if graph.forces is None else [graph.forces])
    rows = np.concatenate([column.detach().cpu().double().numpy() for column in columns], axis=1).tolist()
    text = repr if decimals is None else f"{{:.{decimals}f}}".format
    pbc = graph.pbc[0].tolist()
    comment = [f'Lattice="{_spaced(graph.cell)}"'] if any(pbc) else []
    comment.append(f"Properties={PLAIN}" + (":forces:R:3" if graph.forces is not None else ""))
    if graph.groups and graph.groups[0]:
        escaped = graph.groups[0].replace("\\", "\\\\").replace('"', '\\"')
        comment.append(f'config_type="{escaped}"')
    if graph.energy is not None:
        comment.append(f"energy={graph.energy.item()!r}")
    if graph.stress is not None:
        comment.append(f'stress="{_spaced(graph.stress)}"')
    comment.append('pbc="{}"'.format(" ".join("T" if flag else "F" for flag in pbc)))
    atoms = (
        f"{chemical_symbols[number]:2} " + " ".join(map(text, row)) for number, row in zip(graph.numbers.tolist(), rows)
    )
    return "\n".join([str(graph.node_count), " ".join(comment), *atoms]) + "\n"


def _spaced(tensor) -> str:
    return " ".join(map(repr, tensor.detach().cpu().double().flatten().tolist()))


def _count(line: str, available: int, source: Source) -> int:
    match = COUNT.fullmatch(line)
    if match is None:
        raise GraphError(
            f"{source}: expected the number of atoms, came {quote(line)}; the frame before may hold more or "
            "fewer lines than it declares."
        )
    count = int(match[1])
    if count < 1:
        raise GraphError(f"{source}: natoms is {count}, expected at least 1; drop the frame.")
    if count > available:
        raise GraphError(
            f"{source}: natoms is {count}, but only {max(available, 0)} atom lines follow; the file is "
            "truncated, or the count is wrong."
        )
    return count


def _frame(comment: str, block: list[str], source: Source) -> Frame:
    info = _comment(comment, source)
    cell, pbc = _cell(info, source)
    layout = _layout(_take(info, "Properties", source) or PLAIN, source)
    rows = [line.split() for line in block]
    total = sum(width for _, width in layout.values())
    if {len(row) for row in rows} != {total}:
        atom = next(index for index, row in enumerate(rows) if len(row) != total)
        declared = ":".join(f"{name}:{kind}:{width}" for name, (kind, width) in layout.items())
        raise GraphError(
            f"{source.at(atom)}: has {len(rows[atom])} columns, expected {total} for Properties={quote(declared)}; "
            "complete the line, or check natoms."
        )
    by_column = list(zip(*rows))
    columns, symbols, begin = {}, None, 0
    for name, (kind, width) in layout.items():
        tokens = by_column[begin : begin + width]
        begin += width
        if name == "species":
            symbols = tokens[0]
        else:
            columns[name] = partial(_column, tokens, kind, source, name)
    positions = columns.pop("pos")()
    return Frame(source, _numbers(symbols, columns, source), positions, cell, pbc, dict(info), columns)


def _column(tokens: list[tuple[str, ...]], kind: str, source: Source, name: str) -> np.ndarray:
    """The numbers of a column, `node width`, or its flags; read only when somebody wants them."""
    if kind == "L" and all(token in FLAGS for column in tokens for token in column):
        return np.array([[FLAGS[token] for token in column] for column in tokens]).T
    if kind not in "RI":
        _fail(source, f"Properties declares {quote(name)} with type {kind}, expected R")
    return np.stack([parse_numbers(column, lambda atom: f"{source.at(atom)}: {name}") for column in tokens], axis=1)


def _comment(line: str, source: Source) -> dict[str, str | None]:
    if "=" not in line:
        return {}
    info, position, line = {}, 0, line.rstrip()
    while position < len(line):
        match = PAIR.match(line, position)
        if match is None:
            _fail(source, f"expected key=value, came {quote(line[position:].strip())}; close quotes and brackets")
        key, value = _unquote(match["key"]), match["value"]
        if value is not None and info.get(key) is not None:
            _fail(source, f"{quote(key)} is given twice; keep one")
        if value is not None or key not in info:
            info[key] = None if value is None else _unquote(value)
        position = match.end()
    return info


def _unquote(token: str) -> str:
    if token[0] in "\"'":
        return re.sub(r"\\(.)", r"\1", token[1:-1])
    return token[1:-1] if token[0] in "{[" else token


def _take(info: dict[str, str | None], name: str, source: Source) -> str | None:
    """Remove a structural key, in any spelling of capitals, and return its value."""
    keys = [key for key in info if key.lower() == name.lower()]
    if len(keys) > 1:
        _fail(source, f"{name} is given twice, as {' and '.join(keys)}; keep one")
    if not keys:
        return None
    value = info.pop(keys[0])
    if value is None or not value.strip():
        _fail(source, f"{name} has no value; write {name}=...")
    return value


def _cell(info: dict[str, str | None], source: Source) -> tuple[np.ndarray, np.ndarray]:
    lattice, flags = _take(info, "Lattice", source), _take(info, "pbc", source)
    if lattice is None:
        if any(key.lower() == "cell" and value is not None for key, value in info.items()):
            _fail(source, 'cell=... is not read; write Lattice="ax ay az bx by bz cx cy cz"')
        cell = np.zeros((3, 3))
    else:
        values = parse_numbers(re.findall(r"[^\s,\[\]]+", lattice), lambda _: f"{source}: Lattice")
        if len(values) != 9:
            _fail(source, f"Lattice has {len(values)} numbers, expected 9: ax ay az bx by bz cx cy cz")
        cell = values.reshape(3, 3)
    if flags is None:
        return cell, np.full(3, lattice is not None)
    words = re.findall(r"[^\s,\[\]]+", flags)
    if len(words) != 3 or not all(word in FLAGS for word in words):
        _fail(source, f'pbc is {quote(flags)}, expected three of T and F; write pbc="T T T"')
    pbc = np.array([FLAGS[word] for word in words])
    if pbc.any() and lattice is None:
        _fail(source, f"pbc is {quote(flags)}, but there is no Lattice; give the cell, or set pbc to F F F")
    return cell, pbc


def _layout(properties: str, source: Source) -> dict[str, tuple[str, int]]:
    """Kind and width of every column, by name, in the order of the file."""
    parts = properties.split(":")
    layout = {}
    for name, kind, width in zip(parts[::3], parts[1::3], parts[2::3]):
        if kind not in ("R", "I", "S", "L") or not re.fullmatch(r"[1-9][0-9]{0,3}", width) or not name:
            _fail(
                source,
                f"Properties has {quote(f'{name}:{kind}:{width}')}, expected name:R, I, S or L:number of columns",
            )
        if name in layout:
            _fail(source, f"Properties declares {quote(name)} twice; keep one")
        layout[name] = (kind, int(width))
    if len(parts) % 3:
        _fail(source, f"Properties is {quote(properties)}, expected triples such as {PLAIN}")
    for name, (kinds, width) in {"pos": ("R", 3), "species": ("S", 1), "Z": ("I", 1)}.items():
        if name in layout and (layout[name][0] not in kinds or layout[name][1] != width):
            kind, columns = layout[name]
            _fail(source, f"Properties declares {name}:{kind}:{columns}, expected {name}:{kinds}:{width}")
    if "pos" not in layout or not {"species", "Z"} & set(layout):
        _fail(
            source, f"Properties is {quote(properties)}, expected pos:R:3 and species:S:1 (or Z:I:1) among the columns"
        )
    return layout


def _elements(symbols: tuple[str, ...], source: Source) -> np.ndarray:
    numbers = [atomic_numbers.get(symbol, 0) for symbol in symbols]
    if 0 in numbers:
        atom = numbers.index(0)
        near = symbols[atom].capitalize()
        hint = f"write {near}" if atomic_numbers.get(near, 0) > 0 else "write a symbol of the periodic table"
        raise GraphError(f"{source.at(atom)}: species is {quote(symbols[atom])}, which is no element; {hint}.")
    return np.array(numbers)


def _numbers(symbols: tuple[str, ...] | None, columns: dict[str, Callable], source: Source) -> np.ndarray:
    """Atomic numbers from symbols, from a column Z, or from both where they agree."""
    named = None if symbols is None else _elements(symbols, source)
    if "Z" not in columns:
        assert named is not None  # _layout saw to it
        return named
    given = columns.pop("Z")()[:, 0]
    expected = given.round() if named is None else named
    differ = given != expected
    if differ.any():
        atom = int(differ.argmax())
        raise GraphError(f"{source.at(atom)}: Z is {given[atom]:g}, expected {expected[atom]:g}; correct the column.")
    return given.astype(int)


def _fail(source: Source, message: str) -> NoReturn:
    raise GraphError(f"{source}: {message}.")
