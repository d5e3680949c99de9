"""The order of a curve: a permutation that brings neighbours together, and that no result depends on."""

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.mace import MACE
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.structures.neighbors import connect, edge_vectors
from intertwine.potentials.structures.ordering import curve_order, reordered


def shuffled(repeat: int, seed: int = 0) -> Atoms:
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True).repeat(repeat)
    atoms.rattle(0.1, seed=seed)
    return atoms[np.random.default_rng(seed).permutation(len(atoms))]


def test_neighbours_lie_nearer_in_memory_than_in_a_shuffled_file():
    atoms = shuffled(6)
    graph = connect(from_atoms(atoms, keys=None), 4.5)
    order = curve_order(atoms.positions, side=4.5)
    along = reordered(graph, torch.from_numpy(order))
    assert sorted(order.tolist()) == list(range(len(atoms)))
    apart = [float((each.senders - each.receivers).abs().double().median()) for each in (along, graph)]
    assert apart[0] < apart[1] / 3


def test_the_cubes_of_a_larger_cube_follow_each_other():
    corners = np.array(list(np.ndindex(8, 8, 8)), dtype=float)[np.random.default_rng(0).permutation(512)]
    large = (corners[curve_order(corners, side=1.0)] // 4).astype(int) @ [1, 2, 4]
    assert (np.diff(large) != 0).sum() == 7


def test_edges_follow_their_atoms():
    graph = connect(from_atoms(shuffled(2), keys=None), 4.5)
    order = torch.from_numpy(np.random.default_rng(1).permutation(graph.node_count))
    moved = reordered(graph, order)
    rows = [
        torch.cat([numbers[:, None].double(), edge_vectors(each)], dim=1)
        for each, numbers in ((graph, graph.receivers), (moved, order[moved.receivers]))
    ]
    sorted_rows = [np.array(sorted(each.round(decimals=9).tolist())) for each in rows]
    assert np.array_equal(*sorted_rows) and bool((moved.receivers.diff() >= 0).all())


def test_forces_follow_their_atoms_and_the_energy_stays():
    model = MACE(species=(18,), cutoff=4.5, channels=4).double()
    potential = Potential(model, {18: 0.0})
    graph = connect(from_atoms(shuffled(2), keys=None), 4.5)
    order = torch.from_numpy(curve_order(graph.positions.numpy(), side=2.0))
    with torch.no_grad():
        here, there = potential(graph, stress=True), potential(reordered(graph, order), stress=True)
    assert not torch.equal(order, torch.arange(len(order)))
    assert torch.allclose(here.energy, there.energy, rtol=1e-12) and torch.allclose(
        here.stress, there.stress, atol=1e-12
    )
    assert torch.allclose(here.forces[order], there.forces, rtol=0, atol=1e-11 * here.forces.abs().max())
    assert not torch.allclose(here.forces, there.forces)


def test_no_atoms_have_an_order():
    assert curve_order(np.zeros((0, 3)), side=1.0).shape == (0,)
