"""Structures into a store of frames, block by block, so that a large set is never in memory; no group acts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from intertwine.potentials.data.store_layout import (
    COLUMNS,
    FORMAT,
    HAS_ENERGY,
    HAS_FORCES,
    HAS_STRESS,
    VERSION,
    checksums,
    index_digest,
)
from intertwine.potentials.structures.graph import Graph, GraphError, one_line
from intertwine.potentials.structures.soundness import check
from intertwine.potentials.structures.textfile import replacing

BLOCK = 512
"""Frames written at a time."""


def write_store(path: Path | str, graphs: Sequence[Graph], *, compress: bool = False) -> None:
    """One graph a structure, as a store; the file appears at once and complete. The sequence is read three times.

    Args:
        compress: with gzip, which makes it smaller; to read a frame is then to unpack blocks of 2048 atoms.

    Raises:
        GraphError: nothing to write, a structure that is not sound, or a place that cannot be written.
    """
    path = Path(path)
    counts = np.array([graph.node_count for graph in graphs], dtype="<i8")
    if not len(counts):
        raise GraphError(f"{one_line(path)}: there are no structures to write; expected at least one.")
    first = np.concatenate([[0], np.cumsum(counts)]).astype("<i8")
    group_names = ["", *sorted({name for graph in graphs for name in graph.groups if name})]
    group_index = {name: index for index, name in enumerate(group_names)}
    names = np.frombuffer(json.dumps(group_names).encode(), dtype="<u1")
    filters: dict[str, Any] = {"compression": "gzip", "compression_opts": 4, "shuffle": True} if compress else {}
    with replacing(path) as temporary, h5py.File(temporary, "w", libver=("v108", "v110")) as file:
        arrays = {}
        for name, column in COLUMNS.items():
            rows = int(first[-1]) if column.by_atom else len(counts)
            chunks = {**filters, "chunks": (min(rows, 2048), *column.shape)} if compress else {}
            arrays[name] = file.create_dataset(name, (rows, *column.shape), column.dtype, **chunks)
        sums = []
        for begin in range(0, len(counts), BLOCK):
            end = min(begin + BLOCK, len(counts))
            block = _block([check(graphs[index]) for index in range(begin, end)], group_index)
            for name, rows in block.items():
                span = (first[begin], first[end]) if COLUMNS[name].by_atom else (begin, end)
                arrays[name][span[0] : span[1]] = rows
            sums.append(checksums(block, first[begin : end + 1] - first[begin]))
        checksum = np.concatenate(sums)
        file.create_dataset("first", data=first)
        file.create_dataset("checksum", data=checksum)
        file.create_dataset("group_names", data=names)
        file.attrs.update(
            format=FORMAT, version=VERSION, frames=len(counts), group_bytes=len(names), units="eV, Angstrom",
            digest=index_digest(first, checksum, names.tobytes()),
        )  # fmt: skip


def _block(graphs: Sequence[Graph], group_index: dict[str, int]) -> dict[str, np.ndarray]:
    """Rows of every column for some frames; zeros stand for labels that are missing."""
    rows: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for graph in graphs:
        zeros = {"energy": np.zeros(1), "forces": np.zeros((graph.node_count, 3)), "stress": np.zeros((1, 3, 3))}
        for name in ("numbers", "positions", "cell", "pbc"):
            rows[name].append(getattr(graph, name).detach().cpu().numpy())
        for name, missing in zeros.items():
            value = getattr(graph, name)
            rows[name].append(missing if value is None else value.detach().cpu().numpy())
        given = (graph.energy is not None, graph.forces is not None, graph.stress is not None)
        rows["labels"].append([sum(flag * bit for flag, bit in zip(given, (HAS_ENERGY, HAS_FORCES, HAS_STRESS)))])
        rows["group"].append([group_index[graph.groups[0] if graph.groups else ""]])
    return {name: np.concatenate(parts).astype(COLUMNS[name].dtype) for name, parts in rows.items()}
