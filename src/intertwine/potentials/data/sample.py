"""Molecular dynamics at several temperatures: labelled samples of one molecule; O(3) acts on the coordinate axis."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.constraints import FixCom
from ase.md.langevin import Langevin

from intertwine.potentials.data.label import (
    POSITION_DECIMALS,
    failures_named,
    gfn2,
    isolated_atoms,
    require_place,
    single_point,
)
from intertwine.potentials.data.molecule import Molecule, relaxed_molecule
from intertwine.potentials.data.readers import from_atoms, write
from intertwine.potentials.data.workers import Progress, run_in_processes
from intertwine.potentials.structures.graph import GraphError, Source

TIMESTEP = 0.5  # fs
FRICTION = 0.02  # 1/fs


@dataclass(frozen=True)
class Trajectory:
    """One Langevin run: a temperature (K), a seed, and the sets to cut from it, one after the other."""

    temperature: float
    walker: int
    """Which of the molecule's conformers it starts from, counted from 0."""
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


def langevin(molecule: Molecule, temperature: float, *seeds: int) -> Iterator[Atoms]:
    """The molecule after every step, at `temperature` (K); the centre of mass rests, the molecule may turn."""
    atoms, rng = molecule.atoms.copy(), np.random.default_rng([*seeds, round(temperature)])
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


def prepare(smiles: str, seed: int, walkers: int, report: Progress) -> tuple[list[Molecule], list[Atoms]]:
    """A relaxed conformer for every walker, and the isolated atoms."""
    molecules = []
    for walker in range(walkers):
        report("relax", walker, walkers)
        molecules.append(relaxed_molecule(smiles, seed=seed + walker))
    atoms = isolated_atoms(molecules[0].atoms.numbers.tolist())
    report("relax", walkers, walkers)
    return molecules, atoms


def sample(molecule: Molecule, run: Trajectory, report: Progress) -> dict[str, list[Atoms]]:
    """The labelled frames of every set of one trajectory, from fresh single points at rounded positions.

    Raises:
        GraphError: a bond broke, so that later frames would show another molecule.
    """
    wanted = schedule(run)
    last = max(wanted)
    frames: dict[str, list[Atoms]] = {name: [] for name, _ in run.sets}
    for step, atoms in enumerate(langevin(molecule, run.temperature, run.seed, run.walker)):
        if step in wanted:
            name = wanted.pop(step)
            frame = Atoms(atoms.numbers, atoms.positions.round(POSITION_DECIMALS), info={"config_type": name})
            molecule.refuse_broken(frame.positions, f"{run.temperature:g} K, step {step}")
            frames[name].append(single_point(frame, charge=molecule.charge, source=Source(name, len(frames[name]))))
        if step % 200 == 0 or step == last:
            report(f"{run.temperature:g} K, walker {run.walker + 1}", step, last)
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
    walkers: int = 5,
    spacing: float = 40.0,
    equilibration: float = 1000.0,
    gap: float = 2000.0,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[SetSummary]:
    """Make a data set of one molecule from its SMILES alone: sampled by Langevin dynamics, labelled with GFN2-xTB.

    At each temperature several walkers share the frames, each on a trajectory of its own from a conformer of its own:
    a single walker may stay in one conformer for as long as it trains a model, and leave it for the test. The first
    temperature gives the training set "train_300K" and, after a gap on each trajectory, "test_300K"; the others give
    test sets. The isolated atoms come first in the file.

    Positions are rounded to 1e-5 A before they are labelled, so labels belong to the numbers in the file. The same seed
    gives the same frames with the same versions of tblite, RDKit and ASE on the same kind of processor; dynamics is
    chaotic, so elsewhere it gives other frames of the same distribution.

    Args:
        out: an extxyz file, compressed when its name ends in .xz or .gz.
        temperatures: K.
        train_frames, test_frames: in all, over the walkers.
        spacing, equilibration, gap: time between frames, before the first, and between training and test sets, fs.
        workers: processes, one for each core if None.
        progress: called as progress("300 K, walker 1", steps done, steps in all) for every trajectory, "relax" before.

    Raises:
        GraphError: the SMILES cannot be read or relaxed, or a bond broke on the way. Nothing is written then.
        ImportError: tblite or rdkit is not installed.

    Example:
        >>> sets = label_molecule("CCO", "ethanol.extxyz", train_frames=20, test_frames=5)   # doctest: +SKIP
    """
    require_place(out)
    trajectories = plan(temperatures, train_frames, test_frames, walkers, spacing, equilibration, gap, seed)
    ((molecules, atoms),) = run_in_processes(prepare, [(smiles, seed, walkers)], progress=progress)
    parts = run_in_processes(
        sample, [(molecules[run.walker], run) for run in trajectories], workers=workers, progress=progress
    )
    sets: dict[str, list[Atoms]] = {}
    for part in parts:
        for name, frames in part.items():
            sets.setdefault(name, []).extend(frames)
    write(out, [from_atoms(frame) for frame in chain(atoms, *sets.values())], decimals=POSITION_DECIMALS)
    return [summarise(molecules[0], name, frames) for name, frames in sets.items()]


def plan(
    temperatures: Sequence[float],
    train_frames: int,
    test_frames: int,
    walkers: int,
    spacing: float,
    equilibration: float,
    gap: float,
    seed: int,
) -> list[Trajectory]:
    """One trajectory for each temperature and walker; those of the first temperature also hold the training set."""
    if not temperatures or not all(0 < kelvin < np.inf for kelvin in temperatures):
        raise GraphError(f"temperatures {list(temperatures)}: expected positive numbers, in K")
    if len({round(kelvin) for kelvin in temperatures}) < len(temperatures):
        raise GraphError(f"temperatures {list(temperatures)}: expected each once, 1 K apart or more")
    if train_frames < 1 or test_frames < 0 or walkers < 1:
        raise GraphError(
            f"expected at least one training frame and one walker, got {train_frames} training frames, "
            f"{test_frames} test frames and {walkers} walkers"
        )
    if not (TIMESTEP <= spacing < np.inf and 0 <= equilibration < np.inf and 0 <= gap < np.inf):
        raise GraphError(
            f"expected a spacing of at least one time step ({TIMESTEP} fs) and no negative times, "
            f"got spacing {spacing}, equilibration {equilibration}, gap {gap} fs"
        )
    trajectories = []
    for kelvin in temperatures:
        for walker in range(walkers):
            sets = [(f"test_{kelvin:g}K", share(test_frames, walkers, walker))]
            if kelvin == temperatures[0]:
                sets.insert(0, (f"train_{kelvin:g}K", share(train_frames, walkers, walker)))
            sets = tuple((name, frames) for name, frames in sets if frames)
            if sets:
                trajectories.append(Trajectory(kelvin, walker, seed, sets, spacing, equilibration, gap))
    return trajectories


def share(frames: int, walkers: int, walker: int) -> int:
    """How many of the frames one walker takes; the first ones take one more where they do not divide.

    Example:
        >>> [share(7, 3, walker) for walker in range(3)]
        [3, 2, 2]
    """
    return frames // walkers + (walker < frames % walkers)


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
