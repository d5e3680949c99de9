"""A potential as a model of torch-sim: many systems move at once; E(3) acts on positions and cells of each."""

from typing import Any

import torch
from torch import Tensor

from intertwine.potentials.models.potential import Potential
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect

try:
    from torch_sim.models.interface import ModelInterface
except ImportError as error:
    raise ImportError('torch-sim is not installed: pip install "intertwine[sim]".') from error


class TorchSimModel(ModelInterface):
    r"""Energies, forces and stresses of a batch of systems, for the integrators and optimizers of torch-sim.

    torch-sim keeps lattice vectors as columns, we as rows: cell = state.cell^T. Neighbours are found anew at every
    call, system by system, on the CPU. Energies are eV, forces eV/A, stresses eV/A^3 with ASE's sign, which are
    torch-sim's metal units.

    Args:
        dtype: of the states and results. float64 costs little beside a float32 potential and keeps what small steps
            add to large coordinates.
        compute_stress: for cells that move; every system then needs a volume.

    Raises:
        GraphError: when called: an element the potential does not know, coordinates that are not finite, atoms on top
            of each other, a stress without a volume, a result that is not finite; naming the system.

    Example:
        >>> model = TorchSimModel(potential)  # doctest: +SKIP
        >>> torch_sim.optimize(system=[water, ice], model=model, optimizer=torch_sim.optimizers.fire)  # doctest: +SKIP

    Reference: Cohen et al., 2025, TorchSim, arXiv:2508.06628.
    """

    def __init__(self, potential: Potential, *, dtype: torch.dtype = torch.float64, compute_stress: bool = False):
        super().__init__()
        self.potential = potential
        self._dtype, self._device = dtype, potential.get_buffer("species_index").device
        self._compute_forces, self._compute_stress = True, compute_stress

    def forward(self, state: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Evaluate a `SimState`, or a dictionary of its tensors."""
        given = state if isinstance(state, dict) else vars(state)
        cell = given["cell"].mT.detach().double()
        graph = Graph(
            positions=given["positions"].detach().double(),
            numbers=given["atomic_numbers"].long(),
            structure=given["system_idx"].long(),
            cell=cell,
            pbc=torch.full(cell.shape[:2], bool(given["pbc"]), device=cell.device),
            senders=torch.zeros(0, dtype=torch.long, device=cell.device),
            receivers=torch.zeros(0, dtype=torch.long, device=cell.device),
            shifts=cell.new_zeros(0, 3),
        )
        with torch.no_grad():
            found = self.potential(connect(graph, self.potential.cutoff), stress=self._compute_stress)
        results = {"energy": found.energy, "forces": found.forces, "stress": found.stress}
        return {name: value.to(self._dtype) for name, value in results.items() if value is not None}
