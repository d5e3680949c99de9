"""What calculus and arithmetic demand of a potential: derivatives, smoothness, rounding, gradients; no group acts."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from math import inf

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.groups.error import relative_error
from intertwine.potentials.models.contract_bench import CRYSTALS, Bench, moved, strained
from intertwine.potentials.models.potential import NonFiniteError, Potential
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect
from intertwine.potentials.structures.reference import composition_energy

Findings = Iterator[tuple[float, str]]
"""Errors, and where they were found."""
STENCIL = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}
"""Central differences of fourth order: f'(0) = sum of weight f(step h) / h."""
CROSSING = 1e-6
"""How far either side of the cutoff an atom is put, Angstrom."""
FORCE_LENGTH = 1e-3
"""Angstrom; weighs a force next to the cutoff against a jump of the energy: 1e-6 eV/Angstrom counts as 1e-9 eV."""


def forces_are_slopes(bench: Bench) -> Findings:
    """Forces against central differences of the energy, eV/Angstrom, relative to the largest force above 1."""
    step = 2e-4 * bench.potential.cutoff
    for name, graph in bench.structures.items():
        _, prediction = bench.predict(graph)
        assert prediction.forces is not None
        size = max(1.0, float(prediction.forces.abs().max()))
        entries = torch.randperm(3 * graph.node_count, generator=bench.generator)[:6]
        axes = torch.eye(3, dtype=torch.float64)
        copies = [
            moved(graph, int(entry) // 3, at * step * axes[int(entry) % 3]) for entry in entries for at in STENCIL
        ]
        slopes = _differences(bench, copies) / step
        for entry, slope in zip(entries.tolist(), slopes.tolist()):
            force = float(prediction.forces.flatten()[entry])
            yield abs(force + slope) / size, f"{name}, atom {entry // 3}, {'xyz'[entry % 3]}: {force} and {-slope}"


def stress_is_slope(bench: Bench) -> Findings:
    """Stress against central differences of the energy with strain, eV/Angstrom^3, relative to the largest above 1."""
    step = 2e-4
    for name in CRYSTALS:
        graph = bench.structures[name]
        _, prediction = bench.predict(graph, stress=True)
        assert prediction.stress is not None
        size, volume = max(1.0, float(prediction.stress.abs().max())), float(torch.linalg.det(graph.cell).abs())
        places = [(row, column) for row in range(3) for column in range(row, 3)]
        strains = torch.zeros(len(places), 3, 3, dtype=torch.float64)
        for strain, (row, column) in zip(strains, places):
            strain[row, column] += 0.5
            strain[column, row] += 0.5
        copies = [strained(graph, at * step * strain) for strain in strains for at in STENCIL]
        slopes = _differences(bench, copies) / (step * volume)
        for (row, column), slope in zip(places, slopes.tolist()):
            stress = float(prediction.stress[0, row, column])
            yield abs(stress - slope) / size, f"{name}, {'xyz'[row]}{'xyz'[column]}: {stress} and {slope}"
        yield float((prediction.stress - prediction.stress.mT).abs().max()), f"{name}, symmetry"


def cutoff_is_smooth(bench: Bench) -> Findings:
    """Energies, eV, do not jump as an atom crosses the cutoff; forces vanish there; edges beyond it count nothing."""
    cutoff, zero = bench.potential.cutoff, torch.zeros(3, dtype=torch.float64)
    along = torch.tensor([2.0, -1.0, 2.0], dtype=torch.float64) / 3
    between = 0.5 * cutoff * along + 0.1 * cutoff
    for name, others in {"a pair": [zero], "three atoms": [zero, between]}.items():
        inside, outside = (bench.atoms(torch.stack([*others, (cutoff + at) * along])) for at in (-CROSSING, CROSSING))
        _, prediction = bench.predict(inside, outside)
        assert prediction.forces is not None
        inner, outer = prediction.energy
        inner_force, outer_force = prediction.forces.view(2, -1, 3)[:, -1]
        jump = float(outer - inner + CROSSING * (inner_force + outer_force) @ along)
        yield abs(jump), f"{name}, the energy jumps by {jump} eV beyond what the force explains"
        if name == "a pair":
            force = float(inner_force.norm())
            yield force * FORCE_LENGTH, f"a pair, the force is {force} eV/A where it is {CROSSING} A inside the cutoff"
    pair = connect(bench.atoms(torch.stack([zero, torch.tensor([0.0, 0.0, cutoff]).double()])), 1.2 * cutoff)
    energy, forces = _energy_and_forces(bench, pair)
    yield (
        inf if forces.any() else float(energy.abs().max()),
        f"a pair at the cutoff, energy {float(energy)} eV, forces {forces.tolist()}",
    )
    for name, graph in bench.structures.items():
        near, far = (_energy_and_forces(bench, connect(graph, reach)) for reach in (cutoff, 1.2 * cutoff))
        error = max(relative_error(*each) for each in zip(far, near))
        yield error, f"{name}, edges beyond the cutoff change the answer"


def isolated_atoms(bench: Bench) -> Findings:
    """Atoms without neighbours have their reference energy, eV, and no force; the references of others add too."""
    whole, far = bench.whole, torch.arange(3.0, dtype=torch.float64)[:, None] * 9 * bench.potential.cutoff
    alone = [bench.atoms(torch.zeros(1, 3, dtype=torch.float64), torch.tensor([number])) for number in whole.species]
    cases = {
        "one atom": alone[:1],
        "a batch of single atoms": alone,
        "atoms far apart": [bench.atoms(far.expand(3, 3))],
    }
    for name, graphs in {**cases, **{name: [graph] for name, graph in bench.structures.items()}}.items():
        batch, bare = bench.predict(*graphs)
        with torch.no_grad():
            total = whole(batch)
        atoms = torch.bincount(batch.structure).double()
        expected = composition_energy(batch.numbers, batch.structure, batch.graph_count, whole.reference_energies)
        if whole.shift_alone:
            expected = expected + whole.shift * atoms
        if name in bench.structures:
            expected = expected + bare.energy
        elif total.forces.any():
            yield inf, f"{name}, forces {total.forces.tolist()}"
        yield (
            float((total.energy - expected).abs().max()),
            f"{name}, {total.energy.tolist()} for {expected.tolist()} eV",
        )


def single_precision(bench: Bench) -> Findings:
    """The float32 potential agrees with the float64 one."""
    single = deepcopy(bench.potential).float()
    for name, graph in bench.structures.items():
        batch, expected = bench.predict(graph)
        with torch.no_grad():
            found = single(batch.to(dtype=torch.float32))
        assert expected.forces is not None
        yield relative_error(found.node_energy, expected.node_energy), f"{name}, energies of atoms"
        yield relative_error(found.forces, expected.forces), f"{name}, forces"
        size = graph.node_count * float(expected.node_energy.square().mean().sqrt()) or 1.0
        yield float((found.energy - expected.energy).abs().max()) / size, f"{name}, energy"


def repeats(bench: Bench) -> Findings:
    """The same input has the same answer, bit for bit."""
    for name, graph in bench.structures.items():
        (_, once), (_, again) = bench.predict(graph), bench.predict(graph)
        assert once.forces is not None and again.forces is not None
        same = torch.equal(once.energy, again.energy) and torch.equal(once.forces, again.forces)
        yield 0.0 if same else inf, f"{name}, two calls differ"


def training_gradient(bench: Bench) -> Findings:
    """The gradient of a loss on energy, forces and stress by every parameter, against central differences."""
    potential = deepcopy(bench.potential).requires_grad_()
    parameters = dict(potential.named_parameters())
    if not parameters:
        return
    for name, stress in (("molecule", False), ("crystal", True)):
        batch = bench.joined(bench.structures[name])
        weights = torch.randn(batch.node_count + 3, 3, dtype=torch.float64, generator=bench.generator)
        directions = {
            key: torch.randn(value.shape, dtype=torch.float64, generator=bench.generator)
            for key, value in parameters.items()
        }

        def loss(weights=weights, batch=batch, stress=stress) -> Tensor:
            prediction = potential(batch, stress=stress)
            rows = (
                prediction.forces if prediction.stress is None else torch.cat([prediction.forces, *prediction.stress])
            )
            return (rows * weights[: len(rows)]).sum() + prediction.energy.sum()

        gradients = torch.autograd.grad(loss(), list(parameters.values()), allow_unused=True)
        exact = {
            key: 0.0 if gradient is None else float((gradient * directions[key]).sum())
            for key, gradient in zip(parameters, gradients)
        }
        size = sum(value**2 for value in exact.values()) ** 0.5 or 1.0
        error = abs(sum(exact.values()) - _slope(loss, parameters, directions)) / size
        if error < 1e-6:
            yield error, name
            continue
        for key, value in exact.items():  # something is wrong: find out with which parameter
            slope = _slope(loss, {key: parameters[key]}, directions)
            yield abs(value - slope) / size, f"{name}, parameter {key}: gradient {value}, slope {slope}"


def nothing_but_numbers(bench: Bench) -> Findings:
    """Broken weights raise `NonFiniteError`; coinciding atoms do, or have a finite answer."""
    batch = bench.joined(bench.structures["molecule"])
    if any(True for _ in bench.potential.parameters()):
        broken = deepcopy(bench.potential)
        for parameter in broken.parameters():
            parameter.data.fill_(torch.nan)
        yield inf if _answer_is_finite(broken, batch) is not None else 0.0, "weights that are NaN have an answer"
    together = replace(batch, positions=torch.zeros_like(batch.positions))
    answer = _answer_is_finite(bench.potential, together)
    yield inf if answer is False else 0.0, "atoms in one place have an answer that is not finite"


def _answer_is_finite(potential: Potential, batch: Graph) -> bool | None:
    """Whether energies and forces are finite, with gradients and without; None where the potential refuses."""
    answers = []
    for differentiable in (False, True):
        with torch.set_grad_enabled(differentiable):
            try:
                prediction = potential(batch)
            except NonFiniteError:
                continue
            answers += [prediction.energy, prediction.forces]
    return all(bool(answer.isfinite().all()) for answer in answers) if answers else None


def _differences(bench: Bench, copies: list[Graph]) -> Float[Tensor, "slope"]:
    """Sums of the energies of copies with the weights of the stencil."""
    batch = bench.joined(*copies)
    with torch.no_grad():
        energy = bench.potential(batch, forces=False).energy
    return energy.view(-1, len(STENCIL)) @ torch.tensor(list(STENCIL.values()), dtype=torch.float64)


def _energy_and_forces(bench: Bench, graph: Graph) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        prediction = bench.potential(graph)
    return prediction.energy, prediction.forces


def _slope(loss: Callable[[], Tensor], parameters: Mapping[str, Tensor], directions: Mapping[str, Tensor]) -> float:
    """Central difference of the loss as parameters move along their directions."""
    step, total = 1e-3, 0.0
    start = {key: value.detach().clone() for key, value in parameters.items()}
    for at, weight in STENCIL.items():
        with torch.no_grad():
            for key, value in parameters.items():
                value.copy_(start[key] + at * step * directions[key])
        total += weight * float(loss().detach()) / step
    with torch.no_grad():
        for key, value in parameters.items():
            value.copy_(start[key])
    return total
