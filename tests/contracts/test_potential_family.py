"""Every potential of the family keeps the contract; potentials that are broken in one way fail in that one way."""

from itertools import product

import pytest
import torch
from ase import Atoms
from torch import nn

from intertwine.nn.radial import PolynomialCutoff
from intertwine.o3.grid import gauss_legendre
from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.contract import PROPERTIES, check_potential
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.products import CONTRACTIONS, EDGE_PRODUCTS
from intertwine.potentials.models.saved import build_potential
from intertwine.potentials.structures.graph import Prediction
from intertwine.potentials.structures.neighbors import connect

REFERENCES = {1: -13.6, 6: -1029.5, 8: -2041.8}
HIDDEN = ("0e", "0e+1o", "0e+1o+2e")
# Nine of the 81 combinations, in which every two choices of different kinds meet once.
COVERING = [
    (list(EDGE_PRODUCTS)[i], list(CONTRACTIONS)[j], 1 + (i + j) % 3, HIDDEN[(i + 2 * j) % 3])
    for i, j in product(range(3), range(3))
]


def mace(tensor_product="gaunt", contraction="gaunt", layers=2, hidden="0e+1o", **others) -> Potential:
    choices = dict(
        species=list(REFERENCES),
        cutoff=4.0,
        channels=2,
        edge_degree=2,
        radial_hidden=[8],
        tensor_product=tensor_product,
        contraction=contraction,
        layers=layers,
        hidden=hidden,
    )
    return build_potential("mace", {**choices, **others}, REFERENCES, scale=1.3, shift=-0.7, seed=0)


@pytest.mark.parametrize(("tensor_product", "contraction", "layers", "hidden"), COVERING)
def test_mace_keeps_the_contract_whatever_its_products(tensor_product, contraction, layers, hidden):
    errors = check_potential(mace(tensor_product, contraction, layers, hidden))
    assert list(errors) == list(PROPERTIES)


def test_mace_keeps_the_contract_with_high_degrees_and_body_orders():
    check_potential(mace(edge_degree=3, correlation=4, layers=1))


@pytest.mark.parametrize(
    ("tensor_product", "hidden", "layers"),
    [
        ("clebsch-gordan", "0e+0o+1o+1e", 3),
        ("gaunt", "0e+1o+2e", 2),
        ("gaunt+bracket", "0e+1o+1e", 3),
        ("cp", "0e+1o", 2),
        ("clebsch-gordan", "0e", 1),
    ],
)
def test_nequip_keeps_the_contract_whatever_its_product(tensor_product, hidden, layers):
    choices = {"species": list(REFERENCES), "cutoff": 4.0, "channels": 2, "radial_hidden": [8], "layers": layers}
    choices |= {"tensor_product": tensor_product, "hidden": hidden}
    errors = check_potential(build_potential("nequip", choices, REFERENCES, scale=1.3, shift=-0.7, seed=0))
    assert list(errors) == list(PROPERTIES)


def facet(**choices) -> Potential:
    """With updates that count, as after training; a fresh one is silent and keeps any contract."""
    small = {"species": list(REFERENCES), "cutoff": 4.0, "channels": 2, "layers": 2}
    potential = build_potential("facet", {**small, **choices}, REFERENCES, scale=1.3, shift=-0.7, seed=0)
    for update in potential.model.updates:
        update.norm.weight.data.fill_(1.0)
    return potential


@pytest.mark.parametrize(
    ("tensor_product", "hidden", "layers"),
    [
        ("clebsch-gordan", "0e+1o+2e", 2),
        ("gaunt", "2x0e+1o", 2),
        ("gaunt+bracket", "0e+1o", 2),
        ("cp", "0e", 1),
    ],
)
def test_facet_keeps_the_contract_whatever_its_product(tensor_product, hidden, layers):
    errors = check_potential(facet(tensor_product=tensor_product, hidden=hidden, layers=layers))
    assert list(errors) == list(PROPERTIES)


def test_facet_on_a_grid_too_coarse_for_its_network_breaks_rotations():
    potential = facet()
    for update in potential.model.updates:
        update.grid_mlp.lay(gauss_legendre(4))
    assert "rotations and reflections" in failures(potential)


@pytest.mark.parametrize(
    ("tensor_product", "hidden", "layers"),
    [("cp", "0e+1o", 2), ("gaunt", "0e+1o+2e", 1)],
)
def test_tdn_keeps_the_contract_whatever_its_product(tensor_product, hidden, layers):
    choices = {"species": list(REFERENCES), "cutoff": 4.0, "channels": 2, "radial_hidden": [8], "layers": layers}
    choices |= {"tensor_product": tensor_product, "hidden": hidden, "heads": 2}
    errors = check_potential(build_potential("tdn", choices, REFERENCES, scale=1.3, shift=-0.7, seed=0))
    assert list(errors) == list(PROPERTIES)


def test_escn_keeps_the_contract_at_high_degrees():
    choices = {"species": list(REFERENCES), "cutoff": 4.0, "channels": 2, "radial_hidden": [8], "layers": 2}
    choices |= {"hidden": "0e+1o+2e+3o"}
    errors = check_potential(build_potential("escn", choices, REFERENCES, scale=1.3, shift=-0.7, seed=0))
    assert list(errors) == list(PROPERTIES)


def test_escn_with_weights_for_single_orders_depends_on_how_frames_are_turned():
    """Its control: a frame is free to turn about its edge, and weights that tell m from -m are not."""
    choices = {"species": list(REFERENCES), "cutoff": 4.0, "channels": 2, "radial_hidden": [], "layers": 2}
    potential = build_potential("escn", {**choices, "hidden": "0e+1o"}, REFERENCES, seed=0)
    gate = potential.model.layers[0].gate
    exact = gate.forward
    gate.forward = lambda x: torch.tensor([[1.0], [1.0], [1.0], [2.0]]).to(x) * exact(x)
    assert "rotations and reflections" in failures(potential)


def test_tdn_with_a_plain_softmax_is_not_smooth_at_the_cutoff():
    """Weights of neighbours then jump from their share to nothing."""
    choices = {"species": list(REFERENCES), "cutoff": 4.0, "channels": 2, "heads": 1, "layers": 1, "edge_degree": 1}
    potential = build_potential("tdn", {**choices, "radial_hidden": []}, REFERENCES, seed=0)
    potential.model.layers[0].attention.envelope.forward = torch.ones_like
    assert "smooth at the cutoff" in failures(potential)


def test_the_check_leaves_the_potential_and_the_generators_of_the_caller_alone():
    potential, state = mace(), torch.random.get_rng_state()
    weights = {name: value.clone() for name, value in potential.state_dict().items()}
    check_potential(potential)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, weights[name]) for name, value in potential.state_dict().items())
    assert not potential.training and potential.dtype == torch.float32
    assert check_potential(potential) == check_potential(potential)
    other = check_potential(potential, generator=torch.Generator().manual_seed(1))
    assert other != check_potential(potential)


def test_mace_tells_mirror_images_apart_only_where_it_may():
    """Energies agree for mirror images, but a body order that spans the chirality must move under a rotated half."""
    potential = mace(correlation=3).double()
    ring = torch.tensor([[0.0, 0, 0], [1.5, 0, 0], [0, 1.6, 0], [0, 0, 1.7], [1.0, 1.1, 1.2]], dtype=torch.float64)
    with torch.no_grad():
        energies = [
            float(potential(connect(from_atoms(Atoms("OHHHC", x.numpy())), 4.0)).energy)
            for x in (ring, ring * torch.tensor([-1.0, 1, 1]), ring * torch.tensor([1.0, 1, 0.9]))
        ]
    assert energies[0] == pytest.approx(energies[1], abs=1e-9)
    assert abs(energies[0] - energies[2]) > 1e-3


class Pairs(nn.Module):
    """A small model that keeps the contract: an embedded-atom sum of smooth pair functions of the two elements."""

    species, cutoff = (1, 6), 4.0

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(2, 2, 3, generator=generator))
        self.envelope = PolynomialCutoff(self.cutoff)

    def forward(self, element, vectors, senders, receivers):
        density = self.gather(len(element), receivers, self.pairs(element, vectors, senders, receivers))
        return density + 0.1 * density**2

    def pairs(self, element, vectors, senders, receivers):
        r = vectors.norm(dim=-1)
        waves = torch.stack([torch.cos(k * r) for k in range(3)], dim=-1)
        return (self.weights()[element[senders], element[receivers]] * waves).sum(-1) * self.fall(r)

    def weights(self):
        return self.weight

    def fall(self, r):
        return self.envelope(r)

    def gather(self, count, receivers, values):
        return values.new_zeros(count, *values.shape[1:]).index_add(0, receivers, values)


class HardCutoff(Pairs):
    def fall(self, r):
        return (r < self.cutoff).to(r.dtype)


class KinkAtTheCutoff(Pairs):
    def fall(self, r):
        return torch.where(r < self.cutoff, 1 - r / self.cutoff, 0.0)


class PreferredDirection(Pairs):
    def pairs(self, element, vectors, senders, receivers):
        return super().pairs(element, vectors, senders, receivers) * (1 + vectors[:, 2] ** 2)


class Handed(Pairs):
    def forward(self, element, vectors, senders, receivers):
        fall = self.fall(vectors.norm(dim=-1)).unsqueeze(-1)
        a, b, c = (
            self.gather(len(element), receivers, fall * vectors * weight)
            for weight in (1.0, vectors.square().sum(-1, keepdim=True), element[senders].unsqueeze(-1))
        )
        chirality = (torch.linalg.cross(a, b) * c).sum(-1)
        return super().forward(element, vectors, senders, receivers) + chirality


class OrderOfAtoms(Pairs):
    def forward(self, element, vectors, senders, receivers):
        energy = super().forward(element, vectors, senders, receivers)
        return energy * (1 + torch.arange(len(energy)).to(energy))


class NormalisedOverTheBatch(Pairs):
    def forward(self, element, vectors, senders, receivers):
        energy = super().forward(element, vectors, senders, receivers)
        return energy / (1 + energy.square().mean())


class EnergyOfTheLonely(Pairs):
    def forward(self, element, vectors, senders, receivers):
        return super().forward(element, vectors, senders, receivers) + 0.1


class DetachedWeight(Pairs):
    def weights(self):
        return 0.5 * self.weight + 0.5 * self.weight.detach()


class RoundedInside(Pairs):
    def forward(self, element, vectors, senders, receivers):
        return super().forward(element, (1e3 * vectors).round().detach() / 1e3 + 0 * vectors, senders, receivers)


class Noisy(Pairs):
    def forward(self, element, vectors, senders, receivers):
        energy = super().forward(element, vectors, senders, receivers)
        return energy + 1e-12 * torch.rand(len(energy), generator=self.generator).to(energy) * energy

    generator = torch.Generator()


class Swallowing(Pairs):
    def weights(self):
        return self.weight.nan_to_num()


class Wrapped(Potential):
    """A potential whose answer is spoilt after the fact."""

    def forward(self, graph, *, forces=True, stress=False):
        answer = super().forward(graph, forces=forces, stress=stress)
        parts = {name: getattr(answer, name) for name in ("energy", "node_energy", "forces", "stress")}
        return Prediction(**{**parts, **self.spoil(graph, parts)})


class AbsolutePositions(Wrapped):
    def spoil(self, graph, parts):
        places = torch.zeros_like(parts["energy"]).index_add(
            0, graph.structure, graph.positions.double().square().sum(-1)
        )
        return {"energy": parts["energy"] + 1e-6 * places}


class WrongStructure(Wrapped):
    def spoil(self, graph, parts):
        return {"energy": parts["energy"].roll(1)}


class ForcesOfAnother(Wrapped):
    def spoil(self, graph, parts):
        return {} if parts["forces"] is None else {"forces": 1.00001 * parts["forces"]}


class WrongSignOfStress(Wrapped):
    def spoil(self, graph, parts):
        return {} if parts["stress"] is None else {"stress": -parts["stress"]}


class PerAtomEnergy(Wrapped):
    def spoil(self, graph, parts):
        return {"energy": parts["energy"] / torch.bincount(graph.structure)}


class Drifting(Wrapped):
    def spoil(self, graph, parts):
        return {} if parts["forces"] is None else {"forces": parts["forces"] + 1e-3 * parts["forces"].abs().mean()}


def failures(potential: Potential) -> set[str]:
    with pytest.raises(AssertionError) as caught:
        check_potential(potential)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"check_potential: {len(lines) - 1} of {len(PROPERTIES)} fail"
    assert all("error" in line and "allowed" in line for line in lines[1:])
    return {line.split(": error")[0] for line in lines[1:]}


def test_the_model_that_the_broken_ones_derive_from_keeps_the_contract():
    check_potential(Potential(Pairs(), REFERENCES, shift=0.3))


@pytest.mark.parametrize(
    ("model", "broken"),
    [
        (HardCutoff, {"smooth at the cutoff", "forces = -dE/dx", "stress = dE/dstrain / volume"}),
        (KinkAtTheCutoff, {"smooth at the cutoff", "forces = -dE/dx", "stress = dE/dstrain / volume"}),
        (PreferredDirection, {"rotations and reflections", "no net force or torque"}),
        (Handed, {"rotations and reflections"}),
        (OrderOfAtoms, {"permutations", "single = batch", "far fragments add", "supercells add"}),
        (NormalisedOverTheBatch, {"single = batch", "no leaks across structures", "far fragments add"}),
        (EnergyOfTheLonely, {"isolated atoms", "smooth at the cutoff"}),
        (DetachedWeight, {"training gradient"}),
        (RoundedInside, {"forces = -dE/dx", "stress = dE/dstrain / volume"}),
        (Noisy, {"deterministic"}),
        (Swallowing, {"never NaN"}),
    ],
)
def test_a_model_with_a_broken_part_fails_where_it_is_broken(model, broken):
    found = failures(Potential(model(), REFERENCES))
    assert broken <= found and len(found) <= len(broken) + 3  # a fault may show elsewhere too, but not everywhere


@pytest.mark.parametrize(
    ("potential", "broken"),
    [
        (AbsolutePositions, {"translations", "forces = -dE/dx"}),
        (WrongStructure, {"single = batch"}),
        (ForcesOfAnother, {"forces = -dE/dx"}),
        (WrongSignOfStress, {"stress = dE/dstrain / volume"}),
        (PerAtomEnergy, {"supercells add", "far fragments add"}),
        (Drifting, {"rotations and reflections", "no net force or torque", "forces = -dE/dx"}),
    ],
)
def test_a_potential_that_spoils_its_answer_fails_where_it_does(potential, broken):
    assert broken <= failures(potential(Pairs(), REFERENCES))
