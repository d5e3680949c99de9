"""Integrators of the equations of motion; E(3) acts on positions and momenta, thermostats and barostats are scalars.

Written here, and not taken from ASE, for three reasons: all of a run's state has to go into a checkpoint that continues
it bit for bit, and ASE keeps chains and barostats in private attributes; ASE's chains heat 3 N degrees of freedom also
where the whole rests, which is wrong for few atoms; and a step here costs one call of the potential and nothing beside.
Tests compare each with ASE's.
"""

from math import exp
from typing import Any, Protocol, runtime_checkable

import numpy as np
from ase import units

from intertwine.potentials.simulation.particles import Particles


@runtime_checkable
class Ensemble(Protocol):
    """A rule for one time step. `temperature` may be set between steps, K."""

    temperature: float

    def step(self, particles: Particles) -> None:
        """Move positions, momenta and cell on by one time step, and leave the forces up to date."""
        ...

    def bath_energy(self, particles: Particles) -> float:
        """What has to be added to potential and kinetic energy to give the conserved quantity, eV."""
        ...

    def state(self) -> dict[str, Any]:
        """All that a restart needs beside the particles, as JSON values."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        ...


class NVE:
    """Constant energy: velocity Verlet.

        p += dt/2 f;   x += dt p/m;   f = f(x);   p += dt/2 f

    Reference: Swope et al., 1982, J. Chem. Phys. 76, 637.
    """

    def __init__(self, timestep: float):
        self.timestep, self.temperature = timestep * units.fs, 0.0

    def step(self, particles: Particles) -> None:
        """One step of Newton's equations."""
        half = 0.5 * self.timestep
        particles.momenta += half * particles.forces
        particles.positions += self.timestep * particles.momenta * particles.mobility
        particles.update()
        particles.momenta += half * particles.forces

    def bath_energy(self, particles: Particles) -> float:
        """There is no bath."""
        return 0.0

    def state(self) -> dict[str, Any]:
        """Nothing beside the particles."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing to take up."""


class Langevin:
    """Constant temperature by friction and noise on every atom, split as BAOAB.

        B: p += dt/2 f     A: x += dt/2 p/m     O: p = c p + sqrt((1 - c^2) m k_B T) xi,   c = exp(-friction dt)

    The whole may drift and turn: all 3 N degrees of freedom belong to the bath. The bath's energy is minus the heat of
    all O steps, so that the sum of energies shows the error of the time step as it does without a bath.

    Args:
        timestep: fs.
        temperature: K.
        friction: 1/fs.
        rng: of the noise; its state is part of a restart.

    Reference: Leimkuhler and Matthews, 2013, Appl. Math. Res. Express 2013, 34, section 2.
    """

    def __init__(self, timestep: float, temperature: float, friction: float, rng: np.random.Generator):
        self.timestep, self.temperature, self.rng = timestep * units.fs, temperature, rng
        self.kept = exp(-friction * timestep)
        self._heat = 0.0

    def step(self, particles: Particles) -> None:
        """One step, B A O A B."""
        half, p = 0.5 * self.timestep, particles.momenta
        p += half * particles.forces
        particles.positions += half * p * particles.mobility
        before = particles.kinetic
        noise = self.rng.standard_normal(p.shape)
        spread = np.sqrt((1 - self.kept**2) * units.kB * self.temperature * particles.masses)
        p *= self.kept
        p += np.where(particles.mobility > 0, spread, 0.0) * noise
        self._heat += particles.kinetic - before
        particles.positions += half * p * particles.mobility
        particles.update()
        p += half * particles.forces

    def bath_energy(self, particles: Particles) -> float:
        """Minus the heat that has flowed out of the bath."""
        return -self._heat

    def state(self) -> dict[str, Any]:
        """The random numbers to come, and the heat so far."""
        return {"heat": self._heat, "rng": self.rng.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on with the same random numbers."""
        self._heat, self.rng.bit_generator.state = float(state["heat"]), state["rng"]
