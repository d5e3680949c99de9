"""Nose-Hoover chains, a thermostat without noise: it stretches all momenta alike, which commutes with O(3)."""

from math import exp
from typing import Any

from ase import units

from intertwine.potentials.simulation.ensembles import NVE
from intertwine.potentials.simulation.particles import Particles

SUZUKI = 1 / (2 - 2 ** (1 / 3))
FOURTH_ORDER = (SUZUKI, 1 - 2 * SUZUKI, SUZUKI)
"""Lengths of the parts of a step, Suzuki and Yoshida's composition of fourth order."""


class Chain:
    """A Nose-Hoover chain: a thermostat, a thermostat of the thermostat, and so on; it stretches momenta by a factor.

        d x_k / dt = v_k,    Q_k d v_k / dt = Q_{k-1} v_{k-1}^2 - k_B T - Q_k v_k v_{k+1}
        Q_1 d v_1 / dt = twice_kinetic - degrees k_B T - Q_1 v_1 v_2,     Q_k = k_B T time^2 (times degrees for k = 1)

    Reference: Martyna, Klein, Tuckerman, 1992, J. Chem. Phys. 97, 2635; the steps: Martyna et al., 1996, Mol. Phys. 87,
    1117, equations (29) to (33).
    """

    def __init__(self, degrees: int, temperature: float, time: float, length: int = 3):
        self.degrees = degrees
        self.counts = [float(degrees)] + [1.0] * (length - 1)
        self.masses = [count * units.kB * temperature * time**2 for count in self.counts]
        self.x, self.v = [0.0] * length, [0.0] * length

    def stretch(self, twice_kinetic: float, temperature: float, dt: float) -> float:
        """Move the chain on by dt, and return what the momenta have to be multiplied by."""
        thermal, last, total = units.kB * temperature, len(self.v) - 1, 1.0
        order = [*range(last, -1, -1), None, *range(last + 1)]
        for part in FOURTH_ORDER:
            step = part * dt
            for k in order:
                if k is None:
                    factor = exp(-step * self.v[0])
                    total *= factor
                    twice_kinetic *= factor**2
                    for link in range(last + 1):
                        self.x[link] += step * self.v[link]
                    continue
                drive = twice_kinetic if k == 0 else self.masses[k - 1] * self.v[k - 1] ** 2
                slow = exp(-step / 4 * self.v[k + 1]) if k < last else 1.0
                push = step / 2 * (drive - self.counts[k] * thermal) / self.masses[k]
                self.v[k] = (self.v[k] * slow + push) * slow
        return total

    def energy(self, temperature: float) -> float:
        """Of the chain, eV."""
        kinetic = sum(0.5 * mass * v**2 for mass, v in zip(self.masses, self.v))
        return kinetic + units.kB * temperature * sum(count * x for count, x in zip(self.counts, self.x))

    def state(self) -> dict[str, Any]:
        """Positions and velocities of all links."""
        return {"x": list(self.x), "v": list(self.v)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        self.x, self.v = [float(x) for x in state["x"]], [float(v) for v in state["v"]]
        if not len(self.x) == len(self.v) == len(self.masses):
            raise ValueError(f"expected {len(self.masses)} links of the chain, got {len(self.x)} and {len(self.v)}")


class NoseHoover:
    """Constant temperature without noise: a Nose-Hoover chain around velocity Verlet.

    Args:
        timestep: fs.
        temperature: K.
        relaxation: time in which the chain reacts, fs.
        degrees: of freedom that are not at rest for good.

    Reference: as `Chain`.
    """

    def __init__(self, timestep: float, temperature: float, relaxation: float, degrees: int):
        self.verlet, self.temperature = NVE(timestep), temperature
        self.chain = Chain(degrees, temperature, relaxation * units.fs)

    def step(self, particles: Particles) -> None:
        """Half a step of the chain, one of the particles, half a step of the chain."""
        half = 0.5 * self.verlet.timestep
        particles.momenta *= self.chain.stretch(2 * particles.kinetic, self.temperature, half)
        self.verlet.step(particles)
        particles.momenta *= self.chain.stretch(2 * particles.kinetic, self.temperature, half)

    def bath_energy(self, particles: Particles) -> float:
        """Energy of the chain."""
        return self.chain.energy(self.temperature)

    def state(self) -> dict[str, Any]:
        """The chain."""
        return self.chain.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the chain."""
        self.chain.restore(state)
