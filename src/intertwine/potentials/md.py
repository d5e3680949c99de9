"""Molecular dynamics through ASE, Newton's or Langevin's equations; E(3) acts on positions and momenta."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary, ZeroRotation
from ase.md.verlet import VelocityVerlet
from jaxtyping import Float

from intertwine.potentials.calculator import Calculator
from intertwine.potentials.graph import Graph, GraphError
from intertwine.potentials.potential import Potential
from intertwine.potentials.report import EnergyTrace
from intertwine.potentials.trajectory import TrajectoryFile, bare
from intertwine.training.loop import NumericalError

Progress = Callable[[str, int, int], None]
"""Called with a line of text, the steps done and the steps in all."""


@dataclass(frozen=True, eq=False)
class Dynamics:
    """One run: its last structure, the energies along it, and some frames to look at."""

    atoms: Atoms
    """The last structure with its momenta and calculator."""
    trace: EnergyTrace
    """Energies, eV/atom, and temperature at every recorded step, the start included."""
    positions: Float[np.ndarray, "frame node 3"]
    """The structure at the recorded steps, Angstrom."""

    @cached_property
    def drift(self) -> float:
        """Slope of the straight line through the total energy, meV/atom/ps: what a run gains or loses steadily."""
        return 1000 * self.trace.drift

    @cached_property
    def fluctuation(self) -> float:
        """Root mean square of the total energy about that line, meV/atom: the ripple of a finite time step."""
        total, time = self.trace.potential + self.trace.kinetic, self.trace.time - self.trace.time.mean()
        return float(1000 * (total - total.mean() - self.trace.drift / 1000 * time).std())


def simulate(
    potential: Potential,
    structure: Graph | Atoms,
    *,
    steps: int,
    timestep: float = 0.5,
    temperature: float | None = 300.0,
    ensemble: Literal["nve", "nvt"] = "nve",
    friction: float = 0.01,
    seed: int = 0,
    record_every: int = 10,
    trajectory: Path | str | None = None,
    progress: Progress | None = None,
) -> Dynamics:
    """Let the atoms move: at constant energy (velocity Verlet), or coupled to a bath (Langevin).

    Starting velocities are drawn from the Maxwell-Boltzmann distribution at `temperature`, without motion of the whole;
    a molecule does not rotate either. From a relaxed structure half of that energy becomes potential energy, so that an
    NVE run settles near half the temperature. The structure that was given is not changed.

    Args:
        timestep: fs. 0.5 suits structures with hydrogen; a drift that grows with it says that it is too long.
        temperature: K. None keeps the momenta that the atoms have, for NVE.
        friction: 1/fs, of the Langevin bath.
        seed: of the velocities and of the bath.
        record_every: steps between records, of the trace and of the trajectory alike.
        trajectory: an extended XYZ file with positions, momenta, energy, forces, and time in fs.

    Raises:
        GraphError: the structure cannot be computed with.
        NumericalError: the run blew up: atoms collided or a number is not finite.

    Example:
        >>> run = simulate(potential, atoms, steps=2000, temperature=300.0, seed=0)  # doctest: +SKIP
        >>> run.drift, run.fluctuation  # doctest: +SKIP

    Reference: Swope et al., 1982, J. Chem. Phys. 76, 637 (velocity Verlet); Vanden-Eijnden and Ciccotti, 2006 (ASE's
    Langevin).
    """
    if ensemble not in ("nve", "nvt"):
        raise ValueError(f'simulate: ensemble must be "nve" or "nvt", got {ensemble!r}.')
    if steps < 1 or record_every < 1 or not timestep > 0:
        raise ValueError(
            f"simulate: steps, record_every and timestep must be positive, got {steps}, {record_every} and {timestep}."
        )
    if ensemble == "nvt" and temperature is None:
        raise ValueError("simulate: an nvt run needs a temperature for its bath.")
    atoms, rng = bare(structure), np.random.default_rng(seed)
    atoms.calc = Calculator(potential)
    atoms.get_potential_energy()  # a bad structure is an error of the input, whatever comes later is not
    if temperature is not None:
        _draw_velocities(atoms, temperature, rng)
    if ensemble == "nvt":
        dynamics = Langevin(
            atoms, timestep * units.fs, temperature_K=temperature, friction=friction / units.fs, rng=rng, fixcm=False
        )
    else:
        dynamics = VelocityVerlet(atoms, timestep * units.fs)
    rows, positions = [], []
    with TrajectoryFile(trajectory) as file:
        step = -1
        try:
            for step, _ in enumerate(dynamics.irun(steps)):
                potential_energy, kinetic = atoms.get_potential_energy(), atoms.get_kinetic_energy()
                if not np.isfinite(kinetic):
                    raise GraphError("the kinetic energy is not finite.")
                if step % record_every == 0 or step == steps:
                    rows.append((step * timestep, potential_energy, kinetic, atoms.get_temperature()))
                    positions.append(atoms.positions.copy())
                    file.write(atoms, {"time": step * timestep})
                if progress:
                    progress(f"dynamics  {step * timestep:.0f} fs  {atoms.get_temperature():.0f} K", step, steps)
        except GraphError as error:
            raise NumericalError(
                f"dynamics failed after {max(step, 0) * timestep:g} fs: {error} Try a shorter time step or a lower "
                "temperature, or train on hotter structures."
            ) from error
    time, potential_energies, kinetic_energies, temperatures = np.array(rows).T
    count = len(atoms)
    trace = EnergyTrace(time, potential_energies / count, kinetic_energies / count, temperatures)
    return Dynamics(atoms, trace, np.stack(positions))


def _draw_velocities(atoms: Atoms, temperature: float, rng: np.random.Generator) -> None:
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"simulate: temperature must be at least 0 K, got {temperature}.")
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    Stationary(atoms)
    if not atoms.pbc.any() and len(atoms) > 1:
        ZeroRotation(atoms)
