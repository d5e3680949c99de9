"""Potentials that read lengths once for both directions of a pair: the same numbers as edge by edge, or less alike."""

from dataclasses import replace

import pytest
import torch
from ase import Atoms
from ase.build import molecule
from torch import nn

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models import potential as module
from intertwine.potentials.models.mean_model import mean_potential
from intertwine.potentials.models.potential import Potential, takes_pairs
from intertwine.potentials.models.saved import ModelName, build_potential
from intertwine.potentials.models.zbl import WithRepulsion
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect
from intertwine.potentials.structures.pairs import Pairs, find_pairs

REFERENCES = {1: -13.6, 8: -2041.8}
CUTOFF = 3.0
CHOICES: dict[ModelName, dict] = {
    "mace": {"radial_hidden": [8], "edge_degree": 2, "layers": 2},
    "nequip": {"radial_hidden": [8], "edge_degree": 2, "layers": 2},
    "facet": {"edge_degree": 2, "layers": 2, "grid_hidden": 4},
    "escn": {"radial_hidden": [8], "layers": 1},
    "tdn": {"radial_hidden": [8], "edge_degree": 2, "layers": 1},
}


class EdgeByEdge(nn.Module):
    """A model that nobody tells which edges are pairs."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model, self.species, self.cutoff = model, model.species, model.cutoff

    def forward(self, element, vectors, senders, receivers):
        """Evaluate."""
        return self.model(element, vectors, senders, receivers)


def potential(kind: ModelName) -> Potential:
    shared = {"species": list(REFERENCES), "cutoff": CUTOFF, "channels": 4}
    found = build_potential(kind, {**shared, **CHOICES[kind]}, REFERENCES, seed=0).double()
    for parameter in found.parameters():  # some begin at zero
        nn.init.normal_(parameter, generator=torch.Generator().manual_seed(parameter.numel()))
    return found


def small_cells() -> Graph:
    """Water in a cell so small that atoms neighbour their own images, beside one that is stretched and sheared."""
    water = molecule("H2O", cell=[2.6, 2.7, 2.8], pbc=True)
    sheared = Atoms("OH", [[0, 0, 0], [0.9, 0.2, 0.1]], cell=[[2.2, 0.3, 0], [0, 2.4, 0.2], [0.4, 0, 2.5]], pbc=True)
    return collate([connect(from_atoms(atoms), CUTOFF) for atoms in (water, sheared)])


def answers(of: Potential, graph: Graph) -> list[torch.Tensor]:
    """Energies, forces, stresses, and the slopes of a loss of all three by every parameter."""
    found = of.train()(graph, stress=True)
    loss = found.energy.square().mean() + found.forces.square().mean() + found.stress.square().mean()
    return [found.energy, found.forces, found.stress, *torch.autograd.grad(loss, list(of.parameters()))]


def difference(first: list[torch.Tensor], second: list[torch.Tensor]) -> float:
    pairs = zip(first, second, strict=True)
    return max(float((a - b).detach().abs().max() / b.detach().abs().max().clamp(min=1)) for a, b in pairs)


@pytest.mark.parametrize("kind", CHOICES)
def test_both_directions_of_a_pair_answer_as_edge_by_edge(kind):
    told = potential(kind)
    alone = Potential(EdgeByEdge(told.model), REFERENCES)
    assert takes_pairs(told.model) and not takes_pairs(alone.model)
    assert difference(answers(told, small_cells()), answers(alone, small_cells())) < 1e-12


def test_edges_whose_reverse_is_missing_do_no_harm():
    graph = small_cells()
    kept = torch.rand(len(graph.senders), generator=torch.Generator().manual_seed(0)) < 0.6
    some = replace(graph, **{name: getattr(graph, name)[kept] for name in ("senders", "receivers", "shifts")})
    told = potential("nequip")
    assert difference(answers(told, some), answers(Potential(EdgeByEdge(told.model), REFERENCES), some)) < 1e-12


def test_wrong_pairs_change_the_energy(monkeypatch):
    graph, told = small_cells(), potential("nequip")
    right = told(graph).energy

    def wrong(of: Graph) -> Pairs:
        first, of_edge = find_pairs(of.senders, of.receivers, of.shifts)
        return Pairs(first, of_edge.roll(1))

    monkeypatch.setattr(module, "pairs_of", wrong)
    assert (told(graph).energy - right).abs().min() > 1e-3


def test_atoms_and_edges_in_another_order_have_the_same_energy():
    graph, told = small_cells(), potential("mace")
    shuffled = torch.randperm(len(graph.senders))
    mixed = replace(graph, **{name: getattr(graph, name)[shuffled] for name in ("senders", "receivers", "shifts")})
    assert difference([told(mixed).energy, told(mixed).forces], [told(graph).energy, told(graph).forces]) < 1e-12


def test_models_around_models_hand_pairs_on_only_to_those_that_take_them():
    graph, told = small_cells(), potential("nequip")
    for inner, takes in ((told.model, True), (EdgeByEdge(told.model), False)):
        around = Potential(WithRepulsion(inner, scale=1.0), REFERENCES)
        mean = mean_potential([Potential(inner, REFERENCES), Potential(inner, REFERENCES)])
        assert takes_pairs(around.model) == takes_pairs(mean.model) == takes
        alone = Potential(WithRepulsion(EdgeByEdge(told.model), scale=1.0), REFERENCES)
        assert difference(answers(around, graph), answers(alone, graph)) < 1e-12
        assert difference([mean(graph).forces], [told(graph).forces]) < 1e-12


def test_two_runs_agree_to_the_last_bit():
    graph, told = small_cells(), potential("mace")
    assert all(torch.equal(a, b) for a, b in zip(answers(told, graph), answers(told, graph), strict=True))
