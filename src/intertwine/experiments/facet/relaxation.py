"""Rattled crystals brought back to rest by one and the same model, in mace-torch and here; E(3) acts on the cells.

A model of mace-torch is trained a little on an alloy that effective-medium theory describes, and converted. Both sides
then take the same steps downhill, with ASE's BFGS and cell filter on either side, until no force is left.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from intertwine.experiments.bench.peers import Place, find_side, repository
from intertwine.experiments.bench.pipe import Worker, WorkerError
from intertwine.experiments.bench.row import Side
from intertwine.experiments.experiment import Stage
from intertwine.experiments.outcome import Column, Number, Row, Table
from intertwine.experiments.verdict import Finding, Verdict, stays_below
from intertwine.potentials.engines import export_from_mace
from intertwine.potentials.engines.convert_mace import convert_mace
from intertwine.potentials.models.tabulate import tabulate
from intertwine.potentials.simulation.calculator import Calculator

MACE, SAME, TABLES = "mace-torch", "the same weights here", "and radial tables"
PEER = Side(MACE, environment="mace", script="mace_relax_worker.py")
FMAX, MOST_STEPS = 0.01, 200
"""eV/Angstrom, on atoms and cell."""
AGREE = 1e-4
"""eV an atom between the energies at rest."""
PAPER = 2.0
"""Times faster than MACE in the relaxation of crystals, each with its own model."""
BUILD_LIMIT = 600.0


@dataclass(frozen=True)
class Cells:
    """How much to train on, and how many cells of 32 atoms to relax."""

    starts: int
    frames: int = 30
    channels: int = 16
    training_steps: int = 40


@dataclass(frozen=True)
class Relaxed:
    """How one side relaxed the cells, one after the other."""

    seconds: Sequence[float]
    steps: Sequence[int]
    energies: Sequence[float]
    """At rest, eV an atom."""


def measure(size: Cells, seed: int, report: Stage) -> dict[str, Relaxed] | str:
    """All sides in turns, cell after cell; or in one line why there is nothing to compare with."""
    place = find_side(PEER, repository())
    if not isinstance(place, Place):
        return f"mace-torch is {place}"
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _compare(place, size, seed, Path(folder), report)
    except WorkerError as error:
        return f"mace-torch failed: {error}"


def _compare(place: Place, size: Cells, seed: int, folder: Path, report: Stage) -> dict[str, Relaxed]:
    rng = np.random.default_rng(seed)
    frames, starts = ([rattled(rng) for _ in range(count)] for count in (size.frames, size.starts))
    _leave(folder, frames, starts)
    case = {
        **{name: str(folder / name) for name in ("model", "exported", "ends")},
        "exporter": export_from_mace.__file__,
        **{"seed": seed, "cutoff": 4.5, "hidden": f"{size.channels}x0e+{size.channels}x1o"},
        **{"batch": 2, "learning_rate": 0.01, "steps": size.training_steps, "fmax": FMAX, "most_steps": MOST_STEPS},
    }
    report("relax train", 0, 1 + size.starts)
    with Worker(place.script, threads=1, python=place.python) as worker:
        worker.receive(limit=BUILD_LIMIT)
        command = {"do": "build", "row": "relax", "case": case, "run": ["relax 0"]}
        worker.ask({**command, "inputs": str(folder / "in"), "outputs": str(folder / "out")}, limit=BUILD_LIMIT)
        potential = convert_mace(folder / "exported").potential
        ours = {SAME: Calculator(potential), TABLES: Calculator(tabulate(potential))}
        for calculator in ours.values():
            relax(starts[0], calculator)  # both sides have seen the first cell
        found: dict[str, list[tuple[float, int, float]]] = {name: [] for name in (MACE, *ours)}
        for index, start in enumerate(starts):
            report("relax cells", 1 + index, 1 + size.starts)
            command = {"do": "time", "pass": f"relax {index}", "calls": 1, "warm": False}
            seconds = worker.ask(command, limit=BUILD_LIMIT)["wall"]
            with np.load(folder / "ends" / f"{index}.npz", allow_pickle=False) as end:
                found[MACE].append((seconds, int(end["steps"]), float(end["energy"]) / len(start)))
            for name, calculator in ours.items():
                found[name].append(relax(start, calculator))
    report("relax", 1 + size.starts, 1 + size.starts)
    return {name: Relaxed(*zip(*rows, strict=True)) for name, rows in found.items()}


def rattled(rng: np.random.Generator) -> Atoms:
    """A strained and shaken cell of Cu3Au."""
    atoms = bulk("Cu", "fcc", a=3.75, cubic=True).repeat(2)
    atoms.numbers[::4] = 79
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.03 * rng.uniform(-1, 1, (3, 3))), scale_atoms=True)
    atoms.positions += 0.1 * rng.normal(size=atoms.positions.shape)
    return atoms


def relax(start: Atoms, calculator: Calculator) -> tuple[float, int, float]:
    """Seconds, steps, and the energy an atom at rest; as the worker does it."""
    atoms = start.copy()
    calculator.reset()
    atoms.calc = calculator
    begun = time.perf_counter()
    target: Any = FrechetCellFilter(atoms)
    search = BFGS(target, logfile=None)
    search.run(fmax=FMAX, steps=MOST_STEPS)
    return time.perf_counter() - begun, search.nsteps, float(atoms.get_potential_energy()) / len(atoms)


def _leave(folder: Path, frames: Sequence[Atoms], starts: Sequence[Atoms]) -> None:
    """Arrays for the worker; the frames have the energies and forces of effective-medium theory."""
    for frame in frames:
        frame.calc = EMT()
    arrays = {
        "numbers": frames[0].numbers,
        "positions": [frame.positions for frame in frames],
        "cells": [frame.cell.array for frame in frames],
        "energies": [frame.get_potential_energy() for frame in frames],
        "forces": [frame.get_forces() for frame in frames],
        "start_positions": [start.positions for start in starts],
        "start_cells": [start.cell.array for start in starts],
    }
    for name in ("in", "ends"):
        (folder / name).mkdir()
    for name, values in arrays.items():
        np.save(folder / "in" / f"{name}.npy", np.asarray(values), allow_pickle=False)


def times_faster(found: Mapping[str, Relaxed], name: str) -> list[float]:
    """Seconds of mace-torch over those of a side, cell by cell."""
    return [theirs / mine for theirs, mine in zip(found[MACE].seconds, found[name].seconds, strict=True)]


def table(found: Mapping[str, Relaxed] | str) -> Table:
    """Seconds and steps a cell, and the paper's number."""
    columns = (Column("a cell", "s", 2), Column("steps", "a cell", 0), Column("faster", "times", 2))
    sides = {} if isinstance(found, str) else found
    rows = tuple(
        Row(
            name,
            "this run",
            (_over_cells(each.seconds), _over_cells(each.steps), _over_cells(times_faster(sides, name))),
        )
        for name, each in sides.items()
    )
    note = (
        f"Cells of 32 atoms of Cu3Au, strained and shaken, relaxed with their lattice to {FMAX} eV/Angstrom by ASE's "
        "BFGS on one thread in float64. All sides have the weights of one model of mace-torch, trained for a few steps "
        "on energies of effective-medium theory, and so take the same way. Mean, ± standard deviation over cells. The "
        "paper's number is that of its own model over MACE's, on other crystals: not the same ratio."
    )
    paper = (Row("Facet", "Miklaucic et al. 2025", (None, None, Number(PAPER))),)
    return Table("Relaxation of rattled cells", columns, rows, paper, found if isinstance(found, str) else note)


def finding(found: Mapping[str, Relaxed] | str) -> Finding:
    """Whether the same model relaxes twice as fast here."""
    statement = f"rattled cells are at rest {PAPER:g} times sooner than with mace-torch, at equal convergence"
    if isinstance(found, str):
        return Finding(statement, Verdict.not_decided, f"not measured: {found}.")
    apart = max(abs(a - b) for a, b in zip(found[MACE].energies, found[SAME].energies, strict=True))
    rest = max(max(each.steps) for each in found.values()) < MOST_STEPS and apart < AGREE
    times = times_faster(found, SAME)
    words = (
        f"{min(times):.2f} to {max(times):.2f} times, {len(times)} cells; energies at rest agree to {apart:.0e} eV/atom"
    )
    return Finding(
        statement,
        stays_below(1 / PAPER, [1 / each for each in times]) if rest else Verdict.not_decided,
        f"{words}{'' if rest else '; not judged: not all cells came to the same rest'}.",
    )


def _over_cells(values: Sequence[int | float]) -> Number:
    return Number(fmean(values), stdev(values) if len(values) > 1 else None)
