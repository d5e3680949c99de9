"""Phonons of a crystal of springs, whose frequencies are known in closed form."""

import json
import sys

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from torch import nn

from intertwine.potentials.models.potential import Potential
from intertwine.potentials.simulation.phonons import Phonons, PhononsUnavailable, phonons, write_phonons
from intertwine.potentials.structures.graph import GraphError

K, LENGTH = 2.0, 2.5
MASS = 39.948
THZ = np.sqrt(units._e / units._amu) * 1e10 / (2 * np.pi) * 1e-12
"""sqrt(eV / A^2 / u) as a frequency."""


class Springs(nn.Module):
    """K/2 (r - LENGTH)^2 between nearest neighbours."""

    def __init__(self):
        super().__init__()
        self.species, self.cutoff = (18,), 1.2 * LENGTH
        self.register_buffer("stiffness", torch.tensor(K, dtype=torch.float32))

    def forward(self, element, vectors, senders, receivers):
        pairs = 0.25 * self.stiffness * (vectors.norm(dim=1) - LENGTH) ** 2
        return pairs.new_zeros(len(element)).index_add(0, receivers, pairs)


def springs() -> Potential:
    return Potential(Springs(), {18: 0.0})


def crystal(stretch: float = 1.0) -> Atoms:
    return bulk("Ar", "fcc", a=np.sqrt(2) * LENGTH * stretch)


SHOWN: list[tuple[str, int, int]] = []


@pytest.fixture(scope="module")
def found() -> Phonons:
    kelvin = [*map(float, range(0, 1001, 10)), 20_000.0]
    shown = lambda *step: SHOWN.append(step)  # noqa: E731
    return phonons(springs(), crystal(), mesh=(6, 6, 6), displacement=1e-3, temperatures=kelvin, progress=shown)


def test_progress_counts_the_displaced_crystals(found):
    count = len(found.phonopy.supercells_with_displacements)
    assert SHOWN[-1] == ("displacements", count, count)


def frequencies_at(found: Phonons, label: str) -> np.ndarray:
    place = next(place for place, name in found.labels if name == label)
    return np.sort(found.bands[np.argmin(np.abs(found.path - place))])


@pytest.mark.parametrize(("label", "squares"), [("G", (0, 0, 0)), ("X", (4, 4, 8)), ("L", (2, 2, 8))])
def test_frequencies_at_special_points_are_those_of_the_closed_form(found, label, squares):
    # D(q) = K/m sum over 12 neighbours n n^T (1 - cos q R): at X 8 and twice 4, at L 8 and twice 2, in K/m.
    expected = np.sqrt(np.array(squares) * K / MASS) * THZ
    np.testing.assert_allclose(frequencies_at(found, label), expected, atol=2e-4 * expected.max() + 1e-4)


def test_other_springs_would_be_noticed(found):
    assert frequencies_at(found, "X")[-1] != pytest.approx(np.sqrt(8 * 1.01 * K / MASS) * THZ, rel=1e-3)


def test_thermal_properties_have_their_limits(found):
    classical = 3 * units.kB * (1 - 1 / 6**3)  # at one wave vector of the mesh, Gamma, the crystal moves as a whole
    assert found.heat_capacity[-1] == pytest.approx(classical, rel=5e-4)
    assert found.heat_capacity[0] == pytest.approx(0.0, abs=1e-9)
    states = np.trapezoid(found.density, found.frequency)
    assert states == pytest.approx(3.0, rel=0.02)
    mean = np.trapezoid(found.density * found.frequency, found.frequency) / states
    zero_point = 0.5 * units._hplanck * 1e12 / units._e * 3 * mean
    assert found.free_energy[0] == pytest.approx(zero_point, rel=0.02)
    slope = -np.gradient(found.free_energy, found.temperature)
    np.testing.assert_allclose(slope[10:-3], found.entropy[10:-3], rtol=1e-2)


def test_a_crystal_under_pressure_of_its_springs_is_told_to_be_unstable(found):
    assert found.stable and found.acoustic < 0.01
    squeezed = phonons(springs(), crystal(0.85), supercell=(2, 2, 2), mesh=(3, 3, 3))
    assert not squeezed.stable
    assert min(value for _, value in squeezed.imaginary) == pytest.approx(squeezed.bands.min(), abs=0.3)


def test_files_hold_what_was_found(found, tmp_path):
    import phonopy

    write_phonons(tmp_path / "new", found)
    content = json.loads((tmp_path / "new" / "phonons.json").read_text())
    assert content["stable"] is True
    assert np.array(content["bands"]["frequency"]).shape == found.bands.shape
    assert (tmp_path / "new" / "phonons.png").stat().st_size > 10_000
    again = phonopy.load(tmp_path / "new" / "phonopy.yaml", log_level=0)
    again.run_qpoints([[0.5, 0.5, 0.5]])
    again_at_l = np.sort(again.get_qpoints_dict()["frequencies"][0])
    np.testing.assert_allclose(again_at_l, frequencies_at(found, "L"), atol=1e-6)


@pytest.mark.parametrize(
    ("structure", "choices", "words"),
    [
        (Atoms("Ar2", [[0, 0, 0], [0, 0, LENGTH]]), {}, "periodic"),
        (crystal(), {"supercell": (2, 2)}, "supercell"),
        (crystal(), {"mesh": (0, 2, 2)}, "mesh"),
    ],
)
def test_bad_input_is_one_line(structure, choices, words):
    with pytest.raises(GraphError, match=words) as caught:
        phonons(springs(), structure, **choices)
    assert "\n" not in str(caught.value)


def test_a_structure_that_is_not_at_rest_is_refused():
    shaken = crystal().repeat((2, 1, 1))
    shaken.rattle(0.1, seed=0)
    with pytest.raises(GraphError, match="relax it first"):
        phonons(springs(), shaken)


def test_without_phonopy_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "phonopy", None)
    with pytest.raises(PhononsUnavailable, match=r"intertwine\[phonons\]"):
        phonons(springs(), crystal())
