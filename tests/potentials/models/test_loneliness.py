"""The shift of a potential is for atoms in company: isolated atoms have their references, and nothing jumps between."""

import json

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from safetensors.torch import load_file
from torch import nn

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.loneliness import Loneliness
from intertwine.potentials.models.mean_model import mean_potential
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import build_potential, load, save_potential
from intertwine.potentials.structures.batching import collate
from intertwine.potentials.structures.neighbors import connect
from intertwine.training.checkpoint import TENSORS, VALUES, write_checkpoint

REFERENCES = {1: -13.6 - 1 / 3, 8: -2041.8}
SHIFT = -6.5 - 1 / 7
CUTOFF = 4.0
SMALL = {"species": [1, 8], "cutoff": CUTOFF, "channels": 4, "edge_degree": 1, "correlation": 2, "radial_hidden": [8]}


def mace(**others) -> Potential:
    return build_potential("mace", SMALL, REFERENCES, scale=1.3, shift=SHIFT, seed=0, **others)


def connected(atoms: Atoms, cutoff: float = CUTOFF):
    return connect(from_atoms(atoms, keys=None), cutoff)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_isolated_atom_has_its_reference_energy_to_the_last_bit(dtype):
    potential = mace().to(dtype)
    alone = [Atoms("H"), Atoms("O"), Atoms("O", cell=[30] * 3, pbc=True), Atoms("HO", [[0, 0, 0], [0, 0, 9]])]
    prediction = potential(collate([connected(atoms) for atoms in alone]))
    assert prediction.energy.tolist() == [REFERENCES[1], REFERENCES[8], REFERENCES[8], REFERENCES[1] + REFERENCES[8]]
    assert not prediction.forces.any()


def test_with_the_old_rule_it_has_the_shift_too():
    """The control."""
    assert mace(shift_alone=True)(connected(Atoms("O"))).energy.item() == pytest.approx(REFERENCES[8] + SHIFT, abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_crystals_liquids_and_molecules_have_the_same_energies_and_forces_under_both_rules(dtype):
    ice = bulk("O", "fcc", a=4.2) * (2, 2, 2)
    ice.rattle(0.2, seed=0)
    for atoms in (molecule("H2O"), molecule("H2O2"), ice):
        new, old = (mace(shift_alone=rule).to(dtype)(connected(atoms)) for rule in (False, True))
        assert new.energy.item() == pytest.approx(old.energy.item(), abs=1e-9)
        assert torch.equal(new.forces, old.forces) and torch.equal(new.node_energy, old.node_energy)


class Nothing(nn.Module):
    """A model without energy, so that the shift is seen by itself."""

    species, cutoff = (8,), CUTOFF

    def forward(self, element, vectors, senders, receivers):
        return vectors.new_zeros(len(element)).index_add(0, receivers, 0 * vectors.sum(-1))


class Abrupt(Loneliness):
    """The control: alone or not, nothing between."""

    def forward(self, vectors, receivers, count):
        return 1 - vectors.new_zeros(count).index_fill(0, receivers, 1)


def largest_step(potential: Potential, count: int) -> tuple[float, float]:
    """Of the energy of a pair that is pulled apart in so many steps, and how far forces are from its slopes."""
    lengths = np.linspace(0.15 * CUTOFF, 1.05 * CUTOFF, count)
    pairs = collate([connected(Atoms("O2", [[0, 0, 0], [0, 0, length]])) for length in lengths])
    prediction = potential(pairs)
    energy, force = prediction.energy.detach().numpy(), prediction.forces.detach().numpy()[1::2, 2]
    slopes = (energy[2:] - energy[:-2]) / (lengths[2:] - lengths[:-2])
    return float(np.abs(np.diff(energy)).max()), float(np.abs(slopes + force[1:-1]).max())


@pytest.mark.parametrize("model", [Nothing, None])
def test_a_bond_that_is_pulled_apart_has_a_smooth_energy_whose_slope_is_the_force(model):
    potential = mace().double() if model is None else Potential(model(), {8: -2041.8}, shift=SHIFT)
    (step, error), (half, less) = largest_step(potential, 400), largest_step(potential, 799)
    assert half == pytest.approx(step / 2, rel=0.02) and less == pytest.approx(error / 4, rel=0.1)


def test_a_rule_that_asks_for_neighbours_alone_would_jump():
    potential = Potential(Nothing(), {8: -2041.8}, shift=SHIFT)
    potential.alone = Abrupt(CUTOFF)
    assert largest_step(potential, 799)[0] == pytest.approx(2 * abs(SHIFT), abs=1e-9)


def test_the_shift_fades_by_one_neighbour_to_the_energy_of_two_atoms():
    potential = Potential(Nothing(), {8: -2041.8}, shift=SHIFT)
    near, far = (potential(connected(Atoms("O2", [[0, 0, 0], [0, 0, x]]))).energy.item() for x in (0.6, CUTOFF))
    assert near == pytest.approx(2 * (-2041.8 + SHIFT), abs=1e-6) and far == 2 * -2041.8


def test_a_file_from_before_the_rule_keeps_the_old_one_and_a_new_file_says_which(tmp_path):
    folder, atom = save_potential(tmp_path / "potential", mace()), connected(Atoms("O"))
    assert load(folder)(atom).energy.item() == REFERENCES[8]
    values = json.loads((folder / VALUES).read_text())["values"]
    del values["shift_alone"]
    write_checkpoint(folder, load_file(folder / TENSORS), values, kind="potential")
    assert load(folder)(atom).energy.item() == pytest.approx(REFERENCES[8] + SHIFT, abs=1e-9)
    again = load(save_potential(tmp_path / "again", load(folder)))
    assert again.shift_alone and again(atom).energy.item() == load(folder)(atom).energy.item()


def test_the_mean_of_potentials_keeps_their_rule_and_refuses_two(tmp_path):
    mean = load(save_potential(tmp_path / "mean", mean_potential([mace(), mace()])))
    assert mean(connected(Atoms("H"))).energy.item() == REFERENCES[1]
    with pytest.raises(ValueError, match="shift_alone of potential 1 is True, of potential 0 False"):
        mean_potential([mace(), mace(shift_alone=True)])
