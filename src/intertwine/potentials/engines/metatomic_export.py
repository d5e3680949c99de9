"""Writes a potential as a metatomic model, compared with the potential before the file is named. No group acts here."""

import os
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from ase import Atoms
from torch import Tensor, nn

from intertwine import __version__
from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.engines.engine_function import EngineFunction, EngineOutputs
from intertwine.potentials.engines.export_check import Agreement, compare, trial_structures
from intertwine.potentials.models.potential import Potential, pair_forces
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect, edge_vectors
from intertwine.tensor_products.kernels.library import using

try:
    from metatensor.torch import Labels, TensorBlock  # type: ignore[attr-defined]
    from metatomic import torch as metatomic
except ImportError as error:
    raise ImportError('metatomic is not installed: pip install "intertwine[export]".') from error

from intertwine.potentials.engines.metatomic_model import MetatomicModel

PAIR = ["first_atom", "second_atom", "cell_shift_a", "cell_shift_b", "cell_shift_c"]


def export_metatomic(
    potential: Potential,
    path: Path | str,
    *,
    structures: Sequence[Graph] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Agreement:
    """Write a potential for engines that speak metatomic: LAMMPS, i-PI, ASE, PLUMED and others.

    The file holds TorchScript of the readable twins, operators of torch only, so that engines need nothing of this
    library. It offers energies of systems and of atoms, eV, reference energies included; engines differentiate for
    forces. It is loaded back and compared with the potential as `export_potential` does.

    TorchScript is a form that torch will not develop further; metatomic reads nothing else today. The trace records
    what one example does, and the comparison shows that other sizes follow.

    Raises:
        ExportError: the file disagrees with the potential. Nothing is left then, an older file stays.

    Example:
        >>> export_metatomic(potential, "water.pt")  # doctest: +SKIP
        >>> # pair_style metatomic water.pt             in LAMMPS

    Reference: Bigi et al., 2025, metatensor and metatomic, arXiv:2508.15704.
    """
    path = Path(path)
    report = progress or (lambda text, done, total: None)
    report("trace", 0, 1)
    model = atomistic(potential)
    report("trace", 1, 1)
    ready = trial_structures(potential) if structures is None else structures
    ready = [each if each.cutoff == potential.cutoff else connect(each, potential.cutoff) for each in ready]
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}.writing-") as folder:
        written = Path(folder) / path.name
        model.save(written)
        found = compare(engine_function(metatomic.load_atomistic_model(written)), potential, ready, progress=progress)
        with written.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(written, path)
    return found


def atomistic(potential: Potential) -> Any:
    """The potential as an `AtomisticModel`, with what it is and what it can do."""
    function = EngineFunction(potential)
    crystal = connect(_chain(potential, 3), potential.cutoff)
    element = function.get_buffer("index")[crystal.numbers]
    example = (element, edge_vectors(crystal).to(potential.dtype), crystal.senders, crystal.receivers)
    with using(None), torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # other sizes are compared later
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        traced: Any = torch.jit.trace(_AtomEnergies(function.potential.cpu()), example, check_trace=False)
    module = MetatomicModel(
        traced, function.get_buffer("index").cpu(), function.get_buffer("reference").cpu(), potential.cutoff,
        potential.dtype == torch.float32,
    )  # fmt: skip
    outputs = {kind: metatomic.ModelOutput(unit="eV", sample_kind=kind) for kind in ("system", "atom")}
    capabilities = metatomic.ModelCapabilities(
        outputs={"energy": outputs["atom"]},
        atomic_types=list(potential.species),
        interaction_range=reach(potential) * potential.cutoff,
        length_unit="Angstrom",
        supported_devices=["cpu"],  # the trace holds the device of its example
        dtype="float64",
    )
    kind = type(potential.model).__name__
    metadata = metatomic.ModelMetadata(name=kind, description=f"{kind} potential, exported by intertwine {__version__}")
    return metatomic.AtomisticModel(module.eval(), metadata, capabilities)  # type: ignore[arg-type]


class _AtomEnergies(nn.Module):
    """What can be traced: a module whose forward is `Potential.atom_energies`."""

    def __init__(self, potential: Potential):
        super().__init__()
        self.potential = potential

    def forward(self, element: Tensor, vectors: Tensor, senders: Tensor, receivers: Tensor) -> Tensor:
        return self.potential.atom_energies(element, vectors, senders, receivers)


def reach(potential: Potential, *, longest: int = 12) -> int:
    """How many edges away an atom still counts for the energy of another, found by moving the end of a chain."""
    double = deepcopy(potential).to("cpu", torch.float64)
    chain = _chain(potential, longest + 1)
    step = torch.zeros_like(chain.positions)
    step[0, 0] = -0.05 * potential.cutoff
    energies = []
    with torch.no_grad():
        for graph in (chain, replace(chain, positions=chain.positions + step)):
            energies.append(double(connect(graph, potential.cutoff), forces=False).node_energy)
    changed = (energies[1] - energies[0]).abs() > 1e-13 * energies[0].abs().max()
    return max(int(changed.nonzero().max()), 1) if changed.any() else 1


def engine_function(model: Any) -> Callable[..., EngineOutputs]:
    """A metatomic model in the form of `EngineFunction`, for comparison."""
    (options,) = model.requested_neighbor_lists()
    wanted = metatomic.ModelOutput(unit="eV", sample_kind="atom")
    asked = metatomic.ModelEvaluationOptions(length_unit="Angstrom", outputs={"energy": wanted})

    def evaluate(
        numbers: Tensor, positions: Tensor, cell: Tensor, senders: Tensor, receivers: Tensor, shifts: Tensor,
        structure: Tensor,
    ) -> EngineOutputs:  # fmt: skip
        pbc = (cell.abs().sum(-1) > 0).cpu()
        graph = Graph(positions, numbers, structure, cell, pbc, senders, receivers, shifts)
        vectors = edge_vectors(graph).requires_grad_()
        systems = []
        for place in range(len(cell)):
            atoms, edges = structure == place, structure[receivers] == place
            first = int(atoms.nonzero()[0, 0])
            system = metatomic.System(numbers[atoms].int(), positions[atoms], cell[place], pbc[place])
            ends = torch.stack([senders[edges] - first, receivers[edges] - first], dim=1)
            axes = [Labels(["xyz"], torch.arange(3).reshape(-1, 1))]
            pairs = Labels(PAIR, torch.cat([ends, shifts[edges].long()], dim=1).int(), assume_unique=True)
            values, one = vectors[edges].unsqueeze(-1), Labels(["distance"], torch.zeros(1, 1, dtype=torch.int32))
            system.add_neighbor_list(options, TensorBlock(values, pairs, axes, one))
            systems.append(system)
        energies = model(systems, asked, check_consistency=True)["energy"].block().values.squeeze(1)
        (gradient,) = torch.autograd.grad(energies.sum(), vectors, materialize_grads=True)
        energies, vectors = energies.detach(), vectors.detach()
        outer = vectors.unsqueeze(-1) * gradient.unsqueeze(-2)
        virial = torch.zeros_like(cell).index_add(0, structure[receivers], outer)
        total = energies.new_zeros(len(cell)).index_add(0, structure, energies)
        virial = (virial + virial.transpose(1, 2)) / 2
        return EngineOutputs(total, energies, pair_forces(gradient, graph), virial, gradient)

    return evaluate


def _chain(potential: Potential, count: int) -> Graph:
    """Atoms in a zigzag, each nearer than the cutoff to its neighbours and to no others."""
    positions = [[0.6 * potential.cutoff * k, 0.1 * potential.cutoff * (k % 2), 0.0] for k in range(count)]
    numbers = [potential.species[k % len(potential.species)] for k in range(count)]
    return from_atoms(Atoms(numbers, positions), keys=None)
