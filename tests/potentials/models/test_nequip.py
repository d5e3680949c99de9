"""The NequIP kind of model: which irreps its layers reach, what depth sees, and where gradients arrive."""

import pytest
import torch
from ase import Atoms
from ase.build import molecule

from intertwine.nn.radial import RadialMLP
from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.nequip import NequIP
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.products import EDGE_PRODUCTS
from intertwine.potentials.models.tabulate import tables_of, tabulate
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect, edge_vectors

CUTOFF = 3.0
SPECIES = (1, 6, 8)


def model(**choices) -> NequIP:
    small = dict(species=SPECIES, cutoff=CUTOFF, channels=4, radial_hidden=(8,), layers=2)
    return NequIP(**{**small, **choices}).double()


def graph(atoms: Atoms | None = None) -> Graph:
    return connect(from_atoms(molecule("CH3OH") if atoms is None else atoms), CUTOFF)


def energies(nequip: NequIP, of: Graph) -> torch.Tensor:
    element = torch.tensor([nequip.species.index(number) for number in of.numbers.tolist()])
    return nequip(element, edge_vectors(of), of.senders, of.receivers)


@pytest.mark.parametrize(
    ("tensor_product", "hidden", "reached"),
    [
        ("clebsch-gordan", "0e+0o+1o+1e+2e+2o", ["0e+1o+2e", "0e+1o+1e+2e+2o", "0e+0o+1o+1e+2e+2o", "0e"]),
        ("gaunt+bracket", "0e+1o+1e", ["0e+1o", "0e+1o+1e", "0e+1o+1e", "0e"]),
        ("gaunt", "0e+1o+1e", ["0e+1o", "0e+1o", "0e+1o", "0e"]),
        ("cp", "0e+1o", ["0e+1o", "0e+1o", "0e+1o", "0e"]),
    ],
)
def test_layers_carry_the_hidden_irreps_that_their_product_reaches(tensor_product, hidden, reached):
    nequip = model(tensor_product=tensor_product, hidden=hidden, layers=4)
    assert [layer.gate.irreps for layer in nequip.layers] == [Irreps(each) for each in reached]


@pytest.mark.parametrize("tensor_product", EDGE_PRODUCTS)
def test_every_parameter_learns_from_energy_and_forces(tensor_product):
    potential = Potential(model(tensor_product=tensor_product), dict.fromkeys(SPECIES, 0.0)).train()
    prediction = potential(collate([graph(), graph(molecule("CO2")), graph(molecule("H2O"))]))
    (prediction.energy.square().sum() + prediction.forces.square().sum()).backward()
    assert not [name for name, each in potential.named_parameters() if each.grad is None or not each.grad.any()]


@pytest.mark.parametrize(("layers", "hidden", "sees"), [(1, "0e+1o", False), (2, "0e", False), (2, "0e+1o", True)])
def test_angles_need_vectors_and_a_second_layer(layers, hidden, sees):
    """Same distances to two unconnected neighbours, another angle."""
    straight = graph(Atoms("OHH", [[0, 0, 0], [2.0, 0, 0], [-2.0, 0, 0]]))
    bent = graph(Atoms("OHH", [[0, 0, 0], [2.0, 0, 0], [-1.2, 1.6, 0]]))
    assert len(straight.senders) == len(bent.senders) == 4
    nequip = model(layers=layers, hidden=hidden)
    change = (energies(nequip, straight) - energies(nequip, bent)).abs().max().item()
    assert change > 1e-6 if sees else change < 1e-12


def test_decomposed_products_share_one_radial_weight_a_channel():
    def rows(name: str) -> list[int]:
        found = model(tensor_product=name).modules()
        return [module.network.weights[-1].shape[1] // 4 for module in found if isinstance(module, RadialMLP)]

    assert rows("cp") == [1, 1]
    assert min(rows("clebsch-gordan")) > 1


def test_a_tabulated_potential_predicts_the_same():
    potential = Potential(model(), dict.fromkeys(SPECIES, 0.0))
    fast = tabulate(potential)
    assert len(tables_of(fast)) == 2
    torch.testing.assert_close(fast(graph()).forces, potential(graph()).forces, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("choices", "kind", "words"),
    [
        ({"hidden": "1o+0e"}, IrrepsError, "begin it with 0e"),
        ({"layers": 0}, ValueError, "layers >= 1"),
        ({"species": (1, 1)}, ValueError, "different species"),
    ],
)
def test_choices_that_make_no_model_are_refused_in_one_line(choices, kind, words):
    with pytest.raises(kind) as caught:
        model(**choices)
    assert words in str(caught.value) and "\n" not in str(caught.value)
