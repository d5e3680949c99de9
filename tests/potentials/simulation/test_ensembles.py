"""Our integrators beside ASE's, step by step, where both solve the same equations."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.md import nose_hoover_chain
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from ase.md.verlet import VelocityVerlet
from lennard_jones import argon

from intertwine.potentials.simulation.calculator import Calculator
from intertwine.potentials.simulation.ensembles import NVE
from intertwine.potentials.simulation.nose_hoover import Chain, NoseHoover
from intertwine.potentials.simulation.npt import NPT
from intertwine.potentials.simulation.particles import Particles

STEP, KELVIN, PRESSURE = 4.0, 60.0, 0.001
RELAXATION, BREATHING = 200.0, 1000.0


def start() -> Atoms:
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
    atoms.rattle(0.05, seed=0)
    MaxwellBoltzmannDistribution(atoms, temperature_K=KELVIN, rng=np.random.default_rng(0))
    Stationary(atoms)
    atoms.calc = Calculator(argon())
    return atoms


def theirs(name: str, atoms: Atoms):
    step, bath = STEP * units.fs, {"temperature_K": KELVIN, "tdamp": RELAXATION * units.fs}
    if name == "nve":
        return VelocityVerlet(atoms, step)
    if name == "nose-hoover":
        return nose_hoover_chain.NoseHooverChainNVT(atoms, step, **bath)
    npt = nose_hoover_chain.IsotropicMTKNPT(atoms, step, pressure_au=PRESSURE, pdamp=BREATHING * units.fs, **bath)
    npt._barostat._R[0] /= 9  # ASE's link counts the nine degrees of a free cell, the paper's and ours the volume alone
    return npt


def ours(name: str, degrees: int):
    if name == "nve":
        return NVE(STEP)
    if name == "nose-hoover":
        return NoseHoover(STEP, KELVIN, RELAXATION, degrees)
    return NPT(STEP, KELVIN, PRESSURE, RELAXATION, BREATHING, degrees)


@pytest.mark.parametrize("name", ["nve", "nose-hoover", "npt"])
def test_every_step_is_that_of_ase(name):
    expected = start()
    oracle = theirs(name, expected)
    particles = Particles(start(), Calculator(argon()), stress=name == "npt")
    ensemble = ours(name, degrees=12)  # ASE heats all of them, also those of the whole
    for _ in range(60):
        oracle.run(1)
        ensemble.step(particles)
        np.testing.assert_allclose(particles.positions, expected.positions, atol=2e-10)
        np.testing.assert_allclose(particles.momenta, expected.get_momenta(), atol=2e-10)
        np.testing.assert_allclose(particles.cell, expected.cell.array, atol=2e-10)
    if name != "nve":
        total = particles.energy + particles.kinetic + ensemble.bath_energy(particles)
        assert total == pytest.approx(oracle.get_conserved_energy(), abs=1e-9)
        other = Particles(start(), Calculator(argon()), stress=name == "npt")
        fewer = ours(name, degrees=9)
        for _ in range(60):
            fewer.step(other)
        assert np.abs(other.positions - expected.positions).max() > 1e-4


def test_a_chain_of_one_heats_what_is_cold_and_cools_what_is_hot():
    for twice_kinetic, sign in ((0.1, 1), (10.0, -1)):
        chain = Chain(3, 1 / units.kB, 1.0, length=1)
        factors = [chain.stretch(twice_kinetic, 1 / units.kB, 0.01) for _ in range(3)]
        assert all(sign * (factor - 1) > 0 for factor in factors)


@pytest.mark.parametrize(
    ("atoms", "resting"),
    [
        (Atoms("Ar", cell=[9, 9, 9], pbc=True), 3),
        (Atoms("Ar2", [[0, 0, 0], [0, 0, 4]]), 5),
        (Atoms("Ar3", [[0, 0, 0], [0, 0, 4], [0, 4, 0]]), 6),
        (Atoms("Ar3", [[0, 0, 0], [0, 0, 4], [0, 0, 8]]), 5),
        (Atoms("Ar2", [[0, 0, 0], [0, 0, 4]], momenta=[[0, 0, 1], [0, 0, 1]]), 0),
        (Atoms("Ar2", [[0, 0, 0], [0, 0, 4]], momenta=[[1, 0, 0], [-1, 0, 0]]), 3),
    ],
)
def test_degrees_of_freedom_that_rest_for_good_are_counted(atoms, resting):
    assert Particles(atoms, Calculator(argon())).count_conserved() == resting
