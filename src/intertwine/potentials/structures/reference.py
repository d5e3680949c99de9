"""Energies per element, subtracted before a model learns the rest; permutations act on atoms, the sum is invariant."""

import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from ase.data import chemical_symbols
from jaxtyping import Float, Int
from torch import Tensor

from intertwine.potentials.structures.batching import split
from intertwine.potentials.structures.graph import Graph, GraphError

ISOLATED = ("isolatedatom", "isolated_atom", "isolated_atoms")


def isolated_atom_energies(graphs: Sequence[Graph]) -> dict[int, float]:
    """Energy of a single atom by atomic number, eV, from the frames that hold one.

    A frame counts when it has one atom and is not periodic, or when its group is IsolatedAtom; a periodic cell of one
    atom is a crystal. All other frames are passed over.

    Raises:
        GraphError: an isolated atom without energy, or two frames of one element that differ by more than 1e-6 eV.
    """
    energies, places = {}, {}
    for graph in (structure for batch in graphs for structure in split(batch)):
        if not is_isolated_atom(graph):
            continue
        place, number = graph.place(0), int(graph.numbers[0])
        if graph.energy is None:
            raise GraphError(f"{place}: energy is missing on an isolated {chemical_symbols[number]} atom; label it.")
        energy = float(graph.energy[0])
        if abs(energies.setdefault(number, energy) - energy) > 1e-6:
            raise GraphError(
                f"{place}: energy of an isolated {chemical_symbols[number]} atom is {energy}, but "
                f"{energies[number]} in {places[number]}; keep one."
            )
        places.setdefault(number, place)
    return dict(sorted(energies.items()))


def is_isolated_atom(graph: Graph) -> bool:
    """Whether a graph is a single atom that repeats nowhere, or that its group calls IsolatedAtom."""
    named = "".join(graph.groups).lower() in ISOLATED
    return graph.node_count == 1 and (named or not bool(graph.pbc.any()))


def fit_reference_energies(
    graphs: Sequence[Graph], *, known: Mapping[int, float] = MappingProxyType({})
) -> dict[int, float]:
    """Energies per element whose sums over compositions come closest to the energies of the frames, least squares, eV.

    Energies that are `known` stay as they are; the other elements are fitted to what they leave.

    Where the compositions do not tell elements apart (all frames of one molecule), the shortest of all best fits is
    taken and a warning says so: sums over these compositions are right, the single numbers mean nothing.

    Raises:
        GraphError: no frames, or a frame without energy.
    """
    rows, energies = [], []
    for graph in graphs:
        if graph.energy is None:
            raise GraphError(f"{graph.place(0)}: energy is missing; reference energies are fitted to labelled frames.")
        rows.extend(_compositions(graph))
        energies.extend(graph.energy.tolist())
    if not rows:
        raise GraphError("fit_reference_energies: the list of graphs is empty; expected labelled frames.")
    elements = np.unique(np.concatenate(rows))
    counts = np.array([(row[:, None] == elements).sum(axis=0) for row in rows], dtype=float)
    given = np.isin(elements, list(known))
    left = np.array(energies) - counts[:, given] @ [known[number] for number in elements[given].tolist()]
    elements, counts = elements[~given], counts[:, ~given]
    solution, _, rank, _ = np.linalg.lstsq(counts, left, rcond=None)
    if rank < len(elements):
        names = ", ".join(chemical_symbols[number] for number in elements)
        warnings.warn(
            f"reference energies of {names} are not determined: the {len(rows)} frames have {rank} independent "
            f"compositions for {len(elements)} elements; the shortest fit is taken. Isolated atoms would "
            "determine them.",
            stacklevel=2,
        )
    return dict(sorted({**known, **dict(zip(elements.tolist(), solution.tolist()))}.items()))


def composition_energy(
    numbers: Int[Tensor, "node"], structure: Int[Tensor, "node"], graph_count: int, table: Mapping[int, float]
) -> Float[Tensor, "graph"]:
    """Sum of table[number] over the atoms of each structure, eV, in float64.

    Atoms are counted before they are weighted, so that the sum does not depend on their order in any bit.

    Raises:
        GraphError: an element that the table does not hold.
    """
    known = torch.tensor(sorted(table), device=numbers.device)
    values = torch.tensor([table[number] for number in sorted(table)], dtype=torch.float64, device=numbers.device)
    matches = numbers[:, None] == known
    missing = ~matches.any(dim=1)
    if missing.any():
        number = int(numbers[missing][0])
        raise GraphError(
            f"reference energies: none for {chemical_symbols[number]} ({number}), only for "
            f"{', '.join(chemical_symbols[known] for known in sorted(table))}; add it to the table."
        )
    counts = values.new_zeros(graph_count, len(known)).index_add(0, structure, matches.double())
    return counts @ values


def _compositions(graph: Graph) -> list[np.ndarray]:
    """Atomic numbers of each structure."""
    counts = torch.bincount(graph.structure, minlength=graph.graph_count).cumsum(0)[:-1]
    return np.split(graph.numbers.cpu().numpy(), counts.tolist())
