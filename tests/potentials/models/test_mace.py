"""The MACE kind of model: its choices, what each layer sees, and where gradients arrive."""

import pytest
import torch
from ase import Atoms
from ase.build import molecule

from intertwine.o3.irreps import Irreps, IrrepsError
from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.mace import MACE
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.products import CONTRACTIONS, EDGE_PRODUCTS, message_irreps
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect, edge_vectors

CUTOFF = 3.0
SPECIES = (1, 6, 8)


def model(seed: int = 0, **choices) -> MACE:
    small = dict(species=SPECIES, cutoff=CUTOFF, channels=4, edge_degree=2, correlation=2, radial_hidden=(8,))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MACE(**{**small, **choices}).double()


def graph(atoms: Atoms | None = None) -> Graph:
    return connect(from_atoms(molecule("CH3OH") if atoms is None else atoms), CUTOFF)


def energies(mace: MACE, of: Graph) -> torch.Tensor:
    element = torch.tensor([mace.species.index(number) for number in of.numbers.tolist()])
    return mace(element, edge_vectors(of), of.senders, of.receivers)


@pytest.mark.parametrize("tensor_product", EDGE_PRODUCTS)
@pytest.mark.parametrize("contraction", CONTRACTIONS)
def test_every_pair_of_products_gives_an_energy_per_atom(tensor_product, contraction):
    mace = model(tensor_product=tensor_product, contraction=contraction, correlation=3)
    found = energies(mace, graph())
    assert found.shape == (6,) and found.dtype == torch.float64
    assert found.isfinite().all() and found.abs().min() > 1e-6


@pytest.mark.parametrize("hidden", ["0e", "0e+1o", "0e+1o+2e"])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_every_depth_and_width_gives_an_energy_per_atom(layers, hidden):
    mace = model(layers=layers, hidden=hidden)
    assert len(mace.interactions) == len(mace.readouts) == layers
    found = energies(mace, graph())
    assert found.shape == (6,) and found.isfinite().all() and found.abs().min() > 1e-6


def test_features_have_the_hidden_irreps_between_layers_and_scalars_at_the_end():
    mace, shapes = model(layers=3, hidden="0e+1o+2e"), []
    for interaction in mace.interactions:
        interaction.register_forward_hook(lambda _, __, h: shapes.append(tuple(h.shape)))
    energies(mace, graph())
    nodes = 6 + len(SPECIES)  # one isolated node an element goes along
    assert shapes == [(nodes, 9, 4), (nodes, 9, 4), (nodes, 1, 4)]


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_energy_that_each_layer_adds_moves_with_the_geometry(layer):
    """All readouts but one are silenced."""
    mace = model(layers=3)
    with torch.no_grad():
        for index, readout in enumerate(mace.readouts):
            if index != layer:
                for parameter in readout.parameters():
                    parameter.zero_()
    bent = molecule("CH3OH")
    bent.positions[3] += [0.1, -0.05, 0.2]
    first, second = energies(mace, graph()), energies(mace, graph(bent))
    assert (first - second).abs().max() > 1e-4


@pytest.mark.parametrize(("layers", "feels"), [(1, False), (2, True)])
def test_each_layer_reaches_one_cutoff_further(layers, feels):
    """In a row O-H-C the ends are no neighbours: only a second layer tells one of the other."""
    mace = model(layers=layers)
    near = graph(Atoms("OHC", [[0, 0, 0], [2.0, 0, 0], [4.0, 0, 0]]))
    bent = graph(Atoms("OHC", [[0, 0, 0], [2.0, 0, 0], [3.5, 1.2, 0]]))
    assert len(near.senders) == len(bent.senders) == 4
    change = (energies(mace, near) - energies(mace, bent))[0].abs().item()
    assert change > 1e-6 if feels else change < 1e-12


def test_hidden_vectors_carry_angles_that_hidden_scalars_do_not():
    """With correlation 1 the first layer sums pairs, and only its vectors tell a straight row from a bent one."""
    row = Atoms("OHC", [[0, 0, 0], [2.0, 0, 0], [4.0, 0, 0]])
    bent = Atoms("OHC", [[0, 0, 0], [2.0, 0, 0], [3.2, 1.6, 0]])
    graphs = [graph(each) for each in (row, bent)]
    changes = {}
    for hidden in ("0e", "0e+1o"):
        mace = model(hidden=hidden, correlation=1)
        changes[hidden] = (energies(mace, graphs[0]) - energies(mace, graphs[1])).abs().max().item()
    assert changes["0e"] < 1e-12 and changes["0e+1o"] > 1e-6


def test_correlation_is_what_sees_angles_in_a_single_layer():
    """Same distances to two unconnected neighbours, another angle: the pair sum is blind, its square is not."""
    straight = graph(Atoms("OHH", [[0, 0, 0], [2.0, 0, 0], [-2.0, 0, 0]]))
    bent = graph(Atoms("OHH", [[0, 0, 0], [2.0, 0, 0], [-1.2, 1.6, 0]]))
    changes = {}
    for correlation in (1, 2):
        mace = model(layers=1, correlation=correlation)
        changes[correlation] = (energies(mace, straight) - energies(mace, bent))[0].abs().item()
    assert changes[1] < 1e-12 and changes[2] > 1e-6


def without_gradient(**choices) -> set[str]:
    """Names of the parameters that a loss on energy and forces of two molecules of all elements never moves."""
    potential = Potential(model(**choices), dict.fromkeys(SPECIES, 0.0)).train()
    batch = collate([graph(), graph(molecule("CO2")), graph(molecule("H2O"))])
    prediction = potential(batch)
    (prediction.energy.square().sum() + prediction.forces.square().sum()).backward()
    return {
        name.removeprefix("model.")
        for name, parameter in potential.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }


@pytest.mark.parametrize("tensor_product", EDGE_PRODUCTS)
@pytest.mark.parametrize("contraction", CONTRACTIONS)
def test_every_parameter_learns_from_energy_and_forces(tensor_product, contraction):
    left_out = without_gradient(tensor_product=tensor_product, contraction=contraction, correlation=3)
    assert left_out == set()


def test_the_first_layer_is_the_same_map_for_gaunt_and_clebsch_gordan():
    """Its senders are scalars. Equal weights give equal energies in a model of one layer, and in no deeper one."""
    one = {name: model(layers=1, tensor_product=name) for name in EDGE_PRODUCTS}
    reference = energies(one["gaunt"], graph())
    for other in one.values():
        assert other.state_dict().keys() == one["gaunt"].state_dict().keys()
        assert torch.equal(energies(other, graph()), reference)
    two = [energies(model(layers=2, tensor_product=name), graph()) for name in ("gaunt", "clebsch-gordan")]
    assert (two[0] - two[1]).abs().max() > 1e-4


@pytest.mark.parametrize("degree", [0, 1, 3])
def test_scalars_times_filters_are_the_filters_times_one_weight_a_degree_in_all_products(degree):
    """The statement behind the test above, for the products themselves; CP has one weight for all degrees."""
    filters, generator = Irreps.spherical_harmonics(degree), torch.Generator().manual_seed(degree)
    x, y, weight = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in [(7, 1, 4), (7, filters.dim, 1), (7, len(filters), 4)]
    )
    results = []
    for name, product in EDGE_PRODUCTS.items():
        if name == "cp":
            continue
        messages = message_irreps(name, Irreps("0e"), filters, kept=filters)
        assert messages == filters
        results.append(product(Irreps("0e"), filters, messages, weights="external")(x, y, weight))
    rows = torch.tensor([entry for entry, ir in enumerate(filters) for _ in range(ir.dim)])
    for result in results:
        torch.testing.assert_close(result, x * y * weight[:, rows], rtol=0, atol=1e-12)


def test_elements_are_told_apart():
    mace = model()
    water, other = graph(Atoms("OHH", molecule("H2O").positions)), graph(Atoms("CHH", molecule("H2O").positions))
    assert (energies(mace, water) - energies(mace, other)).abs().max() > 1e-3


def test_more_neighbours_expected_means_smaller_messages():
    """`neighbors` divides the messages: with correlation 1 and one layer the readout sees 1/sqrt of it."""
    few, many = model(layers=1, correlation=1, neighbors=4.0), model(layers=1, correlation=1, neighbors=64.0)
    seen = []
    for mace in (few, many):
        mace.interactions[0].contraction.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        energies(mace, graph())
    torch.testing.assert_close(seen[0], 4 * seen[1], rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("choices", "kind", "words"),
    [
        ({"hidden": "1o+0e"}, IrrepsError, "begin it with 0e"),
        ({"hidden": "0e+1e"}, IrrepsError, "1e"),
        ({"layers": 0}, ValueError, "layers >= 1"),
        ({"species": ()}, ValueError, "different species"),
        ({"species": (1, 1)}, ValueError, "different species"),
        ({"correlation": 0}, IrrepsError, "correlation"),
    ],
)
def test_choices_that_make_no_model_are_refused_in_one_line(choices, kind, words):
    with pytest.raises(kind) as caught:
        model(**choices)
    assert words in str(caught.value) and "\n" not in str(caught.value)
