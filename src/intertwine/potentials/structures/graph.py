"""The data dictionary: a batch of atomic structures, every tensor with its shape, dtype and unit. No group acts yet."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class GraphError(ValueError):
    """A structure that must not be computed with. One line: where, which field, what came, what to do."""


def one_line(path: Path | str) -> str:
    """A path as it may stand in a message: a file name can hold line ends and terminal codes."""
    return str(path) if str(path).isprintable() else ascii(str(path))


@dataclass(frozen=True)
class Source:
    """Where a structure came from, for messages: "train.extxyz frame 17, line 495". Frames and atoms count from 0."""

    path: Path | str
    frame: int
    line: int | None = None
    """Line of the file that describes the frame, counted from 1, where there is one; its atoms follow."""

    def at(self, atom: int | None = None) -> str:
        """Name the frame, or one of its atoms."""
        line = "" if self.line is None else f", line {self.line if atom is None else self.line + 1 + atom}"
        return f"{one_line(self.path)} frame {self.frame}{line}" + ("" if atom is None else f", atom {atom}")

    def __str__(self) -> str:
        return self.at()


@dataclass(frozen=True)
class Graph:
    """One batch of structures, with or without edges and labels.

    Readers return one `Graph` a structure, without edges; `neighbors.connect` adds the edges, `batching.collate`
    joins many into one. An edge carries a message from `senders` to `receivers`, and its vector is

        vector = positions[receivers] - positions[senders] + shifts @ cell[structure[receivers]]

    `shifts` stay integers, so that a strain acts on `cell` once. `receivers` ascend.

    Example:
        >>> from ase.build import molecule
        >>> from intertwine.potentials.data.readers import from_atoms
        >>> from intertwine.potentials.structures.neighbors import connect
        >>> graph = connect(from_atoms(molecule("H2O")), 4.0)
        >>> graph.node_count, graph.graph_count, len(graph.senders)
        (3, 1, 6)
    """

    positions: Float[Tensor, "node 3"]
    """Cartesian coordinates, Angstrom."""
    numbers: Int[Tensor, "node"]
    """Atomic numbers."""
    structure: Int[Tensor, "node"]
    """Index of the structure that each atom belongs to, ascending from 0."""
    cell: Float[Tensor, "graph 3 3"]
    """Lattice vectors as rows, Angstrom; all zero for a molecule. A slab may keep its vector across the vacuum."""
    pbc: Bool[Tensor, "graph 3"]
    """Whether the structure repeats along each lattice vector."""
    senders: Int[Tensor, "edge"]
    """Atom that an edge leaves."""
    receivers: Int[Tensor, "edge"]
    """Atom that an edge enters."""
    shifts: Float[Tensor, "edge 3"]
    """Whole lattice vectors to add, integers stored as floats."""
    energy: Float[Tensor, "graph"] | None = None
    """Total energy label, eV, always float64: large totals do not fit float32."""
    forces: Float[Tensor, "node 3"] | None = None
    """Force labels, eV/Angstrom."""
    stress: Float[Tensor, "graph 3 3"] | None = None
    """Stress label, eV/Angstrom^3, dE/dstrain / volume: positive pulls the cell together (ASE's sign)."""
    groups: tuple[str, ...] = ()
    """Name of the set each structure belongs to ("300K", "surface", ...), for reports; empty when unknown."""
    sources: tuple[Source, ...] = ()
    """Where each structure came from, for messages; empty when unknown."""
    cutoff: float | None = None
    """Length within which the edges are complete, Angstrom; None before `connect`."""

    @property
    def graph_count(self) -> int:
        """Number of structures."""
        return self.cell.shape[0]

    @property
    def node_count(self) -> int:
        """Number of atoms."""
        return self.positions.shape[0]

    def place(self, structure: int, atom: int | None = None) -> str:
        """Name a structure for a message, or one of its atoms, given by its index in the batch."""
        if atom is not None:
            atom -= int((self.structure < structure).sum())
        if self.sources:
            return self.sources[structure].at(atom)
        return f"structure {structure}" + ("" if atom is None else f", atom {atom}")

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "Graph":
        """Move to a device and cast the floating tensors; the energy label stays float64."""
        changes = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                cast = dtype if value.is_floating_point() and field.name != "energy" else None
                changes[field.name] = value.to(device=device, dtype=cast)
        return replace(self, **changes)


@dataclass(frozen=True)
class Prediction:
    """What a potential answers for a `Graph`.

    Example:
        >>> Prediction(energy=torch.zeros(1, dtype=torch.float64), node_energy=torch.zeros(3)).forces is None
        True
    """

    energy: Float[Tensor, "graph"]
    """Total energy, eV, float64."""
    node_energy: Float[Tensor, "node"]
    """Energy per atom without the reference energies and the shift, eV, float64."""
    forces: Float[Tensor, "node 3"] | None = None
    """-dE/dpositions, eV/Angstrom."""
    stress: Float[Tensor, "graph 3 3"] | None = None
    """dE/dstrain / volume, eV/Angstrom^3."""
