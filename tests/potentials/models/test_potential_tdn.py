"""The TDN kind of model: what its attention does, what it shares, what it sees, and where gradients arrive."""

import pytest
import torch
from ase import Atoms
from ase.build import molecule

from intertwine.nn.radial import RadialMLP
from intertwine.o3.irreps import IrrepsError
from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.edge_embedding import EdgeEmbedding
from intertwine.potentials.models.message_passing import Edges
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.products import EDGE_PRODUCTS
from intertwine.potentials.models.tabulate import tables_of, tabulate
from intertwine.potentials.models.tdn import TDN, smooth_leaky_relu
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect, edge_vectors

CUTOFF = 3.0
SPECIES = (1, 6, 8)
REFERENCES = dict.fromkeys(SPECIES, 0.0)


def model(seed: int = 0, **choices) -> TDN:
    small = dict(species=SPECIES, cutoff=CUTOFF, channels=4, heads=2, radial_hidden=(8,), layers=2, edge_degree=1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TDN(**{**small, **choices}).double()


def graph(atoms: Atoms | None = None) -> Graph:
    return connect(from_atoms(molecule("CH3OH") if atoms is None else atoms), CUTOFF)


def energies(tdn: TDN, of: Graph) -> torch.Tensor:
    element = torch.tensor([tdn.species.index(number) for number in of.numbers.tolist()])
    return tdn(element, edge_vectors(of), of.senders, of.receivers)


@pytest.mark.parametrize("tensor_product", EDGE_PRODUCTS)
def test_every_parameter_learns_from_energy_and_forces(tensor_product):
    potential = Potential(model(tensor_product=tensor_product), REFERENCES).train()
    prediction = potential(collate([graph(), graph(molecule("CO2")), graph(molecule("H2O"))]))
    (prediction.energy.square().sum() + prediction.forces.square().sum()).backward()
    assert not [name for name, each in potential.named_parameters() if each.grad is None or not each.grad.any()]


@pytest.mark.parametrize(("hidden", "sees"), [("0e", False), ("0e+1o", True)])
def test_a_single_layer_sees_angles_if_it_has_vectors(hidden, sees):
    """Same distances to two unconnected neighbours, another angle: their vectors add up in the embedding."""
    straight = graph(Atoms("OHH", [[0, 0, 0], [2.0, 0, 0], [-2.0, 0, 0]]))
    bent = graph(Atoms("OHH", [[0, 0, 0], [2.0, 0, 0], [-1.2, 1.6, 0]]))
    tdn = model(layers=1, hidden=hidden)
    change = (energies(tdn, straight) - energies(tdn, bent)).abs().max().item()
    assert change > 1e-6 if sees else change < 1e-12


def test_paths_share_one_radial_weight_and_irreps_one_matrix():
    """The number of parameters does not know of degrees, but for the gates, the scales of norms and the embedding."""

    def rows(tdn: TDN) -> list[int]:
        return [module.rows for module in tdn.layers.modules() if isinstance(module, RadialMLP)]

    def shared(tdn: TDN) -> int:
        attention = tdn.layers[0].attention
        return sum(each.weight.numel() for each in (attention.mix_senders, attention.mix_receivers, attention.mix_out))

    low, high = model(), model(hidden="0e+1o+2e", edge_degree=2)
    assert rows(low) == rows(high) == [2, 2] and shared(low) == shared(high) == 3 * 4 * 4
    assert rows(model(tensor_product="clebsch-gordan"))[0] > 2


def test_more_heads_weigh_the_same_messages_in_more_ways():
    one, two = model(heads=1), model(heads=2)
    assert sum(each.numel() for each in one.parameters()) == sum(each.numel() for each in two.parameters())
    assert (energies(one, graph()) - energies(two, graph())).abs().max() > 1e-4


def test_neighbours_are_weighed_against_each_other():
    """Without the query all count alike; with it the result is another, for every atom that has two neighbours."""
    attention, of = model().layers[0].attention, graph()
    x, vectors = torch.randn(6, 4, 4).double(), edge_vectors(of)
    edges = Edges(model().harmonics(vectors), vectors.norm(dim=1), of.senders, of.receivers)
    weighed = attention(x, edges)
    attention.query.data.zero_()
    assert (weighed - attention(x, edges)).abs().amax((1, 2)).min() > 1e-4


def test_a_tabulated_potential_predicts_the_same():
    potential = Potential(model(), REFERENCES)
    fast = tabulate(potential)
    assert len(tables_of(fast)) == 3
    torch.testing.assert_close(fast(graph()).forces, potential(graph()).forces, rtol=0, atol=1e-4)


def test_the_logits_function_is_smooth_and_leaky():
    x = torch.linspace(-30, 30, 13, dtype=torch.float64)
    y = smooth_leaky_relu(x)
    torch.testing.assert_close(y[-1:], x[-1:])
    torch.testing.assert_close(y[:1], 0.2 * x[:1])
    assert torch.autograd.gradgradcheck(smooth_leaky_relu, (x.requires_grad_(),))


@pytest.mark.parametrize(
    ("choices", "kind", "words"),
    [
        ({"hidden": "1o+0e"}, IrrepsError, "TDN: hidden is 1o\\+0e"),
        ({"hidden": "0e+1e"}, IrrepsError, "hidden holds 1e, which harmonics 0e\\+1o of edges do not make"),
        ({"hidden": "0e+1o+2e"}, IrrepsError, "hidden holds 2e.*raise edge_degree"),
        ({"heads": 3}, IrrepsError, "3 heads and 4 channels"),
        ({"layers": 0}, ValueError, "layers >= 1"),
    ],
)
def test_choices_that_make_no_model_are_refused_in_one_line(choices, kind, words):
    with pytest.raises(kind, match=words) as caught:
        model(**choices)
    assert "\n" not in str(caught.value)


def test_the_embedding_is_the_element_and_the_sum_over_neighbours():
    """By hand: rows of degree 1 are sums of radial weight times direction, mixed; the scalar row has the element."""
    tdn = model()
    embed: EdgeEmbedding = tdn.edge_embedding
    of = graph(Atoms("OH", [[0, 0, 0], [0, 0.8, 0.6]]))
    e, vectors = torch.randn(2, 1, 4).double(), edge_vectors(of)
    filters, lengths = tdn.harmonics(vectors), vectors.norm(dim=1)
    found = embed(e, Edges(filters, lengths, of.senders, of.receivers))
    weight = embed.radial(lengths)[:, 0]
    seen = torch.zeros(2, 4, 4).double()
    for edge, (sender, receiver) in enumerate(zip(of.senders.tolist(), of.receivers.tolist())):
        seen[receiver] += filters[edge] * weight[edge] * e[sender]
    seen = torch.cat([seen[:, :1] @ embed.mix.weights[0], seen[:, 1:] @ embed.mix.weights[1]], dim=1) / 2 / 16**0.5
    seen[:, :1] += e
    torch.testing.assert_close(found, seen)
