"""What every potential adds to its model: references, forces, stress, and refusals in one line."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from lennard_jones import LennardJones, argon
from torch import nn

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.potential import NonFiniteError, Potential
from intertwine.potentials.models.saved import build_potential
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.neighbors import connect

REFERENCES = {1: -13.6, 8: -2041.8}


def mace(references=REFERENCES, shift: float = 0.0) -> Potential:
    choices = dict(species=list(references), cutoff=3.0, channels=4, edge_degree=2, correlation=2, radial_hidden=[8])
    return build_potential("mace", choices, references, scale=1.3, shift=shift, seed=0)


def connected(atoms: Atoms, cutoff: float = 3.0) -> Graph:
    return connect(from_atoms(atoms), cutoff)


def crystal(rattle: float = 0.1) -> Atoms:
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
    atoms.rattle(rattle, seed=0)
    return atoms


def refusal(potential: Potential, graph: Graph, kind: type[Exception] = GraphError, **asked: bool) -> str:
    with pytest.raises(kind) as caught:
        potential(graph, **asked)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_an_unknown_element_is_named_with_its_atom():
    message = refusal(mace(), connected(molecule("CH3OH")))
    assert "atom 0" in message and "species C (6)" in message and "knows H, O" in message


@pytest.mark.parametrize("number", [0, 118, -1])
def test_an_element_outside_the_table_is_refused_and_not_looked_up(number):
    water = connected(molecule("H2O"))
    odd = replace(water, numbers=torch.tensor([8, 1, number]))
    assert "atom 2" in refusal(mace(), odd)


def test_the_structure_of_a_batch_that_holds_the_unknown_element_is_named():
    batch = collate([connected(molecule("H2O")), connected(molecule("NH3"))])
    message = refusal(mace(), batch)
    assert "NH3 frame 0, atom 0" in message and "N (7)" in message


def test_a_graph_without_edges_asks_for_connect():
    message = refusal(mace(), from_atoms(molecule("H2O")))
    assert "within None A" in message and "3.0 A" in message and "connect" in message


def test_edges_shorter_than_the_cutoff_are_refused_and_longer_ones_change_nothing():
    potential = mace().double()
    assert "within 2.9 A" in refusal(potential, connected(molecule("H2O"), 2.9))
    exact, longer = (potential(connected(molecule("H2O"), cutoff)) for cutoff in (3.0, 3.7))
    assert exact.energy.item() == pytest.approx(longer.energy.item(), abs=1e-10)
    torch.testing.assert_close(exact.forces, longer.forces, rtol=0, atol=1e-10)


def test_stress_without_a_cell_is_refused_for_the_structure_that_lacks_it():
    potential = argon()
    cluster = Atoms("Ar2", [[0, 0, 0], [3.8, 0, 0]])
    message = refusal(potential, collate([connected(crystal(), 6.0), connected(cluster, 6.0)]), stress=True)
    assert "without a cell there is no volume" in message and "Ar2" in message
    assert potential(connected(cluster, 6.0)).stress is None


def test_a_species_without_reference_energy_is_refused_at_once():
    with pytest.raises(GraphError, match=r"no reference energy for atomic numbers \[18\]"):
        Potential(LennardJones(), {1: -13.6})


def test_what_is_no_model_is_refused_at_once():
    with pytest.raises(TypeError, match="which Linear lacks"):
        Potential(nn.Linear(1, 1), REFERENCES)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_give_an_error_and_no_number(value):
    potential = mace()
    with torch.no_grad():
        potential.model.embedding.weight[0, 0] = value
    for forces in (True, False):
        message = refusal(potential, connected(molecule("H2O")), NonFiniteError, forces=forces)
        assert "energy of Atoms OH2 frame 0" in message and "nan" in message
    # A training loop sees the number itself, and reports the step.
    assert not potential.train()(connected(molecule("H2O"))).energy.isfinite().all()


class OnlySlopesFail(nn.Module):
    """sqrt of zero: a finite energy whose derivative is not."""

    species, cutoff = (18,), 6.0

    def forward(self, element, vectors, senders, receivers):
        return vectors.new_zeros(len(element)).index_add(0, receivers, (vectors * 0).square().sum(-1).sqrt())


def test_forces_that_are_not_finite_are_named_by_their_atom():
    graph = connected(Atoms("Ar3", [[0, 0, 40], [0, 0, 0], [3.8, 0, 0]]), 6.0)
    potential = Potential(OnlySlopesFail(), {18: 0.0})
    assert "force of Atoms Ar3 frame 0, atom 1 is nan" in refusal(potential, graph, NonFiniteError)
    assert potential(graph, forces=False).energy.item() == 0


def test_an_atom_without_neighbours_adds_its_reference():
    potential = mace(shift=-0.7).double()
    water = molecule("H2O")
    apart = water + Atoms("O", [[50.0, 0, 0]])
    with_atom, without = potential(connected(apart)), potential(connected(water))
    assert with_atom.energy.item() - without.energy.item() == pytest.approx(-2041.8, abs=1e-9)
    assert with_atom.forces[3].tolist() == [0, 0, 0] and with_atom.node_energy[3].item() == 0.7  # takes the shift away


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_batch_without_any_edge_has_reference_energies_and_no_forces(dtype):
    potential = mace(shift=0.25).to(dtype)
    far = Atoms("HO", [[0, 0, 0], [0, 0, 9.0]], cell=[30, 30, 30], pbc=True)
    batch = collate([connected(Atoms("H", cell=[30, 30, 30], pbc=True)), connected(far)])
    assert len(batch.senders) == 0
    prediction = potential(batch, stress=True)
    assert prediction.energy.tolist() == pytest.approx([-13.6, -13.6 - 2041.8], abs=1e-9)
    assert torch.equal(prediction.forces, torch.zeros(3, 3, dtype=dtype))
    assert torch.equal(prediction.stress, torch.zeros(2, 3, 3, dtype=dtype))


def test_a_single_atom_without_a_cell_has_its_reference_energy():
    prediction = mace()(connected(Atoms("O")))
    assert prediction.energy.tolist() == [-2041.8] and prediction.forces.tolist() == [[0, 0, 0]]


def test_a_float32_model_keeps_differences_of_a_micro_electronvolt_beside_large_references():
    """Total energies near -1e7 eV, where float32 numbers are 1 eV apart."""
    references = {18: -1.0e5 - 1 / 3}
    graph = connected(crystal(), 6.0)
    small, large = argon(torch.float32), Potential(LennardJones().float(), references)
    graphs = [graph, connected(crystal(0.1001), 6.0)]
    change = [np.subtract(*(potential(each).energy.item() for each in graphs)) for potential in (small, large)]
    assert large.dtype == torch.float32 and large(graph).energy.dtype == torch.float64
    assert 1e-6 < abs(change[0]) < 1e-3
    assert change[0] == pytest.approx(change[1], abs=1e-9)
    naive = [np.float32(large(each).energy.item()) for each in graphs]
    assert naive[0] == naive[1]


def test_references_are_summed_exactly_and_in_any_order():
    references = {1: -0.1, 8: -1e5 - 0.7}
    numbers = [8] + [1] * 10
    energies = set()
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(numbers))
        atoms = Atoms(np.array(numbers)[order], np.arange(11)[:, None] * [10.0, 0, 0])
        energies.add(mace(references)(connected(atoms)).energy.item())
    assert energies == {10 * -0.1 + references[8]}


def test_the_scale_multiplies_forces_and_stress_and_the_shift_only_moves_energies():
    graph = connected(crystal(), 6.0)
    plain, other = argon(), Potential(LennardJones(), {18: 1.0}, scale=2.5, shift=-0.3)
    a, b = plain(graph, stress=True), other(graph, stress=True)
    assert b.energy.item() == pytest.approx(2.5 * a.energy.item() + 4 * 0.7, abs=1e-12)
    torch.testing.assert_close(b.forces, 2.5 * a.forces)
    torch.testing.assert_close(b.stress, 2.5 * a.stress)


def test_only_what_is_asked_for_is_answered():
    graph = connected(crystal(), 6.0)
    energy, stress = argon()(graph, forces=False), argon()(graph, forces=False, stress=True)
    assert energy.forces is None and energy.stress is None
    assert stress.forces is None and stress.stress.shape == (1, 3, 3)
    torch.testing.assert_close(stress.stress, argon()(graph, stress=True).stress)


def test_forces_can_be_differentiated_by_the_weights_for_training():
    """The gradient of a loss on forces against finite differences along a random direction of all weights."""
    potential = mace().double().train()
    graph = connected(molecule("H2O"))

    def loss() -> torch.Tensor:
        return potential(graph).forces.square().sum()

    parameters = list(potential.parameters())
    generator = torch.Generator().manual_seed(0)
    direction = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
    gradient = torch.autograd.grad(loss(), parameters, materialize_grads=True)
    slope = sum((g * d).sum() for g, d in zip(gradient, direction)).item()
    values, step = [], 1e-5
    for sign in (1, -2):
        with torch.no_grad():
            for parameter, d in zip(parameters, direction):
                parameter += sign * step * d
        values.append(loss().item())
    assert abs(slope) > 1e-2
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(slope, rel=1e-6)


def test_without_gradients_the_forces_are_the_same_and_cut_from_autograd():
    potential, graph = mace().double(), connected(molecule("H2O"))
    for_training = potential(graph)
    with torch.no_grad():
        prediction = potential(graph)
    assert for_training.forces.requires_grad and not prediction.forces.requires_grad
    assert not prediction.energy.requires_grad and not prediction.node_energy.requires_grad
    torch.testing.assert_close(prediction.forces, for_training.forces.detach(), rtol=0, atol=1e-12)
