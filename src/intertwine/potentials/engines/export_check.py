"""Whether an exported potential says what the potential says, on structures made to measure. No group acts here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from intertwine.potentials.engines.engine_function import EngineOutputs, ExportError, engine_inputs
from intertwine.potentials.models.contract_bench import Bench, repeated
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect

STRUCTURES = 20
ALLOWED = {torch.float32: 1e-5, torch.float64: 1e-9}
"""Largest difference of energies and virials, eV/atom, and of forces, eV/A; where forces or virials are larger than 1,
of them relative to the largest of the structure, since float32 has no more digits."""


@dataclass(frozen=True)
class Agreement:
    """The largest differences found, over all structures."""

    structures: int
    energy: float
    """eV/atom."""
    forces: float
    """eV/A, or relative to the largest force of the structure where that is above 1 eV/A."""
    virial: float
    """eV/atom, or relative to the largest of the structure where that is above 1 eV/atom."""


def trial_structures(potential: Potential, count: int = STRUCTURES) -> list[Graph]:
    """Perturbed clusters and crystals of several sizes, of the potential's elements and cutoff; a lone atom first."""
    number = torch.tensor(potential.species[:1])
    generator = torch.Generator().manual_seed(0)
    found: list[Graph] = []
    while len(found) < count:
        bench = Bench.around(potential, generator)
        if not found:
            found.append(bench.atoms(torch.zeros(1, 3, dtype=torch.float64), number))
        for name, graph in bench.structures.items():
            large = name == "crystal" and len(found) > count // 2
            found.append(repeated(graph, 2) if large else graph)
    return [connect(graph, potential.cutoff) for graph in found[:count]]


def compare(
    function: Callable[..., Sequence[Tensor]],
    potential: Potential,
    structures: Sequence[Graph],
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> Agreement:
    """Evaluate every structure alone, then all in one batch, with the exported function and with the potential.

    Args:
        function: of `EngineInputs`, returning `EngineOutputs`.
        structures: connected.

    Raises:
        ExportError: naming the structure, what differs and by how much.
    """
    allowed, worst = ALLOWED[potential.dtype], torch.zeros(3, dtype=torch.float64)
    device = potential.get_buffer("species_index").device
    batches = [*structures, collate([_unlabelled(each) for each in structures])]
    for done, graph in enumerate(batches, start=1):
        differences = _differences(function, potential, graph.to(device)).cpu()
        where = graph.place(0) if done <= len(structures) else "all structures in one batch"
        for name, unit, difference in zip(("energies", "forces", "virials"), UNITS, differences.tolist(), strict=True):
            if not difference <= allowed:
                raise ExportError(
                    f"export: {name} of the exported function are off by {difference:.2g} {unit} in {where} "
                    f"({graph.node_count} atoms), allowed {allowed:.0e}; nothing was written. The "
                    f"model's code reads sizes as numbers, len(x) for x.shape[0], or torch {torch.__version__} errs."
                )
        worst = torch.maximum(worst, differences)
        if progress:
            progress("check", done, len(batches))
    return Agreement(len(structures), *worst.tolist())


UNITS = ("eV/atom", "eV/A", "eV/atom")


def _differences(function: Callable[..., Sequence[Tensor]], potential: Potential, graph: Graph) -> Tensor:
    """Largest difference of energy per atom, force and virial per atom of a batch; NaN stays."""
    found = EngineOutputs(*(each.detach().double() for each in function(*engine_inputs(graph))))
    with torch.no_grad():
        volumes = torch.linalg.det(graph.cell.double()).abs()
        expected = potential(graph, forces=True, stress=bool((volumes > 0).all()))
    assert expected.forces is not None
    atoms = torch.bincount(graph.structure, minlength=graph.graph_count)
    forces = expected.forces.double()
    energy = ((found.energy - expected.energy).abs() / atoms).max()
    force = (found.forces - forces).abs().max() / forces.abs().max().clamp(min=1)
    if expected.stress is None:
        return torch.stack([energy, force, torch.zeros_like(force)])
    virials = expected.stress.double() * (volumes / atoms)[:, None, None]
    virial = (found.virial / atoms[:, None, None] - virials).abs().max() / virials.abs().max().clamp(min=1)
    return torch.stack([energy, force, virial])


def _unlabelled(graph: Graph) -> Graph:
    return Graph(
        graph.positions, graph.numbers, graph.structure, graph.cell, graph.pbc,
        graph.senders, graph.receivers, graph.shifts, cutoff=graph.cutoff,
    )  # fmt: skip
