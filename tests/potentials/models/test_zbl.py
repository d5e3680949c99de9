"""Screened nuclear repulsion: the published formula, smooth where it ends, and stronger than any network."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import covalent_radii

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.contract import PROPERTIES, check_potential
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import build_potential, load, save_potential
from intertwine.potentials.models.zbl import ZBL, WithRepulsion
from intertwine.potentials.structures.neighbors import connect
from intertwine.potentials.structures.soundness import CLOSEST

SPECIES, CUTOFF = (1, 6, 79), 3.0
REFERENCES = dict.fromkeys(SPECIES, 0.0)
SMALL = {"species": list(SPECIES), "cutoff": CUTOFF, "channels": 2, "edge_degree": 1, "radial_hidden": [4], "layers": 1}


def pair_energy(first: int, second: int, r: float) -> float:
    """Energy of two atoms, eV, from the edge between them in both directions."""
    element, vector = (
        torch.tensor([SPECIES.index(first), SPECIES.index(second)]),
        r * torch.tensor([[0.6, 0, -0.8]], dtype=torch.float64),
    )
    both, here, there = torch.cat([vector, -vector]), torch.tensor([0, 1]), torch.tensor([1, 0])
    return ZBL(SPECIES, CUTOFF)(element, both, here, there).sum().item()


def formula(z1: int, z2: int, r: float) -> float:
    """The universal potential without its envelope, in eV, from constants of CODATA."""
    x = r / (0.88534 * 0.529177210903 / (z1**0.23 + z2**0.23))
    phi = np.dot([0.18175, 0.50986, 0.28022, 0.02817], np.exp(-np.array([3.1998, 0.94229, 0.4029, 0.20162]) * x))
    return 14.399645478 * z1 * z2 / r * phi


def envelope(t: float) -> float:
    """1 at 0 with five flat derivatives, 0 at 1 with three: the integral of t^5 (1 - t)^3, normalised."""
    integral = np.polynomial.Polynomial([0, 0, 0, 0, 0, 1, -3, 3, -1]).integ()
    return float(1 - integral(t) / integral(1))


@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 6), (6, 1), (6, 79), (79, 79)])
def test_a_pair_has_the_published_energy(first, second):
    reach = min(covalent_radii[first] + covalent_radii[second], CUTOFF)
    for t in (0.05, 0.3, 0.7, 0.95):
        expected = formula(first, second, t * reach) * envelope(t)
        assert pair_energy(first, second, t * reach) == pytest.approx(expected, rel=1e-6)
    assert pair_energy(first, second, 1.001 * reach) == 0


def test_the_screening_of_nothing_is_one():
    """phi(0) = 1: at small distance two bare nuclei are left."""
    assert pair_energy(6, 6, 1e-6) == pytest.approx(14.399645478 * 36 / 1e-6, rel=1e-4)


def test_energy_and_three_derivatives_vanish_where_it_ends_and_a_fourth_does_not():
    repulsion = ZBL((6,), CUTOFF)
    reach = 2 * covalent_radii[6]
    r = torch.tensor([reach * (1 - 1e-6)], dtype=torch.float64, requires_grad=True)
    edge = torch.zeros(1, dtype=torch.long)
    found = [repulsion(edge, torch.stack([r, 0 * r, 0 * r], dim=1), edge, edge)]
    for _ in range(4):
        found.append(torch.autograd.grad(found[-1].sum(), r, create_graph=True)[0])
    sizes = [abs(float(each.detach())) for each in found]
    assert max(sizes[:4]) < 0.1 and sizes[4] > 100


def test_the_contract_holds_and_isolated_atoms_feel_nothing():
    """Structures of the check reach deep into the repulsion: its cutoff is that of the covalent radii of gold."""
    potential = build_potential("mace", {**SMALL, "repulsion": "zbl"}, REFERENCES, scale=1.3, shift=-0.7, seed=0)
    assert list(check_potential(potential)) == list(PROPERTIES)
    alone = potential.double()(connect(from_atoms(Atoms("Au")), CUTOFF))
    assert alone.energy.item() == REFERENCES[79] and not alone.forces.any()


class Attracting(torch.nn.Module):
    """A network gone wrong: the nearer, the better."""

    species, cutoff = SPECIES, CUTOFF

    def forward(self, element, vectors, senders, receivers):
        pull = 20 / (0.1 + vectors.square().sum(-1))
        return -vectors.new_zeros(len(element)).index_add(0, receivers, pull)


@pytest.mark.parametrize(("repulsion", "apart"), [(True, True), (False, False)])
def test_close_atoms_are_driven_apart_whatever_the_network_says(repulsion, apart):
    model = WithRepulsion(Attracting(), scale=0.5) if repulsion else Attracting()
    close = connect(from_atoms(Atoms("C2", [[0, 0, 0], [0, 0, CLOSEST + 0.001]])), CUTOFF)
    force = Potential(model, REFERENCES, scale=0.5)(close).forces[1, 2].item()
    assert force > 100 if apart else force < 0


def test_repulsion_is_kept_in_the_checkpoint(tmp_path):
    saved = build_potential("nequip", {**SMALL, "repulsion": "zbl"}, REFERENCES, scale=3.0, seed=0)
    bare = build_potential("nequip", SMALL, REFERENCES, scale=3.0, seed=0)
    close = connect(from_atoms(Atoms("CH", [[0, 0, 0], [0, 0, 0.5]])), CUTOFF)
    loaded = load(save_potential(tmp_path / "potential", saved))
    assert torch.equal(loaded(close).energy, saved(close).energy)
    difference = (saved(close).energy - bare(close).energy).item()
    assert difference == pytest.approx(formula(6, 1, 0.5) * envelope(0.5 / (0.76 + 0.31)), rel=1e-5)


def test_an_unknown_repulsion_is_refused_in_one_line():
    with pytest.raises(ValueError, match="no repulsion 'zlb'; choose none or zbl"):
        build_potential("mace", {**SMALL, "repulsion": "zlb"}, REFERENCES)
