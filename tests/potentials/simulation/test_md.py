"""Dynamics conserves what it must, reaches its temperature, and says when it failed."""

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.constraints import FixAtoms, FixBondLength
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from lennard_jones import argon

from intertwine.potentials.data.readers import read
from intertwine.potentials.models.uncertainty import Deviation
from intertwine.potentials.simulation.md import simulate
from intertwine.potentials.structures.graph import GraphError
from intertwine.training.run import NumericalError


def crystal(repeat: int = 2) -> Atoms:
    return bulk("Ar", "fcc", a=5.3, cubic=True).repeat(repeat)


def test_energy_is_conserved_and_the_ripple_falls_with_the_square_of_the_step():
    runs = [
        simulate(argon(), crystal(), steps=1000 // step, timestep=5.0 * step, temperature=30.0, record_every=1)
        for step in (1, 2)
    ]
    assert abs(runs[0].drift) < 1e-4  # meV/atom/ps, over 5 ps
    assert runs[0].fluctuation < 1e-3
    assert runs[1].fluctuation / runs[0].fluctuation == pytest.approx(4.0, rel=0.4)
    for run in runs:
        total = run.trace.potential + run.trace.kinetic
        assert np.ptp(total) < 0.1 * np.ptp(run.trace.kinetic)


def test_drift_is_the_slope_and_fluctuation_what_is_left():
    run = simulate(argon(), crystal(1), steps=100, temperature=10.0, record_every=1)
    total = run.trace.potential + run.trace.kinetic
    slope, offset = np.polyfit(run.trace.time / 1000, 1000 * total, 1)
    assert run.drift == pytest.approx(slope, rel=1e-6, abs=1e-9)
    rest = 1000 * total - slope * run.trace.time / 1000 - offset
    assert run.fluctuation == pytest.approx(rest.std(), rel=1e-6)


def test_velocities_are_seeded():
    runs = [simulate(argon(), crystal(1), steps=20, seed=seed, ensemble="nvt") for seed in (0, 0, 1)]
    assert np.array_equal(runs[0].positions, runs[1].positions)
    assert not np.array_equal(runs[0].positions, runs[2].positions)


def test_the_caller_keeps_structure_and_global_random_numbers():
    atoms = crystal(1)
    before, state = atoms.positions.copy(), np.random.get_state()[1].copy()
    simulate(argon(), atoms, steps=5, ensemble="nvt")
    assert np.array_equal(atoms.positions, before)
    assert not atoms.has("momenta")
    assert np.array_equal(np.random.get_state()[1], state)


def test_a_molecule_starts_without_drifting_or_turning():
    run = simulate(argon(), Atoms("Ar3", [[0, 0, 0], [0, 0, 3.8], [0, 3.8, 0]]), steps=200, temperature=5.0)
    assert np.abs(run.atoms.get_momenta().sum(axis=0)).max() < 1e-10
    assert np.abs(run.atoms.get_angular_momentum()).max() < 1e-10


@pytest.mark.parametrize(
    "bath",
    [
        {"ensemble": "nvt", "friction": 0.04},
        {"ensemble": "nvt", "thermostat": "nose-hoover"},
        {"ensemble": "npt", "relaxation": 200.0, "breathing": 1000.0},
    ],
    ids=["langevin", "nose-hoover", "npt"],
)
def test_the_bath_sets_the_temperature_and_the_sum_with_its_energy_is_conserved(bath):
    run = simulate(argon(), crystal(), steps=500, timestep=8.0, temperature=40.0, record_every=2, **bath)
    assert run.trace.temperature[50:].mean() == pytest.approx(40.0, rel=0.15)
    assert np.ptp(run.trace.potential + run.trace.kinetic) > 1e-3  # eV/atom: the particles alone conserve nothing
    assert run.fluctuation < 0.02  # meV/atom
    assert abs(run.drift) < 0.01


def test_a_ramp_warms_evenly():
    run = simulate(
        argon(), crystal(), steps=300, timestep=10.0, temperature=5.0, final_temperature=45.0, ensemble="nvt",
        friction=0.1, record_every=1,
    )  # fmt: skip
    first, second = run.trace.temperature[50:150].mean(), run.trace.temperature[200:300].mean()
    assert first == pytest.approx(5 + 40 * 100 / 300, rel=0.25)
    assert second == pytest.approx(5 + 40 * 250 / 300, rel=0.25)


def test_a_langevin_run_without_friction_is_newtons():
    choices = {"steps": 50, "timestep": 2.0, "temperature": 30.0}
    newton = simulate(argon(), crystal(1), **choices)
    without = simulate(argon(), crystal(1), ensemble="nvt", friction=0.0, **choices)
    with_it = simulate(argon(), crystal(1), ensemble="nvt", friction=0.01, **choices)
    np.testing.assert_allclose(without.atoms.positions, newton.atoms.positions, atol=1e-11)
    assert np.abs(with_it.atoms.positions - newton.atoms.positions).max() > 1e-3


def test_pressure_squeezes_the_cell_without_changing_its_shape():
    start = crystal()
    choices = {"steps": 250, "timestep": 8.0, "temperature": 20.0, "ensemble": "npt", "breathing": 300.0}
    volumes = []
    for pressure in (0.0, 1.0 * units.GPa):
        run = simulate(argon(), start, pressure=pressure, **choices)
        ratio = run.atoms.cell.array / np.where(start.cell.array == 0, np.inf, start.cell.array)
        assert np.ptp(ratio[ratio != 0]) < 1e-12
        volumes.append(run.atoms.get_volume())
    assert volumes[1] < 0.85 * volumes[0]


def test_held_atoms_stay_and_hold_no_heat():
    atoms = crystal()
    atoms.set_constraint(FixAtoms(range(8)))
    for bath in ({}, {"ensemble": "nvt"}, {"ensemble": "nvt", "thermostat": "nose-hoover"}):
        run = simulate(argon(), atoms, steps=50, timestep=4.0, temperature=30.0, **bath)
        assert np.array_equal(run.atoms.positions[:8], atoms.positions[:8])
        assert np.abs(run.atoms.positions[8:] - atoms.positions[8:]).min(axis=1).max() > 0
        assert run.trace.temperature[0] == pytest.approx(2 * run.trace.kinetic[0] * 32 / (24 * 3 * units.kB))


def test_a_long_run_keeps_few_frames_in_memory(monkeypatch):
    monkeypatch.setattr("intertwine.potentials.simulation.md_run.FRAMES_KEPT", 100)
    run = simulate(argon(), Atoms("Ar", momenta=[[1.0, 0, 0]]), steps=250, record_every=1, temperature=None)
    assert 50 <= len(run.positions) <= 100
    spacing = np.diff(run.positions[:, 0, 0])
    assert np.ptp(spacing) < 1e-9 * spacing[0]
    assert len(run.trace.time) == 251


def test_momenta_can_be_kept():
    atoms = crystal(1)
    MaxwellBoltzmannDistribution(atoms, temperature_K=20.0, rng=np.random.default_rng(3))
    run = simulate(argon(), atoms, steps=10, temperature=None)
    assert run.trace.kinetic[0] == pytest.approx(atoms.get_kinetic_energy() / len(atoms))


def test_records_are_spaced_and_the_last_step_is_among_them(tmp_path):
    shown = []
    run = simulate(
        argon(), crystal(1), steps=25, timestep=2.0, record_every=10, temperature=10.0, trajectory=tmp_path / "run.xyz",
        progress=lambda text, done, steps: shown.append((done, steps)),
    )  # fmt: skip
    assert run.trace.time.tolist() == [0.0, 20.0, 40.0, 50.0]
    frames = read(tmp_path / "run.xyz", require=("energy", "forces"))
    np.testing.assert_allclose([frame.energy.item() / 4 for frame in frames], run.trace.potential, atol=1e-8)
    np.testing.assert_allclose(frames[-1].positions.numpy(), run.atoms.positions, atol=1e-7)
    assert shown[-1] == (25, 25)


def test_a_free_atom_moves_in_a_straight_line():
    atoms = Atoms("Ar", momenta=[[1.0, 0, 0]])
    run = simulate(argon(), atoms, steps=10, timestep=1.0, temperature=None)
    speed = 1.0 / atoms.get_masses()[0] * units.fs
    assert run.atoms.positions[0] == pytest.approx([10 * speed, 0, 0], rel=1e-12)


def test_a_run_that_blows_up_is_a_numerical_failure_that_names_the_time(tmp_path):
    with pytest.raises(NumericalError, match=r"dynamics failed after .* fs") as caught:
        simulate(
            argon(), crystal(1), steps=500, timestep=2000.0, temperature=3000.0, record_every=1,
            trajectory=tmp_path / "run.extxyz",
        )  # fmt: skip
    assert "\n" not in str(caught.value)
    assert len(read(tmp_path / "run.extxyz")) >= 1  # what came before can be read


class Unsure:
    """An estimator whose deviation grows with the distance of the first atom from where it started."""

    def __init__(self):
        self.potential = argon()

    def __call__(self, graph, *, forces=True, stress=False):
        self.start = getattr(self, "start", graph.positions[0])
        far = (graph.positions[0] - self.start).norm()
        nodes = torch.zeros(graph.node_count, dtype=torch.float64)
        nodes[0] = far
        prediction = self.potential(graph, forces=forces, stress=stress)
        return prediction, Deviation(energy=far[None], node_energy=nodes, forces=torch.zeros_like(nodes))


def test_a_run_stops_where_the_potential_grows_unsure():
    choices = {"steps": 200, "timestep": 5.0, "temperature": 40.0, "record_every": 1}
    certain = simulate(argon(), crystal(1), **choices)
    unsure = simulate(argon(), crystal(1), estimator=Unsure(), max_uncertainty=10.0, **choices)
    assert np.array_equal(certain.atoms.positions, unsure.atoms.positions)
    with pytest.raises(NumericalError, match="atom 0 is uncertain by"):
        simulate(argon(), crystal(1), estimator=Unsure(), max_uncertainty=0.05, **choices)
    with pytest.raises(ValueError, match="estimator"):
        simulate(argon(), crystal(1), max_uncertainty=0.05, **choices)


def test_bad_structures_are_refused_before_the_first_step():
    with pytest.raises(GraphError, match="Au"):
        simulate(argon(), Atoms("Au"), steps=10)
    with pytest.raises(ValueError, match="temperature"):
        simulate(argon(), crystal(1), steps=10, temperature=-1.0)
    with pytest.raises(GraphError, match="periodic"):
        simulate(argon(), Atoms("Ar2", [[0, 0, 0], [0, 0, 4.0]]), steps=10, ensemble="npt")
    bound = Atoms("Ar2", [[0, 0, 0], [0, 0, 4.0]], constraint=FixBondLength(0, 1))
    with pytest.raises(GraphError, match="FixBondLength"):
        simulate(argon(), bound, steps=10)
