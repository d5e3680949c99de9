"""GFN2-xTB labels: right, covariant, afresh every time, and refused in one line where there can be none."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from ase import Atoms

from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error
from intertwine.groups.representation import Standard
from intertwine.potentials.data.label import isolated_atoms, require_place, single_point
from intertwine.potentials.structures.graph import GraphError, Source

METHANOL = [
    [-0.7, 0.0, 0.0],
    [0.7, 0.1, 0.0],
    [-1.0, 1.0, 0.1],
    [-1.1, -0.5, 0.9],
    [-1.1, -0.5, -0.9],
    [1.1, -0.8, 0.1],
]
needs_tblite = pytest.mark.skipif(
    find_spec("tblite") is None,
    reason='tblite is not installed, so nothing can be labelled: pip install "intertwine[label]"',
)


def methanol() -> Atoms:
    return Atoms("COH4", METHANOL)


@needs_tblite
def test_forces_are_minus_the_gradient_of_the_energy():
    atoms, step = methanol(), 1e-3
    forces = single_point(atoms).get_forces()
    for atom, axis in ((0, 0), (1, 2), (5, 1)):
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[atom, axis] += sign * step
            energies.append(single_point(moved).get_potential_energy())
        slope = (energies[0] - energies[1]) / (2 * step)
        assert slope == pytest.approx(-forces[atom, axis], abs=2e-3)  # energies are rounded to 1e-6 eV


@needs_tblite
def test_forces_turn_with_the_molecule_and_the_energy_does_not():
    def forces(x: torch.Tensor) -> torch.Tensor:
        return torch.tensor(single_point(Atoms("COH4", x.T.numpy())).get_forces().T)

    def energy(x: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[single_point(Atoms("COH4", x.T.numpy())).get_potential_energy()]]).double()

    def biased(x: torch.Tensor) -> torch.Tensor:
        return forces(x) + torch.tensor([[0.0], [0.0], [0.1]])

    x, vector = torch.tensor(METHANOL).double().T.contiguous(), Standard(O(3))
    draw = torch.Generator().manual_seed(0)
    assert equivariance_error(forces, [x], [vector], vector, O(3), samples=3, generator=draw) < 1e-4
    assert equivariance_error(energy, [x], [vector], None, O(3), samples=3, generator=draw) < 1e-8
    assert equivariance_error(biased, [x], [vector], vector, O(3), samples=3, generator=draw) > 1e-2


@needs_tblite
def test_isolated_atoms_have_the_multiplicity_of_their_ground_state():
    atoms = isolated_atoms([8, 1, 6, 7, 1])
    assert [a.get_chemical_symbols() for a in atoms] == [["H"], ["C"], ["N"], ["O"]]
    from tblite.ase import TBLite

    for lone, multiplicity in zip(atoms, (2, 3, 4, 3)):
        by_hand = Atoms(lone.numbers, lone.positions)
        by_hand.calc = TBLite(method="GFN2-xTB", multiplicity=multiplicity, accuracy=0.1, verbosity=0)
        assert lone.get_potential_energy() == pytest.approx(by_hand.get_potential_energy(), abs=2e-6)
        assert lone.info["config_type"] == "isolated_atom" and not lone.get_forces().any()


@needs_tblite
def test_label_does_not_depend_on_what_was_computed_before():
    first = single_point(methanol()).get_forces()
    single_point(Atoms("COH4", 1.1 * np.array(METHANOL)))
    assert np.array_equal(single_point(methanol()).get_forces(), first)


@needs_tblite
@pytest.mark.parametrize(
    ("atoms", "charge", "words"),
    [
        (Atoms("H2", [[0, 0, 0], [0, 0, 0]]), 0, "Too close interatomic distances"),
        (Atoms("Pu", [[0, 0, 0]]), 0, "atom 0: GFN2-xTB knows H to Rn, not Pu"),
        (Atoms("H2", [[0, 0, 0], [0, 0, np.nan]]), 0, "finite positions"),
        (Atoms("H2", [[0, 0, 0], [0, 0, 1]], cell=[5, 5, 5], pbc=[True, True, False]), 0, "pbc"),
        (Atoms("H", [[0, 0, 0]]), 1, "leaves no electron"),
        (Atoms(), 0, "at least one atom"),
    ],
)
def test_what_cannot_be_labelled_is_refused_in_one_line_with_its_frame(atoms, charge, words):
    with pytest.raises(GraphError, match=words) as caught:
        single_point(atoms, charge=charge, source=Source("some.xyz", 7))
    assert str(caught.value).startswith("some.xyz frame 7") and "\n" not in str(caught.value)


def test_without_tblite_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tblite.ase", None)
    with pytest.raises(ImportError, match=r'pip install "intertwine\[label\]"'):
        single_point(methanol())


@pytest.mark.parametrize(("place", "words"), [("out.json", "ends in"), ("nowhere/out.xyz", "no folder")])
def test_place_that_cannot_be_written_is_refused_before_the_work(tmp_path, place, words):
    with pytest.raises(GraphError, match=words):
        require_place(tmp_path / place)
    require_place(tmp_path / "out.extxyz.xz")
