"""Relaxation of many structures at once, in one graph; E(3) acts on each structure by itself."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.stress import full_3x3_to_voigt_6_stress
from jaxtyping import Float
from torch import Tensor

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.simulation.batched_lbfgs import BatchedLBFGS
from intertwine.potentials.simulation.cell_strain import CellFreedom, strain_gradient
from intertwine.potentials.simulation.moving_batch import MovingBatch
from intertwine.potentials.simulation.trajectory import bare
from intertwine.potentials.structures.graph import Graph, GraphError, Prediction, Source

EDGES = {"cpu": 20_000, "cuda": 1_000_000}
"""Edges in a batch unless told: enough to keep the machine busy, few enough for its caches and memory."""
Progress = Callable[[str, int, int], None]
"""Called with a line of text, the structures done and the structures in all."""


@dataclass(frozen=True, eq=False)
class Relaxed:
    """Where the relaxation of one structure ended."""

    atoms: Atoms
    """The structure with energy, forces and, where its cell was free, stress; as it was given where it failed."""
    steps: int
    fmax: float
    """Longest row of forces and, where the cell is free, of virial / number of atoms; eV/A."""
    converged: bool
    failure: str | None = None
    """Why it could not be computed with, in one line."""


def relax_all(
    potential: Potential,
    structures: Sequence[Graph | Atoms],
    *,
    fmax: float = 0.01,
    steps: int = 500,
    cell: CellFreedom = "none",
    pressure: float = 0.0,
    edges: int | None = None,
    done: Callable[[int, Relaxed], None] | None = None,
    progress: Progress | None = None,
) -> list[Relaxed]:
    """Relax every structure as if it were alone, many in one graph: much faster for small ones.

    Each takes its own L-BFGS steps, see `BatchedLBFGS`, until its forces are shorter than `fmax`, and then makes room
    for the next. A structure that fails is reported with the reason and disturbs no other. Atoms that `FixAtoms` holds
    stay.

    Args:
        cell: what of the lattice relaxes too, see `cell_strain`.
        pressure: to relax the lattice under, eV/A^3.
        edges: of a batch, at most, unless a single structure has more; from the device if None.
        done: called with the index and the outcome of every structure as soon as it is there.
        progress: called as often.

    Example:
        >>> outcomes = relax_all(potential, read("start.extxyz"), fmax=0.01)  # doctest: +SKIP
        >>> [outcome.atoms.get_potential_energy() for outcome in outcomes]  # doctest: +SKIP
    """
    if not fmax > 0 or steps < 0 or not structures:
        raise ValueError(
            f"relax_all: expected structures, a positive fmax and steps of at least 0, got {len(structures)} "
            f"structures, fmax {fmax} and {steps} steps."
        )
    run = _Run(potential, fmax=fmax, steps=steps, cell=cell, pressure=pressure, edges=edges)
    outcomes: dict[int, Relaxed] = {}
    waiting = deque(enumerate(structures))
    while waiting or run.members:
        for index, outcome in [*run.fill(waiting), *run.advance()]:
            outcomes[index] = outcome
            if done:
                done(index, outcome)
            if progress:
                converged = sum(found.converged for found in outcomes.values())
                progress(f"relax  {converged} converged", len(outcomes), len(structures))
    return [outcomes[index] for index in range(len(structures))]


@dataclass
class _Member:
    """A structure in the batch."""

    index: int
    atoms: Atoms
    edges: int
    steps: int = 0


class _Run:
    """A batch on its way downhill."""

    def __init__(
        self, potential: Potential, *, fmax: float, steps: int, cell: CellFreedom, pressure: float, edges: int | None
    ):
        self.batch, self.search = MovingBatch(potential), BatchedLBFGS()
        self.fmax, self.steps, self.pressure = fmax, steps, pressure
        self.cell: CellFreedom = cell
        self.edges = edges or EDGES.get(self.batch.device.type, EDGES["cpu"])
        self.members: list[_Member] = []
        self.free = torch.empty(0, dtype=torch.bool, device=self.batch.device)

    def fill(self, waiting: deque[tuple[int, Graph | Atoms]]) -> list[tuple[int, Relaxed]]:
        """Take structures in while there is room; those that cannot be computed with come back."""
        failed, listed, new = [], [], []
        total = sum(member.edges for member in self.members)
        while waiting and (total < self.edges or not (self.members or new)):
            index, structure = waiting.popleft()
            atoms = bare(structure)
            source = structure.sources[0] if isinstance(structure, Graph) and structure.sources else None
            try:
                graph = self.batch.list_neighbors(self._checked(atoms, source or Source("structure", index)))
            except GraphError as error:
                failed.append((index, Relaxed(atoms, 0, float("nan"), False, str(error))))
                continue
            new.append(_Member(index, atoms, len(graph.senders)))
            listed.append(graph)
            total += len(graph.senders)
        if new:
            self.members += new
            self.batch.add(listed)
            rows = [len(member.atoms) + (0 if self.cell == "none" else 3) for member in new]
            self.search.add(torch.tensor(rows, device=self.batch.device))
            free = np.concatenate([_free(member.atoms) for member in new])
            self.free = torch.cat([self.free, torch.tensor(free, device=self.batch.device)])
        return failed

    def advance(self) -> list[tuple[int, Relaxed]]:
        """One step of every structure; those that have arrived, or failed, come back."""
        if not self.members:
            return []
        prediction, failures = self.batch.evaluate(stress=self.cell != "none")
        if prediction is None:
            gone = [(self.members[place].index, self._failed(place, words)) for place, words in failures.items()]
            self._keep(torch.tensor([place not in failures for place in range(len(self.members))]))
            return gone
        gradient, is_atom = self._gradient(prediction)
        longest = torch.zeros_like(self.search.reach)
        longest = longest.scatter_reduce(0, self.search.owner, gradient.norm(dim=1), "amax").tolist()
        leaves = [force < self.fmax or member.steps >= self.steps for force, member in zip(longest, self.members)]
        finished = []
        if any(leaves):
            finished = [
                (self.members[place].index, self._arrived(place, prediction, longest[place]))
                for place, left in enumerate(leaves)
                if left
            ]
            stays = ~torch.tensor(leaves, device=self.batch.device)
            rows = stays[self.search.owner]
            gradient, is_atom = gradient[rows], is_atom[rows]
            self._keep(stays)
        if self.members:
            self._move(self.search.step(gradient), is_atom)
        return finished

    def _gradient(self, prediction: Prediction) -> tuple[Float[Tensor, "row 3"], Tensor]:
        """dE/dx of all rows, atoms before the cell in each structure, and which rows are atoms."""
        assert prediction.forces is not None
        forces = torch.where(self.free[:, None], prediction.forces.double(), 0.0)
        if self.cell == "none":
            return -forces, torch.ones_like(self.free)
        assert prediction.stress is not None
        counts = torch.bincount(self.batch.then.structure)
        strain = strain_gradient(prediction.stress.double(), self.batch.cell, self.pressure, self.cell)
        is_atom = torch.ones(len(self.search.owner), dtype=torch.bool, device=self.batch.device)
        ends = torch.cumsum(counts + 3, 0)
        is_atom[(ends[:, None] - torch.arange(1, 4, device=self.batch.device)).flatten()] = False
        gradient = torch.empty(len(is_atom), 3, dtype=torch.float64, device=self.batch.device)
        gradient[is_atom] = -forces
        gradient[~is_atom] = (strain / counts[:, None, None]).flatten(0, 1)
        return gradient, is_atom

    def _move(self, step: Float[Tensor, "row 3"], is_atom: Tensor) -> None:
        batch = self.batch
        batch.positions = batch.positions + step[is_atom]
        if self.cell != "none":
            counts = torch.bincount(batch.then.structure)
            stretch = torch.linalg.matrix_exp(step[~is_atom].unflatten(0, (-1, 3)) / counts[:, None, None])
            batch.positions = torch.einsum("ni,nij->nj", batch.positions, stretch[batch.then.structure])
            batch.cell = batch.cell @ stretch
        for member in self.members:
            member.steps += 1

    def _keep(self, stays: Tensor) -> None:
        stays = stays.to(self.batch.device)
        self.free = self.free[stays[self.batch.then.structure]]
        self.batch.keep(stays)
        self.search.keep(stays)
        self.members = [member for member, kept in zip(self.members, stays.tolist()) if kept]

    def _arrived(self, place: int, prediction: Prediction, longest: float) -> Relaxed:
        member, mine = self.members[place], self.batch.then.structure == place
        assert prediction.forces is not None
        atoms = member.atoms
        atoms.positions[:] = self.batch.positions[mine].cpu().numpy()
        if self.cell != "none":
            atoms.cell.array[:] = self.batch.cell[place].cpu().numpy()
        results = {
            "energy": prediction.energy[place].item(),
            "forces": prediction.forces[mine].double().cpu().numpy(),
        }
        if prediction.stress is not None:
            results["stress"] = full_3x3_to_voigt_6_stress(prediction.stress[place].double().cpu().numpy())
        atoms.calc = SinglePointCalculator(atoms, **results)
        return Relaxed(atoms, member.steps, longest, longest < self.fmax)

    def _failed(self, place: int, words: str) -> Relaxed:
        member = self.members[place]
        return Relaxed(member.atoms, member.steps, float("nan"), False, f"after step {member.steps}: {words}")

    def _checked(self, atoms: Atoms, source: Source) -> Graph:
        graph = from_atoms(atoms, source, keys=None)
        if self.cell != "none" and not atoms.pbc.all():
            raise GraphError(f"{source}: a free cell needs a structure that is periodic along all three directions.")
        strange = [type(held).__name__ for held in atoms.constraints if not isinstance(held, FixAtoms)]
        if strange:
            raise GraphError(f"{source}: relax_all knows no constraint but FixAtoms, got {', '.join(strange)}.")
        return graph


def _free(atoms: Atoms) -> np.ndarray:
    """Which atoms may move, `node`."""
    free = np.ones(len(atoms), dtype=bool)
    for held in atoms.constraints:
        free[held.index] = False
    return free
