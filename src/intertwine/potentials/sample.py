"""Molecular dynamics at several temperatures: labelled samples of one molecule; O(3) acts on the coordinate axis."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.constraints import FixCom
from ase.md.langevin import Langevin

from intertwine.potentials.graph import GraphError, Source
from intertwine.potentials.label import (
    POSITION_DECIMALS,
    failures_named,
    gfn2,
    isolated_atoms,
    require_place,
    single_point,
)
from intertwine.potentials.molecule import Molecule, relaxed_molecule
from intertwine.potentials.readers import from_atoms, write
from intertwine.potentials.workers import Progress, run_in_processes

TIMESTEP = 0.5  # fs
FRICTION = 0.02  # 1/fs


@dataclass(frozen=True)
class Trajectory:
    """One Langevin run: a temperature (K), a seed, and the sets to cut from it, one after the other."""

    temperature: float
    seed: int
    sets: tuple[tuple[str, int], ...]
    spacing: float
    """Time between frames, fs."""
    equilibration: float
    """Time before the first set, fs."""
    gap: float
    """Time between two sets, fs."""


@dataclass(frozen=True)
class SetSummary:
    """What a reader should know about one set of frames before fitting it."""

    name: str
    frames: int
    energy_mean: float
    """eV."""
    energy_std: float
    """eV."""
    force_rms: float
    """Root mean square over Cartesian components, eV/A: the error of predicting zero."""
    largest_stretch: float
    """Longest bond of the set over its relaxed length."""
    stretched_bond: str


def langevin(molecule: Molecule, temperature: float, seed: int) -> Iterator[Atoms]:
    """The molecule after every step, at `temperature` (K); the centre of mass rests, the molecule may turn."""
    atoms, rng = molecule.atoms.copy(), np.random.default_rng([seed, round(temperature)])
    atoms.calc = gfn2(atoms.numbers, charge=molecule.charge)
    atoms.set_constraint(FixCom())
    spread = np.sqrt(atoms.get_masses() * units.kB * temperature)[:, None]
    atoms.set_momenta(spread * rng.standard_normal((len(atoms), 3)))
    dynamics = Langevin(
        atoms, TIMESTEP * units.fs, temperature_K=temperature, friction=FRICTION / units.fs, fixcm=False, rng=rng
    )
    steps = dynamics.irun(10**9)
    while True:
        with failures_named(f"{temperature:g} K, step {dynamics.nsteps}: ", "try another seed or a lower temperature"):
            next(steps)
        yield atoms


def prepare(smiles: str, seed: int, report: Progress) -> tuple[Molecule, list[Atoms]]:
    """The relaxed molecule and its isolated atoms."""
    report("relax", 0, 1)
    molecule = relaxed_molecule(smiles, seed=seed)
    atoms = isolated_atoms(molecule.atoms.numbers.tolist())
    report("relax", 1, 1)
    return molecule, atoms


def sample(molecule: Molecule, run: Trajectory, report: Progress) -> dict[str, list[Atoms]]:
    """The labelled frames of every set of one trajectory, from fresh single points at rounded positions.

    Raises:
        GraphError: a bond broke, so that later frames would show another molecule.
    """
    wanted = schedule(run)
    last = max(wanted)
    frames: dict[str, list[Atoms]] = {name: [] for name, _ in run.sets}
    for step, atoms in enumerate(langevin(molecule, run.temperature, run.seed)):
        if step in wanted:
            name = wanted.pop(step)
            frame = Atoms(atoms.numbers, atoms.positions.round(POSITION_DECIMALS), info={"config_type": name})
            molecule.refuse_broken(frame.positions, f"{run.temperature:g} K, step {step}")
            frames[name].append(single_point(frame, charge=molecule.charge, source=Source(name, len(frames[name]))))
        if step % 200 == 0 or step == last:
            report(f"{run.temperature:g} K", step, last)
        if step == last:
            break
    return frames


def schedule(run: Trajectory) -> dict[int, str]:
    """Which step belongs to which set."""
    steps, time = {}, run.equilibration - run.gap
    for name, frames in run.sets:
        time += run.gap
        for _ in range(frames):
            time += run.spacing
            steps[round(time / TIMESTEP)] = name
    return steps


def label_molecule(
    smiles: str,
    out: Path | str,
    *,
    temperatures: Sequence[float] = (300.0, 600.0, 1200.0),
    train_frames: int = 500,
    test_frames: int = 200,
    spacing: float = 40.0,
    equilibration: float = 1000.0,
    gap: float = 2000.0,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[SetSummary]:
    """Make a data set of one molecule from its SMILES alone: sampled by Langevin dynamics, labelled with GFN2-xTB.

    The first temperature gives the training set "train_300K" and, after a gap, "test_300K" from the same trajectory;
    each further temperature gives a test set from a trajectory of its own. The isolated atoms come first in the file.

    Positions are rounded to 1e-5 A before they are labelled, so labels belong to the numbers in the file. The same seed
    gives the same frames with the same versions of tblite, RDKit and ASE on the same kind of processor; dynamics is
    chaotic, so elsewhere it gives other frames of the same distribution.

    Args:
        out: an extxyz file, compressed when its name ends in .xz or .gz.
        temperatures: K.
        spacing, equilibration, gap: time between frames, before the first, and between training and test sets, fs.
        workers: processes, one for each core if None.
        progress: called as progress("300 K", steps done, steps in all), a stage for every trajectory, "relax" before.

    Raises:
        GraphError: the SMILES cannot be read or relaxed, or a bond broke on the way. Nothing is written then.
        ImportError: tblite or rdkit is not installed.

    Example:
        >>> sets = label_molecule("CCO", "ethanol.extxyz", train_frames=20, test_frames=5)   # doctest: +SKIP
    """
    require_place(out)
    trajectories = plan(temperatures, train_frames, test_frames, spacing, equilibration, gap, seed)
    ((molecule, atoms),) = run_in_processes(prepare, [(smiles, seed)], progress=progress)
    parts = run_in_processes(
        sample, [(molecule, trajectory) for trajectory in trajectories], workers=workers, progress=progress
    )
    sets = {name: frames for part in parts for name, frames in part.items()}
    write(out, [from_atoms(frame) for frame in chain(atoms, *sets.values())], decimals=POSITION_DECIMALS)
    return [summarise(molecule, name, frames) for name, frames in sets.items()]


def plan(
    temperatures: Sequence[float],
    train_frames: int,
    test_frames: int,
    spacing: float,
    equilibration: float,
    gap: float,
    seed: int,
) -> list[Trajectory]:
    """One trajectory for each temperature; the first also holds the training set."""
    if not temperatures or not all(0 < kelvin < np.inf for kelvin in temperatures):
        raise GraphError(f"temperatures {list(temperatures)}: expected positive numbers, in K")
    if len({round(kelvin) for kelvin in temperatures}) < len(temperatures):
        raise GraphError(f"temperatures {list(temperatures)}: expected each once, 1 K apart or more")
    if train_frames < 1 or test_frames < 0:
        raise GraphError(
            f"expected at least one training frame, got {train_frames} training, {test_frames} test frames"
        )
    if not (TIMESTEP <= spacing < np.inf and 0 <= equilibration < np.inf and 0 <= gap < np.inf):
        raise GraphError(
            f"expected a spacing of at least one time step ({TIMESTEP} fs) and no negative times, "
            f"got spacing {spacing}, equilibration {equilibration}, gap {gap} fs"
        )
    trajectories = []
    for kelvin in temperatures:
        sets = [(f"test_{kelvin:g}K", test_frames)] if test_frames else []
        if not trajectories:
            sets.insert(0, (f"train_{kelvin:g}K", train_frames))
        if sets:
            trajectories.append(Trajectory(kelvin, seed, tuple(sets), spacing, equilibration, gap))
    return trajectories


def summarise(molecule: Molecule, name: str, frames: list[Atoms]) -> SetSummary:
    """The numbers of one set, and its most stretched bond."""
    energy = np.array([frame.get_potential_energy() for frame in frames])
    forces = np.stack([frame.get_forces() for frame in frames])
    stretch = molecule.stretch(np.stack([frame.positions for frame in frames])).max(axis=0, initial=0.0)
    return SetSummary(
        name,
        len(frames),
        energy_mean=float(energy.mean()),
        energy_std=float(energy.std()),
        force_rms=float(np.sqrt((forces**2).mean())),
        largest_stretch=float(stretch.max(initial=0.0)),
        stretched_bond=molecule.name(int(stretch.argmax())) if stretch.size else "",
    )
