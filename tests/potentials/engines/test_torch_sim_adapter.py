"""torch-sim moves what our calculator moves: same forces and stresses, energies kept, systems apart."""

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.cluster import Icosahedron
from lennard_jones import argon

from intertwine.potentials.models.saved import build_potential
from intertwine.potentials.simulation.calculator import Calculator
from intertwine.potentials.simulation.relax import relax
from intertwine.potentials.structures.graph import GraphError

torch_sim = pytest.importorskip("torch_sim")
from intertwine.potentials.engines.torch_sim_adapter import TorchSimModel  # noqa: E402  needs torch-sim

CHOICES = {"species": [8, 12], "cutoff": 3.5, "channels": 2, "layers": 1, "radial_hidden": [4]}


def crystals():
    """Two skewed crystals of different size."""
    small = bulk("MgO", "rocksalt", a=4.2)
    large = small * (2, 1, 1)
    for seed, atoms in enumerate((small, large)):
        atoms.set_cell(
            atoms.cell.array @ (np.eye(3) + np.triu([[0, 0.1, 0.2], [0, 0, 0.1], [0, 0, 0]])), scale_atoms=True
        )
        atoms.rattle(0.1, seed=seed)
    return [small, large]


def state_of(atoms, dtype=torch.float64):
    return torch_sim.io.atoms_to_state(atoms, torch.device("cpu"), dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_system_has_what_the_calculator_says(dtype):
    potential = build_potential("nequip", CHOICES, {8: -400.0, 12: -5.0}, seed=0)
    found = TorchSimModel(potential, dtype=dtype, compute_stress=True)(state_of(crystals(), dtype))
    assert {value.dtype for value in found.values()} == {dtype}
    first = 0
    for index, atoms in enumerate(crystals()):
        atoms.calc = Calculator(potential)
        last = first + len(atoms)
        assert abs(found["energy"][index].item() - atoms.get_potential_energy()) < 1e-4
        assert np.abs(found["forces"][first:last].numpy() - atoms.get_forces()).max() < 2e-5
        assert np.abs(found["stress"][index].numpy() - atoms.get_stress(voigt=False)).max() < 1e-5
        first = last


def test_lattice_vectors_are_columns_there():
    """The control: with rows for columns a skewed crystal has other neighbours."""
    state = state_of(crystals()[:1])
    model = TorchSimModel(build_potential("nequip", CHOICES, {8: 0.0, 12: 0.0}, seed=0))
    right = model(state)["energy"]
    state.cell = state.cell.mT.contiguous()
    assert (model(state)["energy"] - right).abs().max() > 1e-3


def test_torch_sim_finds_no_fault():
    argon_like = argon(species=(14, 26))
    model = TorchSimModel(argon_like, compute_stress=True)
    torch_sim.models.interface.validate_model_outputs(model, torch.device("cpu"), torch.float64)


def test_energy_is_kept_in_a_batch_of_clusters():
    clusters = [Icosahedron("Ar", 2, latticeconstant=5.3), Icosahedron("Ar", 2, latticeconstant=5.4)[:7]]
    model = TorchSimModel(argon())
    step, heat = (torch.tensor(value, dtype=torch.float64) for value in (2 * 0.0982269, 20 * 8.617e-5))  # 2 fs, 20 K
    start, update = torch_sim.integrators.nve(model, dt=step, kT=heat, seed=0)
    state = start(state_of(clusters))

    def total(state):
        kinetic = (state.momenta**2).sum(1) / (2 * state.masses)
        return state.energy + torch.zeros_like(state.energy).index_add(0, state.system_idx, kinetic)

    before, positions = total(state), state.positions.clone()
    for _ in range(50):
        state = update(state)
    assert (state.positions - positions).abs().max() > 0.02
    assert (total(state) - before).abs().max() < 2e-5
    assert (state.energy - before).abs().min() > 1e-3  # the control: potential energy alone is not kept


def test_fire_relaxes_a_batch_to_the_minima_of_ase():
    clusters = [Icosahedron("Ar", 2, latticeconstant=5.4), Icosahedron("Ar", 2, latticeconstant=5.3)[:4]]
    final = torch_sim.optimize(
        system=state_of(clusters),
        model=TorchSimModel(argon()),
        optimizer=torch_sim.optimizers.fire,
        convergence_fn=torch_sim.runners.generate_force_convergence_fn(1e-3, include_cell_forces=False),
        max_steps=600,
    )
    assert final.forces.norm(dim=1).max() < 1e-3
    for energy, atoms in zip(final.energy, clusters, strict=True):
        assert abs(energy.item() - relax(argon(), atoms, fmax=1e-3).path.energy[-1]) < 1e-4  # forces of 1e-3 are left


def test_a_bad_system_is_named():
    atoms = crystals()
    atoms[1].numbers[0] = 79
    with pytest.raises(GraphError, match=r"structure 1.*Au|Au.*structure 1"):
        TorchSimModel(build_potential("nequip", CHOICES, {8: 0.0, 12: 0.0}, seed=0))(state_of(atoms))
