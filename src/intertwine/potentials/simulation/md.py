"""Molecular dynamics at constant energy, temperature or pressure; E(3) acts on positions and momenta."""

from pathlib import Path
from typing import Literal

import numpy as np
from ase import Atoms
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary, ZeroRotation

from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.uncertainty import Estimator
from intertwine.potentials.simulation.calculator import Calculator
from intertwine.potentials.simulation.dispersion import with_dispersion
from intertwine.potentials.simulation.ensembles import NVE, Ensemble, Langevin
from intertwine.potentials.simulation.md_run import COLUMNS, Dynamics, Progress, Run
from intertwine.potentials.simulation.nose_hoover import NoseHoover
from intertwine.potentials.simulation.npt import NPT
from intertwine.potentials.simulation.particles import Particles
from intertwine.potentials.simulation.restart import Progressed, Restart, digest
from intertwine.potentials.simulation.trajectory import bare, open_trajectory
from intertwine.potentials.structures.graph import Graph, GraphError
from intertwine.training.run import NumericalError


def simulate(
    potential: Potential,
    structure: Graph | Atoms,
    *,
    steps: int,
    timestep: float = 0.5,
    temperature: float | None = 300.0,
    final_temperature: float | None = None,
    ensemble: Literal["nve", "nvt", "npt"] = "nve",
    thermostat: Literal["langevin", "nose-hoover"] = "langevin",
    friction: float = 0.01,
    relaxation: float | None = None,
    pressure: float = 0.0,
    breathing: float | None = None,
    seed: int = 0,
    record_every: int = 10,
    trajectory: Path | str | None = None,
    restart: Path | str | None = None,
    restart_every: int = 1000,
    estimator: Estimator | None = None,
    max_uncertainty: float | None = None,
    dispersion: str | None = None,
    progress: Progress | None = None,
) -> Dynamics:
    """Let the atoms move: at constant energy (velocity Verlet), in a bath (Langevin or Nose-Hoover), under pressure.

    Starting velocities are drawn from the Maxwell-Boltzmann distribution at `temperature`, without motion of the whole;
    a molecule does not rotate either. From a relaxed structure half of that energy becomes potential energy, so that an
    NVE run settles near half the temperature. Temperatures count the degrees of freedom that can move: not those of the
    whole where it rests for good. The structure that was given is not changed; atoms that `FixAtoms` holds stay.

    A run with a `restart` folder writes its state there now and then. The same call continues it after a crash, and
    every number from then on has the bits of a run that never stopped; with more `steps` it goes on further. Frames of
    the trajectory that were written after the state are cut off first and come again.

    Args:
        steps: in all, those before a restart included.
        timestep: fs. 0.5 suits structures with hydrogen; a drift that grows with it says that it is too long.
        temperature: K. None keeps the momenta that the atoms have, for NVE.
        final_temperature: K, for a bath that warms or cools evenly from `temperature` to it.
        ensemble: "npt" lets the cell breathe with its shape fixed, always with Nose-Hoover chains.
        thermostat: of "nvt".
        friction: 1/fs, of the Langevin bath.
        relaxation: time in which a Nose-Hoover chain reacts, fs; 100 time steps if None.
        pressure: eV/A^3 (1 GPa is 0.00624).
        breathing: time in which the volume reacts, fs; 1000 time steps if None.
        seed: of the velocities and of the bath.
        record_every: steps between records, of the trace and of the trajectory alike.
        trajectory: an extended XYZ or HDF5 file (.h5) with positions, momenta, energy, forces, and time in fs.
        restart: folder for the state; continued if it is there.
        restart_every: steps between two states.
        estimator: knows how sure the potential is, a `Committee` or a `LastLayer`.
        max_uncertainty: stop at a record where the energy of an atom has a larger standard deviation, eV.
        dispersion: functional whose D3 is added to the potential, see `with_dispersion`.

    Raises:
        GraphError: the structure cannot be computed with.
        DispersionError: no D3 for this functional or these elements.
        NumericalError: the run blew up: atoms collided or a number is not finite; or it grew too uncertain.
        CheckpointError: the restart folder is damaged, or of another run.

    Example:
        >>> run = simulate(potential, atoms, steps=2000, temperature=300.0, seed=0)  # doctest: +SKIP
        >>> run.drift, run.fluctuation  # doctest: +SKIP

    References: at `ensembles.NVE`, `ensembles.Langevin`, `nose_hoover.Chain` and `npt.NPT`.
    """
    if ensemble not in ("nve", "nvt", "npt") or thermostat not in ("langevin", "nose-hoover"):
        raise ValueError(
            'simulate: ensemble must be "nve", "nvt" or "npt" and thermostat "langevin" or "nose-hoover", got '
            f"{ensemble!r} and {thermostat!r}."
        )
    if min(steps, record_every, restart_every) < 1 or not timestep > 0:
        raise ValueError(
            f"simulate: steps, record_every, restart_every and timestep must be positive, got {steps}, {record_every}, "
            f"{restart_every} and {timestep}."
        )
    if ensemble != "nve" and temperature is None:
        raise ValueError(f"simulate: an {ensemble} run needs a temperature for its bath.")
    if final_temperature is not None and ensemble == "nve":
        raise ValueError("simulate: final_temperature needs a bath; choose nvt or npt.")
    for name, kelvin in (("temperature", temperature), ("final_temperature", final_temperature)):
        lowest = 0.0 if ensemble == "nve" or (thermostat == "langevin" and ensemble == "nvt") else 1e-3
        if kelvin is not None and not lowest <= kelvin < float("inf"):
            raise ValueError(f"simulate: {name} must be at least {lowest:g} K, got {kelvin}.")
    if max_uncertainty is not None and estimator is None:
        raise ValueError("simulate: max_uncertainty needs an estimator; a Committee or a LastLayer is one.")
    atoms, rng = bare(structure), np.random.default_rng(seed)
    calculator = Calculator(potential, estimator=estimator)
    if dispersion is not None:
        calculator = with_dispersion(calculator, dispersion)
    if ensemble == "npt" and (not atoms.pbc.all() or atoms.constraints):
        raise GraphError(
            f"{atoms.symbols}: npt needs a structure that is periodic along all three directions and no held atoms."
        )
    particles = Particles(atoms, calculator, stress=ensemble == "npt")  # a bad structure is an error of the input
    settings = {
        **digest(potential, particles),
        "ensemble": ensemble, "thermostat": thermostat, "timestep": timestep, "temperature": temperature,
        "friction": friction, "relaxation": relaxation, "pressure": pressure, "breathing": breathing, "seed": seed,
        "record_every": record_every, "trajectory": trajectory is not None,
        "ramp": None if final_temperature is None else [final_temperature, steps],
        "dispersion": dispersion,
    }  # fmt: skip
    if temperature is not None:
        _draw_velocities(particles, temperature, rng)
    relaxation, breathing = relaxation or 100 * timestep, breathing or 1000 * timestep
    dynamics: Ensemble
    if ensemble == "nvt" and thermostat == "langevin":
        dynamics = Langevin(timestep, temperature or 0.0, friction, rng)
    else:
        particles.degrees_of_freedom = max(particles.degrees_of_freedom - particles.count_conserved(), 1)
        degrees = particles.degrees_of_freedom
        if ensemble == "nve":
            dynamics = NVE(timestep)
        elif ensemble == "nvt":
            dynamics = NoseHoover(timestep, temperature or 0.0, relaxation, degrees)
        else:
            dynamics = NPT(timestep, temperature or 0.0, pressure, relaxation, breathing, degrees)
    kept = None if restart is None else Restart(restart, settings)
    if kept is not None and kept.exists():
        begun = kept.load(particles, dynamics)
    else:
        begun = Progressed(-1, particles.degrees_of_freedom, np.empty((0, COLUMNS)), None)
    run = Run(particles, dynamics, steps, timestep, record_every, begun)
    run.ramp = None if final_temperature is None or temperature is None else (temperature, final_temperature)
    run.max_uncertainty, run.progress = max_uncertainty, progress
    room = len(begun.rows) + max(steps - begun.step, 0) // record_every + 2  # the start, and a last one out of turn
    with open_trajectory(trajectory, frames=room, mark=begun.mark) as file:
        try:
            run.go(file, kept, restart_every)
        except (GraphError, OverflowError) as error:
            what = "a number grew beyond all bounds." if isinstance(error, OverflowError) else error
            raise NumericalError(
                f"dynamics failed after {max(run.step, 0) * timestep:g} fs: {what} Try a shorter time step, a lower "
                "temperature or pressure, or train on hotter structures."
            ) from error
    return run.result()


def _draw_velocities(particles: Particles, temperature: float, rng: np.random.Generator) -> None:
    """Draw momenta, in place; the whole rests unless atoms are held."""
    atoms = particles.atoms.copy()
    atoms.constraints = []
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    if not particles.fixed.any():
        Stationary(atoms, preserve_temperature=False)
        if not atoms.pbc.any() and len(atoms) > 1:
            ZeroRotation(atoms, preserve_temperature=False)
    particles.momenta[:] = np.where(particles.mobility > 0, atoms.get_momenta(), 0.0)
