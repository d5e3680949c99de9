"""Which set a structure is judged in: its group, its file, its temperature; these are names, no symmetry acts."""

import re
from collections.abc import Sequence
from pathlib import Path

from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.textfile import COMPRESSED

KELVIN = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?) ?K(?![A-Za-z0-9])")
NO_TEMPERATURE = "no temperature"


def by_group(graphs: Sequence[Graph]) -> list[str]:
    """The group of each structure (config_type, or the key that was read as it), "all" where there is none."""
    return [group or "all" for graph in graphs for group in graph.groups or ("",) * graph.graph_count]


def by_file(graphs: Sequence[Graph]) -> list[str]:
    """The name of the file that each structure came from, without folder and endings."""
    return [
        stem(graph.sources[index].path) if graph.sources else "all"
        for graph in graphs
        for index in range(graph.graph_count)
    ]


def by_temperature(graphs: Sequence[Graph]) -> list[str]:
    """The temperature that the group of each structure names, or else its file: "300 K" for test_300K.

    Example:
        >>> temperature("heldout_1200K"), temperature("mixedT")
        ('1200 K', 'no temperature')
    """
    names = zip(by_group(graphs), by_file(graphs))
    return [next((t for t in map(temperature, each) if t != NO_TEMPERATURE), NO_TEMPERATURE) for each in names]


def temperature(name: str) -> str:
    """The temperature in a name, in the form "300 K"."""
    found = KELVIN.search(name.replace("_", " "))
    return f"{float(found[1]):g} K" if found else NO_TEMPERATURE


def stem(path: Path | str) -> str:
    """A file's name without its endings: train for data/train.extxyz.xz."""
    path = Path(path)
    path = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return path.stem
