"""Dynamics at constant pressure: positions, cell and momenta are stretched alike, which commutes with O(3)."""

from math import exp, expm1
from typing import Any

from ase import units

from intertwine.potentials.simulation.nose_hoover import Chain
from intertwine.potentials.simulation.particles import Particles


class NPT:
    r"""Constant temperature and pressure: the cell breathes, its shape stays; chains for particles and for the volume.

        dx/dt = p/m + e x,    dp/dt = f - a e p,    dh/dt = e h,    a = 1 + 3/degrees
        W de/dt = 3 V (P_inside - pressure) + 3/degrees sum p^2/m,    W = (degrees + 3) k_B T time^2

    Args:
        timestep: fs.
        temperature: K.
        pressure: eV/Angstrom^3.
        relaxation, breathing: times in which thermostats and volume react, fs.
        degrees: of freedom that are not at rest for good.

    Reference: Martyna, Tobias, Klein, 1994, J. Chem. Phys. 101, 4177; the factorisation: Tuckerman et al., 2006,
    J. Phys. A 39, 5629.
    """

    def __init__(
        self, timestep: float, temperature: float, pressure: float, relaxation: float, breathing: float, degrees: int
    ):
        self.timestep, self.temperature, self.pressure, self.degrees = (
            timestep * units.fs,
            temperature,
            pressure,
            degrees,
        )
        self.mass = (degrees + 3) * units.kB * temperature * (breathing * units.fs) ** 2
        self.particle_chain = Chain(degrees, temperature, relaxation * units.fs)
        self.volume_chain = Chain(1, temperature, breathing * units.fs)
        self.rate = 0.0
        """e: relative growth of every length per time."""

    def step(self, particles: Particles) -> None:
        """Chains, volume, momenta for half a step; positions and cell for one; and the halves in reverse."""
        half = 0.5 * self.timestep
        self._turn_chains(particles, half, volume_first=True)
        self._push_volume(particles, half)
        self._push(particles, half)
        growth = self.timestep * self.rate
        particles.positions *= exp(growth)
        particles.positions += self.timestep * relative_exponential(growth) * particles.momenta * particles.mobility
        particles.cell *= exp(growth)
        particles.update()
        self._push(particles, half)
        self._push_volume(particles, half)
        self._turn_chains(particles, half, volume_first=False)

    def _turn_chains(self, particles: Particles, dt: float, *, volume_first: bool) -> None:
        for volume in (volume_first, not volume_first):
            if volume:
                self.rate *= self.volume_chain.stretch(self.mass * self.rate**2, self.temperature, dt)
            else:
                particles.momenta *= self.particle_chain.stretch(2 * particles.kinetic, self.temperature, dt)

    def _push_volume(self, particles: Particles, dt: float) -> None:
        twice_kinetic, volume = 2 * particles.kinetic, particles.volume
        work = twice_kinetic + 3 * volume * (particles.pressure - self.pressure)
        self.rate += dt * (work + 3 / self.degrees * twice_kinetic) / self.mass

    def _push(self, particles: Particles, dt: float) -> None:
        drag = dt * (1 + 3 / self.degrees) * self.rate
        particles.momenta *= exp(-drag)
        particles.momenta += dt * relative_exponential(-drag) * particles.forces

    def bath_energy(self, particles: Particles) -> float:
        """Energy of both chains, of the moving cell, and of the volume against the pressure."""
        chains = self.particle_chain.energy(self.temperature) + self.volume_chain.energy(self.temperature)
        return chains + 0.5 * self.mass * self.rate**2 + self.pressure * particles.volume

    def state(self) -> dict[str, Any]:
        """Both chains and the rate of the volume."""
        return {"rate": self.rate, "particles": self.particle_chain.state(), "volume": self.volume_chain.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        self.rate = float(state["rate"])
        self.particle_chain.restore(state["particles"])
        self.volume_chain.restore(state["volume"])


def relative_exponential(x: float) -> float:
    """(exp(x) - 1) / x, 1 at 0: the mean of exp over [0, x].

    Example:
        >>> relative_exponential(0.0), round(relative_exponential(1.0), 6)
        (1.0, 1.718282)
    """
    return expm1(x) / x if x else 1.0
