"""Structures that move, in one graph: neighbour lists with a skin for each; E(3) acts on each structure by itself."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool
from torch import Tensor

from intertwine.potentials.models.potential import NonFiniteError, Potential
from intertwine.potentials.structures.batching import collate, split
from intertwine.potentials.structures.graph import Graph, GraphError, Prediction
from intertwine.potentials.structures.neighbors import connect, edge_vectors
from intertwine.potentials.structures.soundness import CLOSEST, check_distances, check_species


class MovingBatch:
    """Positions and cells of many structures, to be changed by the caller, and what the potential says about them.

    As in `Calculator`, each structure keeps a list of neighbours to cutoff + skin while that is complete, also under a
    strain of its cell, and edges beyond the cutoff are dropped at every evaluation.

    Args:
        skin: Angstrom.
    """

    def __init__(self, potential: Potential, *, skin: float = 0.5):
        self.potential, self.skin = potential, skin
        tensors = [*potential.parameters(), *potential.buffers()]
        self.device = tensors[0].device if tensors else torch.device("cpu")
        self.listed: list[Graph] = []
        """Each structure where its list was made."""

    def list_neighbors(self, graph: Graph) -> Graph:
        """A structure with its edges, ready for `add`.

        Raises:
            GraphError: a structure that cannot be computed with.
        """
        check_species(graph, self.potential.species)
        bare = replace(graph, energy=None, forces=None, stress=None)
        return connect(bare, self.potential.cutoff + self.skin)

    def add(self, listed: Sequence[Graph]) -> None:
        """Take structures behind those that are there."""
        now = split(self.now()) if self.listed else []
        self._arrange([*self.listed, *listed], [*now, *(graph.to(self.device) for graph in listed)])

    def keep(self, chosen: Bool[Tensor, "graph"]) -> None:
        """Let the structures go that are not chosen."""
        picked, now = chosen.tolist(), split(self.now())
        self._arrange(
            [graph for graph, stays in zip(self.listed, picked) if stays],
            [graph for graph, stays in zip(now, picked) if stays],
        )

    def now(self) -> Graph:
        """All structures where they are, with the edges of their lists."""
        return replace(self.then, positions=self.positions, cell=self.cell)

    def evaluate(self, *, stress: bool) -> tuple[Prediction | None, dict[int, str]]:
        """Energies, forces and stresses; or None and what is wrong with which structures, which have to go first."""
        failures = self._renew()
        if failures:
            return None, failures
        graph = self.now()
        lengths = edge_vectors(graph).norm(dim=1)
        if len(lengths) and lengths.min() < CLOSEST:
            return None, self._each(check_distances)
        (near,) = (lengths < self.potential.cutoff).nonzero(as_tuple=True)
        graph = replace(
            graph,
            senders=graph.senders.index_select(0, near),
            receivers=graph.receivers.index_select(0, near),
            shifts=graph.shifts.index_select(0, near),
            cutoff=self.potential.cutoff,
        )
        with torch.no_grad():
            try:
                return self.potential(graph, forces=True, stress=stress), {}
            except NonFiniteError:
                return None, self._each(lambda one: self.potential(one, forces=True, stress=stress))

    def _arrange(self, listed: list[Graph], now: list[Graph]) -> None:
        self.listed = listed
        if listed:
            self.then = collate(listed).to(self.device)
            self.positions = torch.cat([graph.positions for graph in now])
            self.cell = torch.cat([graph.cell for graph in now])

    def _renew(self) -> dict[int, str]:
        """New lists for the structures that have moved too far for theirs."""
        then, rank = self.then, torch.linalg.matrix_rank(self.cell)
        strain = torch.eye(3, dtype=self.cell.dtype, device=self.device).repeat(len(self.cell), 1, 1)
        room = torch.full_like(self.cell[:, 0, 0], self.skin)
        changed = (self.cell != then.cell).any(dim=2).any(dim=1) & (rank == 3)
        if bool(changed.any()):
            strain[changed] = torch.linalg.solve(then.cell[changed], self.cell[changed])
            smallest = torch.linalg.svdvals(strain[changed])[:, -1]
            room[changed] = smallest * (self.potential.cutoff + self.skin) - self.potential.cutoff
        places = torch.einsum("ni,nij->nj", then.positions, strain[then.structure])
        moved = torch.zeros_like(room).scatter_reduce(
            0, then.structure, (self.positions - places).square().sum(dim=1), "amax"
        )
        complete = (room > 0) & (4 * moved < room.square())  # false for NaN, which the new search then names
        if bool(complete.all()):
            return {}
        now, failures = split(self.now()), {}
        for index in (~complete).nonzero()[:, 0].tolist():
            try:
                self.listed[index] = self.list_neighbors(now[index].to("cpu"))
            except GraphError as error:
                failures[index] = str(error)
        self._arrange(self.listed, now)
        return failures

    def _each(self, ask) -> dict[int, str]:
        """What is wrong with each structure alone."""
        failures = {}
        for index, graph in enumerate(split(self.now())):
            try:
                ask(connect(graph.to("cpu"), self.potential.cutoff).to(self.device))
            except GraphError as error:
                failures[index] = str(error)
        if not failures:
            raise GraphError("a batch of structures failed, each of them alone does not; try smaller batches.")
        return failures
