"""What motions, permutations, copies and distance must do to a potential: E(3) and permutations act on the atoms."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from intertwine.groups.actions import LastAxis, Points
from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error, relative_error
from intertwine.groups.euclidean import Translation
from intertwine.groups.group import Group
from intertwine.groups.representation import Action, Standard
from intertwine.potentials.models.contract_bench import CRYSTALS, MOLECULES, Bench, moved, repeated
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph

Findings = Iterator[tuple[float, str]]
"""Errors, and where they were found."""


def rotations_and_reflections(bench: Bench) -> Findings:
    """Energies stay, forces turn, stresses turn on both sides."""
    vector, tensor = LastAxis(Standard(O(3))), LastAxis(Standard(O(3)) * Standard(O(3)))
    yield from _symmetry(bench, O(3), [vector, vector], (None, None, vector, tensor))


def translations(bench: Bench) -> Findings:
    """Nothing changes."""
    yield from _symmetry(bench, Translation(3), [Points(Translation(3)), None], (None, None, None, None))


def permutations(bench: Bench) -> Findings:
    """Forces follow their atoms, energies stay."""
    for name, graph in bench.structures.items():
        order = torch.randperm(graph.node_count, generator=bench.generator)
        energy, nodes, forces = _answers(bench, graph)
        shuffled = replace(graph, positions=graph.positions[order], numbers=graph.numbers[order])
        yield _worst(_answers(bench, shuffled), (energy, nodes[order], forces[order])), name


def batches(bench: Bench) -> Findings:
    """A structure has the same answer alone as among others."""
    batch, together = bench.predict(*bench.structures.values())
    assert together.forces is not None
    for index, (name, graph) in enumerate(bench.structures.items()):
        _, alone = bench.predict(graph)
        assert alone.forces is not None
        mine = batch.structure == index
        found = together.energy[index : index + 1], together.node_energy[mine], together.forces[mine]
        yield _worst(found, (alone.energy, alone.node_energy, alone.forces)), name


def leaks(bench: Bench) -> Findings:
    """Moving the atoms of one structure leaves the others of its batch as they were: their gradient to it is zero."""
    before, between, after = (bench.structures[name] for name in ("slab", "molecule", "crystal"))
    stirred = moved(between, 0, torch.full((3,), 0.1 * bench.potential.cutoff, dtype=torch.float64))
    (batch, still), (_, changed) = bench.predict(before, between, after), bench.predict(before, stirred, after)
    assert still.forces is not None and changed.forces is not None
    others = batch.structure != 1
    error = _worst((changed.energy[[0, 2]], changed.forces[others]), (still.energy[[0, 2]], still.forces[others]))
    yield error, "slab and crystal beside a molecule that moves"


def far_fragments(bench: Bench) -> Findings:
    """Fragments out of reach of each other add up."""
    parts = [_answers(bench, bench.structures[name]) for name in MOLECULES]
    here, there = (bench.structures[name] for name in MOLECULES)
    away = torch.tensor([20.0, 7.0, -13.0], dtype=torch.float64) * bench.potential.cutoff
    union = bench.atoms(torch.cat([here.positions, there.positions + away]), torch.cat([here.numbers, there.numbers]))
    energy, nodes, forces = (torch.cat(each) for each in zip(*parts))
    yield _worst(_answers(bench, union), (energy.sum().view(1), nodes, forces)), "two molecules"


def supercells(bench: Bench) -> Findings:
    """Eight cells of a crystal have eight times its energy, and its forces eight times over; error in eV an atom."""
    for name in ("crystal", "left-handed crystal"):
        energy, _, forces = _answers(bench, bench.structures[name])
        energy8, _, forces8 = _answers(bench, repeated(bench.structures[name], 2))
        yield float((energy8 - 8 * energy).abs()) / len(forces8), name
        yield relative_error(forces8, forces.repeat(8, 1)), name


def balance(bench: Bench) -> Findings:
    """No net force on anything, no torque on a molecule; relative to the forces."""
    for name, graph in bench.structures.items():
        _, _, forces = _answers(bench, graph)
        size = float(forces.square().mean().sqrt()) * graph.node_count or 1.0
        yield float(forces.sum(0).abs().max()) / size, name
        if name in MOLECULES:
            arms = graph.positions / bench.potential.cutoff
            yield float(torch.linalg.cross(arms, forces).sum(0).abs().max()) / size, name


def _symmetry(
    bench: Bench, group: Group, acts_in: Sequence[Action | None], acts_out: tuple[Action | None, ...]
) -> Findings:
    """Error under a group that acts on positions and cells; on energies, energies of atoms, forces and stresses."""
    for names in (MOLECULES, CRYSTALS):
        start, has_stress = collate([bench.structures[name] for name in names]), names == CRYSTALS

        def answers(positions: Tensor, cell: Tensor, start=start, has_stress=has_stress) -> tuple[Tensor, ...]:
            return _answers(bench, replace(start, positions=positions, cell=cell), stress=has_stress)

        inputs, results = [start.positions, start.cell], acts_out if has_stress else acts_out[:3]
        error = equivariance_error(answers, inputs, acts_in, results, group, samples=6, generator=bench.generator)
        yield error, ", ".join(names)


def _answers(bench: Bench, graph: Graph, *, stress: bool = False) -> tuple[Tensor, ...]:
    """Energies, energies of the atoms, forces, and stresses as rows of nine."""
    _, prediction = bench.predict(graph, stress=stress)
    assert prediction.forces is not None
    found = prediction.energy, prediction.node_energy, prediction.forces
    return found if prediction.stress is None else (*found, prediction.stress.flatten(1))


def _worst(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> float:
    return max(relative_error(*pair) for pair in zip(found, expected, strict=True))
