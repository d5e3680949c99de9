"""The Facet kind of model: how it starts, what its layers hand on, and where gradients arrive."""

import pytest
import torch
from ase.build import molecule

from intertwine.nn.aliasing import aliasing_report
from intertwine.nn.radial import RadialMLP
from intertwine.o3.irreps import IrrepsError
from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.facet import Facet
from intertwine.potentials.models.message_passing import Edges
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.products import EDGE_PRODUCTS
from intertwine.potentials.models.saved import build_potential, load, save_potential
from intertwine.potentials.models.tabulate import tables_of, tabulate
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect

CUTOFF = 3.0
SPECIES = (1, 6, 8)


def model(*, awake: bool = True, **choices) -> Facet:
    """Small; awake: with updates that count, as after training."""
    facet = Facet(**{**dict(species=SPECIES, cutoff=CUTOFF, channels=4, layers=2), **choices}).double()
    for update in facet.updates:
        update.norm.weight.data.fill_(float(awake))
    return facet


def graph(name: str = "CH3OH") -> Graph:
    return connect(from_atoms(molecule(name)), CUTOFF)


def potential(facet: Facet) -> Potential:
    return Potential(facet, dict.fromkeys(SPECIES, 0.0))


def test_a_fresh_model_is_silent_and_learns_first_how_much_of_an_update_to_add():
    fresh = potential(Facet(species=SPECIES, cutoff=CUTOFF, channels=4).double())
    prediction = fresh.train()(graph())
    assert not prediction.energy.any() and not prediction.forces.any()
    prediction.energy.sum().backward()
    assert {name.rpartition(".")[2] for name, each in fresh.named_parameters() if each.grad.any()} == {"weight"}
    assert all(update.norm.weight.grad[0].any() for update in fresh.model.updates)
    assert potential(model())(graph()).forces.abs().max() > 1e-3


@pytest.mark.parametrize("tensor_product", EDGE_PRODUCTS)
def test_every_parameter_learns_from_energy_and_forces(tensor_product):
    found = potential(model(tensor_product=tensor_product)).train()
    prediction = found(collate([graph(), graph("CO2"), graph("H2O")]))
    (prediction.energy.square().sum() + prediction.forces.square().sum()).backward()
    assert not [name for name, each in found.named_parameters() if each.grad is None or not each.grad.any()]


def test_features_have_the_hidden_irreps_between_layers_and_scalars_at_the_end():
    facet, shapes = model(layers=3, hidden="2x0e+1o+2e"), []
    for update in facet.updates:
        update.register_forward_hook(lambda _, __, h: shapes.append(tuple(h.shape)))
    potential(facet)(graph())
    nodes = 6 + len(SPECIES)  # one isolated node an element goes along
    assert shapes == [(nodes, 10, 4), (nodes, 10, 4), (nodes, 1, 4)]


def test_without_its_update_a_layer_keeps_the_entries_that_it_can():
    update = model(layers=2, hidden="2x0e+1o", awake=False).updates[1]
    h = torch.randn(2, 5, 4, dtype=torch.float64)
    edges = Edges(torch.zeros(0, 9, 1).double(), torch.zeros(0).double(), *torch.zeros(2, 0, dtype=torch.long))
    torch.testing.assert_close(update(h, torch.tensor([0, 1]), edges), h[:, :1], rtol=0, atol=0)
    first = model(layers=2, hidden="2x0e+1o", awake=False).updates[0]
    grown = first(h[:, :1], torch.tensor([0, 1]), edges)
    assert torch.equal(grown[:, :1], h[:, :1]) and not grown[:, 1:].any() and grown.shape == (2, 5, 4)


def test_radial_weights_are_one_matrix_times_waves_and_a_trained_envelope():
    for radial in (module for module in model().modules() if isinstance(module, RadialMLP)):
        assert [tuple(weight.shape) for weight in radial.network.weights] == [(8, radial.rows * 4)]
        assert radial.envelope.shape.requires_grad


def test_quadratic_updates_lose_nothing_on_their_grid_and_silu_does():
    def losses(activation: str) -> list[float]:
        facet = model(activation=activation, hidden="0e+1o+2e", layers=3)
        for update in facet.updates:
            update.grid_mlp.weight1.data *= 4  # as training may leave them
        found = aliasing_report(facet)
        return [row.rms for row in found.rows if row.name == "this layer's"]

    assert max(losses("quadratic")) < 1e-12
    assert min(losses("silu")) > 1e-7


def test_a_facet_potential_is_saved_and_tabulated(tmp_path):
    made = build_potential(
        "facet", {"species": SPECIES, "cutoff": CUTOFF, "channels": 4, "layers": 2}, dict.fromkeys(SPECIES, -1.0)
    )
    for update in made.model.updates:
        update.norm.weight.data.fill_(1.0)
    again = load(save_potential(tmp_path / "facet", made))
    assert torch.equal(again(graph()).forces, made(graph()).forces)
    fast = tabulate(made)
    assert len(tables_of(fast)) == 2
    torch.testing.assert_close(fast(graph()).forces, made(graph()).forces, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("choices", "kind", "words"),
    [
        ({"hidden": "1o+0e"}, IrrepsError, "begin it with 0e"),
        ({"hidden": "0e+1e"}, IrrepsError, "keep 0e, 1o, 2e"),
        ({"channels": 3}, IrrepsError, "heads that divide width"),
        ({"layers": 0}, ValueError, "layers >= 1"),
    ],
)
def test_choices_that_make_no_model_are_refused_in_one_line(choices, kind, words):
    with pytest.raises(kind) as caught:
        Facet(**{**dict(species=SPECIES, cutoff=CUTOFF, channels=4), **choices})
    assert words in str(caught.value) and "\n" not in str(caught.value)
