import copy

import pytest
import torch
from ase.build import molecule

from intertwine.nn.radial import RadialMLP
from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.mace import MACE
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.tabulate import for_use, tables_of, tabulate
from intertwine.potentials.structures.neighbors import connect

REFERENCES = {1: -13.6, 6: -1030.0, 8: -2041.8}


def potential(**choices) -> Potential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mace = MACE(species=(1, 6, 8), cutoff=4.0, channels=8, edge_degree=2, radial_hidden=(16,), **choices)
    return Potential(mace.double(), REFERENCES)


@pytest.mark.parametrize("product", ["clebsch-gordan", "gaunt"])
def test_a_tabulated_potential_has_the_energies_and_forces_of_its_networks(product):
    whole = potential(tensor_product=product)
    graph = connect(from_atoms(molecule("CH3CH2OH")), 4.0)
    coarse, fine = tabulate(whole, tolerance=1e-2), tabulate(whole, tolerance=1e-7)
    with torch.no_grad():
        exact, found = whole(graph), [coarse(graph), fine(graph)]
    errors = [float((each.forces - exact.forces).abs().max()) for each in found]
    assert errors[1] < 1e-6 * exact.forces.abs().max() < errors[0]
    assert abs(float(found[1].energy - exact.energy)) < 1e-6


def test_forces_are_derivatives_of_the_energy_that_is_evaluated():
    tabulated, atoms = tabulate(potential(), tolerance=1e-2), molecule("CH3OH")
    forces, moved, step = tabulated(connect(from_atoms(atoms), 4.0)).forces.detach(), [], 1e-4
    for sign in (1, -1):
        other = atoms.copy()
        other.positions[1, 2] += sign * step
        moved.append(float(tabulated(connect(from_atoms(other), 4.0)).energy.detach()))
    assert float(forces[1, 2]) == pytest.approx(-(moved[0] - moved[1]) / (2 * step), abs=1e-6)


def test_the_original_is_left_alone_and_a_potential_without_networks_is_refused():
    whole = potential()
    tabulated = tabulate(whole)
    assert any(isinstance(module, RadialMLP) for module in whole.modules())
    assert len(tables_of(tabulated)) == 2 and not tables_of(whole)
    with pytest.raises(ValueError, match="RadialMLP"):
        tabulate(tabulated.__class__(LennardJones(), {1: 0.0}))


class LennardJones(torch.nn.Module):
    species, cutoff = (1,), 4.0

    def forward(self, element, vectors, senders, receivers):
        return torch.zeros(len(element), dtype=vectors.dtype)


def test_tables_for_use_are_as_near_to_float64_as_networks_in_float32():
    exact = potential(tensor_product="clebsch-gordan")
    rounded = Potential(copy.deepcopy(exact.model).float(), REFERENCES)
    graph = connect(from_atoms(molecule("CH3CH2OH")), 4.0)
    with torch.no_grad():
        truth = exact(graph).forces
        network, table, coarse = (
            float((each(graph).forces.double() - truth).norm())
            for each in (rounded, for_use(rounded), tabulate(rounded, tolerance=1e-2))
        )
    assert tables_of(for_use(rounded)) and table < 2 * network < coarse


def test_float64_and_the_exact_choice_keep_the_networks():
    exact = potential()
    assert for_use(exact) is exact and for_use(exact, False) is exact
    assert len(tables_of(for_use(exact, True))) == 2
    rounded = Potential(copy.deepcopy(exact.model).float(), REFERENCES)
    assert for_use(rounded, False) is rounded
    lonely = Potential(LennardJones().float(), {1: 0.0})
    assert for_use(lonely) is lonely
