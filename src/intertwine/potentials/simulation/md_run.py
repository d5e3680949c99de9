"""The loop of molecular dynamics: steps, records, states, and what a run has to show; E(3) acts on positions."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase import Atoms, units
from jaxtyping import Float

from intertwine.potentials.data.hdf5_trajectory import Hdf5Trajectory
from intertwine.potentials.judging.report import EnergyTrace
from intertwine.potentials.simulation.ensembles import Ensemble
from intertwine.potentials.simulation.particles import Particles
from intertwine.potentials.simulation.restart import Progressed, Restart
from intertwine.potentials.simulation.trajectory import TrajectoryFile
from intertwine.potentials.structures.graph import GraphError
from intertwine.training.interruption import Interrupted, stop_requests

Progress = Callable[[str, int, int], None]
"""Called with a line of text, the steps done and the steps in all."""
FRAMES_KEPT = 1000
"""Most frames that a run keeps in memory; beyond it every other one is let go."""
COLUMNS = 5
"""Of a record: time, potential, kinetic, temperature, bath."""


@dataclass(frozen=True, eq=False)
class Dynamics:
    """One run: its last structure, the energies along it, and some frames to look at."""

    atoms: Atoms
    """The last structure with its momenta and calculator."""
    trace: EnergyTrace
    """Energies, eV/atom, and temperature at every recorded step, the start included."""
    bath: Float[np.ndarray, "step"]
    """Energy of thermostat and barostat, eV/atom: the sum of all three is conserved, but on a ramp. 0 in NVE."""
    positions: Float[np.ndarray, "frame node 3"]
    """Evenly spaced recorded frames since the start or restart, at most `FRAMES_KEPT`, Angstrom."""

    @cached_property
    def drift(self) -> float:
        """Slope of the straight line through the conserved energy, meV/atom/ps: what a run gains or loses steadily."""
        return 1000 * self._conserved.drift

    @cached_property
    def fluctuation(self) -> float:
        """Root mean square of the conserved energy about that line, meV/atom: the ripple of a finite time step."""
        return 1000 * self._conserved.spread

    @cached_property
    def _conserved(self) -> EnergyTrace:
        return EnergyTrace(
            self.trace.time, self.trace.potential + self.bath, self.trace.kinetic, self.trace.temperature
        )


class Run:
    """The loop: steps, records, checkpoints."""

    ramp: tuple[float, float] | None = None
    max_uncertainty: float | None = None
    progress: Progress | None = None

    def __init__(
        self,
        particles: Particles,
        ensemble: Ensemble,
        steps: int,
        timestep: float,
        record_every: int,
        begun: Progressed,
    ):
        self.particles, self.ensemble = particles, ensemble
        self.steps, self.timestep, self.record_every = steps, timestep, record_every
        self.step, self.rows = begun.step, array("d", begun.rows.ravel().tolist())
        self.frames, self.stride, self.records = [], 1, 0

    def go(self, file: TrajectoryFile | Hdf5Trajectory, restart: Restart | None, restart_every: int) -> None:
        """From where the run stands to its end."""
        if self.step < 0:
            self.step = 0
            self._record(file)
        else:
            self._keep_frame()
        with stop_requests() as request:
            while self.step < self.steps:
                if self.ramp is not None:
                    first, last = self.ramp
                    self.ensemble.temperature = first + (last - first) * self.step / self.steps
                self.ensemble.step(self.particles)
                self.step += 1
                if self.step % self.record_every == 0 or self.step == self.steps:
                    self._record(file)
                if restart is not None and (self.step % restart_every == 0 or self.step == self.steps or request.asked):
                    rows = np.array(self.rows).reshape(-1, COLUMNS)
                    restart.save(
                        self.particles,
                        self.ensemble,
                        Progressed(self.step, self.particles.degrees_of_freedom, rows, file.mark()),
                    )
                if request.asked:
                    saved = "" if restart is None else f", state saved in {restart.folder}: run it again to go on"
                    raise Interrupted(f"stopped after step {self.step}{saved}.")
                if self.progress:
                    text = f"dynamics  {self.step * self.timestep:.0f} fs  {self._temperature():.0f} K"
                    self.progress(text, self.step, self.steps)

    def result(self) -> Dynamics:
        """What the run has to show."""
        time, potential, kinetic, temperature, bath = np.array(self.rows).reshape(-1, COLUMNS).T
        count = len(self.particles.positions)
        trace = EnergyTrace(time, potential / count, kinetic / count, temperature)
        atoms = self.particles.show()
        atoms.calc = self.particles.calculator
        return Dynamics(atoms, trace, bath / count, np.stack(self.frames))

    def _temperature(self) -> float:
        return 2 * self.particles.kinetic / (self.particles.degrees_of_freedom * units.kB)

    def _record(self, file: TrajectoryFile | Hdf5Trajectory) -> None:
        particles, time = self.particles, self.step * self.timestep
        if not np.isfinite(particles.kinetic):
            raise GraphError("the kinetic energy is not finite.")
        if self.max_uncertainty is not None:
            deviations = particles.results["energies_uncertainty"]
            atom = int(deviations.argmax())
            if deviations[atom] > self.max_uncertainty:
                raise GraphError(
                    f"the energy of atom {atom} is uncertain by {deviations[atom]:.3g} eV, more than "
                    f"{self.max_uncertainty:g}."
                )
        bath = self.ensemble.bath_energy(particles)
        self.rows.extend((time, particles.energy, particles.kinetic, self._temperature(), bath))
        self._keep_frame()
        if file.path is not None:
            atoms = particles.show()
            atoms.calc = particles.calculator
            file.write(atoms, {"time": time})

    def _keep_frame(self) -> None:
        if self.records % self.stride == 0:
            self.frames.append(self.particles.positions.copy())
        self.records += 1
        if len(self.frames) > FRAMES_KEPT:
            self.frames, self.stride = self.frames[::2], 2 * self.stride
