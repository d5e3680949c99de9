"""Linear maps in place of radial networks: how near they come, where the fit counts, and what stays as it was."""

from copy import deepcopy

import pytest
import torch
from ase.build import molecule

from intertwine.nn.radial import BesselBasis, PolynomialCutoff, RadialMLP
from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.compress import compress, distances, fit, radial_networks
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import build_potential, load, save_potential
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect

CUTOFF = 3.5


def made(kind: str = "mace", **choices) -> Potential:
    small = {"species": [1, 6, 8], "cutoff": CUTOFF, "channels": 4, "radial_hidden": [16, 16], "radial_count": 4}
    return build_potential(kind, {**small, **choices}, {1: -13.6, 6: -1029.5, 8: -2041.8}, scale=2.0, seed=0)


def graph() -> Graph:
    return connect(from_atoms(molecule("CH3OH")), CUTOFF)


def change(one: Potential, other: Potential) -> float:
    """Of the forces, relative to their size."""
    before, after = one(graph()).forces.detach(), other(graph()).forces.detach()
    return float((before - after).norm() / before.norm())


@pytest.mark.parametrize("kind", ["mace", "nequip", "escn"])
def test_forces_stay_the_better_the_more_waves_there_are(kind):
    potential = made(kind)
    found = [compress(potential, waves=waves) for waves in (2, 6, 16)]
    assert [each.r2 for each in found] == sorted(each.r2 for each in found)
    changes = [change(potential, each.potential) for each in found]
    assert changes == sorted(changes, reverse=True)
    assert changes[0] > 0.05 and changes[2] < 2e-2
    assert found[2].parameters[1] < found[2].parameters[0]


def test_waves_are_added_until_the_fit_is_good():
    potential = made()
    assert compress(potential, r2=0.0).waves == 4
    good = compress(potential, r2=0.9999)
    assert good.waves > 4 and good.r2 >= 0.9999
    assert compress(potential, r2=1.0).waves == 16  # what cannot be reached: the most there are


def test_a_linear_network_is_found_again():
    def network() -> RadialMLP:
        return RadialMLP(BesselBasis(CUTOFF), PolynomialCutoff(CUTOFF), hidden=(), rows=3, channels=2).double()

    exact, r = network(), distances((), CUTOFF)
    matrix, r2 = fit(network(), r, exact(r).detach().flatten(1))
    torch.testing.assert_close(matrix, exact.network.weights[0].detach(), rtol=0, atol=1e-6)
    assert r2 > 1 - 1e-12


def test_distances_follow_those_of_the_structures_but_for_a_few():
    lengths = torch.cat([(graph().positions[i] - graph().positions).norm(dim=1) for i in range(6)])
    lengths = lengths[(lengths > 0) & (lengths < CUTOFF)]
    r = distances([graph()], CUTOFF)
    near = (r[:, None] - lengths).abs().min(dim=1).values < 1e-5
    assert near[: 7 * len(r) // 8].all() and not near[7 * len(r) // 8 :].all()
    assert float(r[: 7 * len(r) // 8].median()) == pytest.approx(float(lengths.median()), abs=0.05)


def test_nothing_but_the_radial_networks_changes_and_the_original_stays():
    potential = made(repulsion="zbl")
    before = deepcopy(potential.state_dict())
    found = compress(potential, [graph()]).potential
    after = found.state_dict()
    radial = tuple(f"{name}.network" for name in radial_networks(potential))
    assert all(torch.equal(value, after[name]) for name, value in before.items() if not name.startswith(radial))
    assert all(torch.equal(value, before[name]) for name, value in potential.state_dict().items())
    assert (found.scale, found.shift, found.reference_energies) == (2.0, 0.0, potential.reference_energies)
    assert radial_networks(found) == {} and change(potential, found) < 1e-2


def test_a_compressed_potential_is_saved_and_learns_on(tmp_path):
    found = compress(made().double(), waves=8).potential
    again = load(save_potential(tmp_path / "small", found))
    assert again.dtype == torch.float64 and torch.equal(again(graph()).forces, found(graph()).forces)
    again.train()(graph()).forces.square().sum().backward()
    assert all(module.network.weights[0].grad.any() for module in again.modules() if isinstance(module, RadialMLP))


def test_potentials_without_radial_networks_are_refused_in_one_line():
    facet = build_potential("facet", {"species": [1], "cutoff": 3.0, "channels": 2}, {1: 0.0})
    by_hand = Potential(made().model, dict.fromkeys((1, 6, 8), 0.0))
    for potential in (facet, by_hand, compress(made(), waves=4).potential):
        with pytest.raises(ValueError, match="expected a potential whose radial networks have hidden layers") as caught:
            compress(potential)
        assert "\n" not in str(caught.value)
