"""Units against those of ASE, and as they act on a graph."""

import ase.units
import pytest
import torch
from formats import crystal

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.structures.graph import GraphError
from intertwine.potentials.structures.units import Units


def test_all_labels_scale_together():
    graph = from_atoms(crystal())
    other = Units("Hartree", "Bohr").to_ev(graph)
    hartree, bohr = ase.units.Hartree, ase.units.Bohr
    torch.testing.assert_close(other.positions, graph.positions * bohr)
    torch.testing.assert_close(other.cell, graph.cell * bohr)
    assert graph.energy is not None and graph.forces is not None and graph.stress is not None
    torch.testing.assert_close(other.energy, graph.energy * hartree)
    torch.testing.assert_close(other.forces, graph.forces * hartree / bohr)
    torch.testing.assert_close(other.stress, graph.stress * hartree / bohr**3)
    assert torch.equal(Units().to_ev(graph).positions, graph.positions)


def test_named_forces_and_stresses_have_a_unit_and_a_sign_of_their_own():
    assert Units(forces="Hartree/Bohr").force_factor == pytest.approx(51.42206, abs=1e-4)
    assert Units(forces="kcal/mol/Angstrom").force_factor == pytest.approx(0.0433641, abs=1e-6)
    assert Units(forces="-eV/A").force_factor == -1 and Units().force_factor == 1
    assert Units(stress="-kbar").stress_factor == pytest.approx(-0.1 * ase.units.GPa)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"energy": "hartee"}, "energy unit 'hartee' is not known; did you mean hartree"),
        ({"length": "inch"}, "length unit 'inch' is not known; known are"),
        ({"forces": "eV"}, "energy of the forces unit '' is not known"),
        ({"stress": "atm"}, "stress unit 'atm'"),
    ],
)
def test_unknown_units_are_refused_when_they_are_named(choice, words):
    with pytest.raises(GraphError, match=words):
        Units(**choice)
