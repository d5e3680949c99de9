"""Reference energies against sums by hand."""

import warnings

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.potentials.structures.reference import (
    composition_energy,
    fit_reference_energies,
    isolated_atom_energies,
)

TABLE = {1: -13.6, 6: -1029.5, 8: -2041.98}


def labelled(atoms: Atoms, energy: float, **info) -> Graph:
    atoms.info.update(energy=energy, **info)
    return from_atoms(atoms)


def exact(name: str) -> Graph:
    atoms = molecule(name)
    return labelled(atoms, sum(TABLE[number] for number in atoms.numbers))


def test_isolated_atoms_are_found_among_molecules():
    graphs = [exact("H2O"), labelled(Atoms("O"), -2041.98), labelled(Atoms("H"), -13.6)]
    assert isolated_atom_energies(graphs) == {1: -13.6, 8: -2041.98}
    assert isolated_atom_energies([collate(graphs)]) == {1: -13.6, 8: -2041.98}


def test_a_crystal_of_one_atom_is_not_isolated_unless_its_group_says_so():
    assert isolated_atom_energies([labelled(bulk("Cu"), -3.7)]) == {}
    assert isolated_atom_energies([labelled(bulk("Cu"), -3.7, config_type="IsolatedAtom")]) == {29: -3.7}


def test_isolated_atoms_must_agree_and_be_labelled():
    with pytest.raises(GraphError, match=r"Atoms H frame 0.*-13.6 in Atoms H frame 0"):
        isolated_atom_energies([labelled(Atoms("H"), -13.6), labelled(Atoms("H"), -13.5)])
    with pytest.raises(GraphError, match="energy is missing"):
        isolated_atom_energies([from_atoms(Atoms("H"))])


def test_fit_finds_the_energies_that_made_the_data():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = fit_reference_energies([exact(name) for name in ("H2O", "CH4", "CO2", "H2CO")])
    assert list(fitted) == [1, 6, 8]
    for number, energy in TABLE.items():
        assert abs(fitted[number] - energy) < 1e-9


def test_fit_of_a_single_composition_says_that_it_is_not_determined():
    graphs = [exact("H2O"), exact("H2O")]
    with pytest.warns(UserWarning, match=r"H, O are not determined: the 2 frames have 1 independent"):
        fitted = fit_reference_energies(graphs)
    assert graphs[0].energy is not None
    assert abs(2 * fitted[1] + fitted[8] - graphs[0].energy.item()) < 1e-9
    assert abs(fitted[1] - 2 * fitted[8]) < 1e-9  # the shortest solution is along the composition


def test_fit_refuses_frames_without_energy():
    with pytest.raises(GraphError, match="Atoms OH2 frame 0: energy is missing"):
        fit_reference_energies([from_atoms(molecule("H2O"))])
    with pytest.raises(GraphError, match="empty"):
        fit_reference_energies([])


def test_composition_energy_is_the_sum_over_atoms_in_double_precision():
    batch = collate([exact("H2O"), exact("CH4")]).to(dtype=torch.float32)
    energy = composition_energy(batch.numbers, batch.structure, batch.graph_count, TABLE)
    assert energy.dtype == torch.float64
    np.testing.assert_allclose(energy, [2 * -13.6 - 2041.98, 4 * -13.6 - 1029.5], rtol=1e-15)


def test_composition_energy_does_not_depend_on_the_order_of_atoms():
    numbers = torch.tensor([1, 6, 8]).repeat(1000)
    structure = torch.zeros(3000, dtype=torch.int64)
    order = torch.randperm(3000, generator=torch.Generator().manual_seed(0))
    first = composition_energy(numbers, structure, 1, TABLE)
    assert torch.equal(first, composition_energy(numbers[order], structure, 1, TABLE))


def test_composition_energy_names_a_missing_element():
    with pytest.raises(GraphError, match=r"none for N \(7\), only for H, C, O"):
        composition_energy(torch.tensor([1, 7]), torch.tensor([0, 0]), 1, TABLE)
