"""Rules of the data doctor about units and signs, each from a law that the numbers must obey. No group acts here.

Lengths: atoms touch at the sum of their covalent radii. Energies: all-electron totals follow from nuclear charges.
Forces: a bond X-H is as stiff in every molecule. Energies against forces: along a trajectory dE = -F dx.
Stresses: pressure falls when a cell grows, by the bulk modulus.
"""

import math
from collections.abc import Iterator, Mapping

import ase.units
import numpy as np
from ase.data import covalent_radii

from intertwine.potentials.data.copies import LARGEST
from intertwine.potentials.data.survey import Entry, Finding, Survey
from intertwine.potentials.structures.images import distances, nearest_image

HARTREE, BOHR, GPA = ase.units.Hartree, ase.units.Bohr, ase.units.GPa
KCAL, KJ = ase.units.kcal / ase.units.mol, ase.units.kJ / ase.units.mol
SAMPLE = 200
"""Frames that a rule looks at, spread over the set."""
FEWEST = 10
"""Numbers below which nothing is concluded."""
NOBLE = (2, 10, 18, 36, 54, 86)
STIFFNESS = {6: 30.0, 7: 42.0, 8: 46.0}
"""Force constant of a bond of C, N, O with H, eV/Angstrom^2."""
FORCE_UNITS = {
    "Hartree/Bohr": HARTREE / BOHR,
    "Hartree/Angstrom or Rydberg/Bohr": HARTREE,
    "kcal/mol/Angstrom": KCAL,
    "kJ/mol/Angstrom": KJ,
    "meV/Angstrom": 1e-3,
}
ENERGY_UNITS = {"Hartree": HARTREE, "kcal/mol": KCAL, "kJ/mol": KJ, "Rydberg": HARTREE / 2}


def lengths(survey: Survey) -> Iterator[Finding]:
    """Distance to the nearest atom over the sum of covalent radii: about 1 in Angstrom, whatever the substance."""
    ratios = []
    for entry in _sample([entry for entry in survey.structures if entry.graph.node_count <= LARGEST]):
        numbers, matrix = entry.graph.numbers.numpy(), distances(entry.graph)
        np.fill_diagonal(matrix, np.inf)
        nearest = matrix.argmin(axis=1)
        keep = ~np.isin(numbers, NOBLE) & ~np.isin(numbers[nearest], NOBLE)
        touching = covalent_radii[numbers] + covalent_radii[numbers[nearest]]
        ratios.extend((matrix.min(axis=1) / touching)[keep].tolist())
    if len(ratios) < FEWEST:
        return
    low, middle = np.quantile(ratios, [0.05, 0.5])
    if 1.55 < middle < 2.3 and low > 1.3:
        yield Finding(
            "units.length", "warning",
            f"atoms lie {middle:.2f} times the sum of their covalent radii apart, as in Bohr",
            "if so: `intertwine data convert --length-unit Bohr`",
        )  # fmt: skip
    elif middle > 5 or middle < 0.65:
        guess = "as in pm" if middle > 50 else "as in nm" if middle < 0.2 else "far from 1"
        yield Finding(
            "units.length", "warning", f"atoms lie {middle:.2g} times the sum of their covalent radii apart, {guess}",
            "check the unit of positions and cells: `intertwine data convert --length-unit` converts",
        )  # fmt: skip


def nanometres(survey: Survey) -> Iterator[Finding]:
    """Most frames refused because atoms overlap: ten times too small, perhaps."""
    overlaps = [fault for fault in survey.faults if "overlap" in fault or "no volume" in fault]
    if len(overlaps) > FEWEST and len(overlaps) > len(survey.entries):
        yield Finding(
            "units.length", "warning", f"atoms overlap in {len(overlaps)} frames, as if positions were in nm",
            "if so: `intertwine data convert --length-unit nm`",
        )  # fmt: skip


def total_energies(survey: Survey) -> Iterator[Finding]:
    """All-electron totals, -0.7687 Z^(7/3) + Z^2/2 - 0.2699 Z^(5/3) Hartree an atom, tell the unit where they fit.

    Reference: Englert, Schwinger, 1985, doi:10.1103/PhysRevA.32.26 (statistical atom with Scott's correction).
    """
    ratios = [
        float(entry.graph.energy) / sum(count * _atom_energy(number) for number, count in entry.composition)
        for entry in _sample(survey.structures)
        if entry.graph.energy is not None
    ]
    unit = _match(float(np.median(ratios)), ENERGY_UNITS, 0.03) if len(ratios) else None
    if unit:
        yield Finding(
            "units.energy", "warning", f"energies are those of all electrons if their unit is {unit}, not eV",
            f"if so: `intertwine data convert --energy-unit {unit}`, and --forces-unit where forces have another",
        )  # fmt: skip


def stiffness(survey: Survey) -> Iterator[Finding]:
    """Force along a bond X-H against its length: the slope is minus a force constant that chemistry fixes."""
    found = {number: ([], []) for number in STIFFNESS}
    for entry in _sample([entry for entry in survey.structures if entry.graph.forces is not None]):
        for number, (bond, force) in _hydrogen_bonds(entry):
            found[number][0].extend(bond)
            found[number][1].extend(force)
    ratios = []
    for number, (bond, force) in found.items():
        if len(bond) < 3 * FEWEST or np.std(bond) < 0.005 or np.std(force) == 0:
            continue
        if abs(np.corrcoef(bond, force)[0, 1]) > 0.8:
            ratios.append(-np.polyfit(bond, force, 1)[0] / STIFFNESS[number])
    if not ratios:
        return
    ratio = float(np.median(ratios))
    if ratio < 0:
        yield Finding(
            "units.forces", "error", "forces push atoms of stretched bonds further apart: they are gradients",
            "turn their sign: `intertwine data convert --forces-unit=-eV/Angstrom`",
        )  # fmt: skip
    unit = _match(abs(ratio), FORCE_UNITS, 0.35)
    if unit:
        yield Finding(
            "units.forces", "warning",
            f"bonds with hydrogen are {abs(ratio):.2g} times as stiff as they should be, as in {unit}",
            f"if so: `intertwine data convert --forces-unit {unit.split(' or ')[0]}`",
        )  # fmt: skip


def along_trajectories(survey: Survey) -> Iterator[Finding]:
    """Energy differences of consecutive frames against the work of their forces, -(F1 + F2) dx / 2."""
    work, rise = [], []
    for one, two in zip(survey.structures, survey.structures[1:]):
        step = _step(one, two)
        if step is not None and one.graph.forces is not None and two.graph.forces is not None:
            work.append(-float(((one.graph.forces + two.graph.forces).numpy() / 2 * step).sum()))
            rise.append(float(two.graph.energy) - float(one.graph.energy))  # type: ignore[arg-type]
    if len(work) < FEWEST or np.std(work) == 0 or np.std(rise) == 0 or abs(np.corrcoef(work, rise)[0, 1]) < 0.95:
        return
    slope = float(np.polyfit(work, rise, 1)[0])
    if 0.8 < slope < 1.25:
        return
    relation = {"the forces are in Hartree/Bohr": HARTREE / BOHR, "the energies are in Hartree": 1 / HARTREE,
                "the energies are in kcal/mol": 1 / KCAL, "the energies are in kJ/mol": 1 / KJ,
                "the forces are in kcal/mol/Angstrom": KCAL, "the forces are in Hartree/Angstrom": HARTREE}  # fmt: skip
    guess = "the forces are gradients, their sign is wrong" if -1.25 < slope < -0.8 else None
    guess = guess or _match(1 / slope, relation, 0.2)
    yield Finding(
        "units.work", "error",
        f"energies of consecutive frames change {slope:.3g} times as much as their forces work"
        + (f": {guess}" if guess else ""),
        "convert what is in another unit: `intertwine data convert --energy-unit, --forces-unit`",
    )  # fmt: skip


def pressures(survey: Survey) -> Iterator[Finding]:
    """A third of the trace of the stress against the logarithm of the volume: its slope is the bulk modulus."""
    moduli = []
    for entries in survey.by_composition.values():
        labelled = [entry.graph for entry in entries if entry.graph.stress is not None]
        volumes = np.array([abs(float(graph.cell[0].det())) for graph in labelled])
        if len(volumes) < 5 or np.log(volumes.max() / volumes.min()) < 0.02:
            continue
        traces = np.array([float(graph.stress[0].trace()) / 3 for graph in labelled if graph.stress is not None])
        if np.std(traces) > 0 and abs(np.corrcoef(np.log(volumes), traces)[0, 1]) > 0.9:
            moduli.append((np.polyfit(np.log(volumes), traces, 1)[0], len(volumes)))
    if not moduli:
        return
    modulus = float(np.average([value for value, _ in moduli], weights=[count for _, count in moduli]))
    if modulus < 0:
        yield Finding(
            "units.stress_sign", "error", "stresses pull larger cells further apart: their sign is turned, as in VASP",
            "turn it: `intertwine data convert --stress-unit=-eV/A^3` (or -kbar); positive must pull together",
        )  # fmt: skip
    if abs(modulus) > 5:
        unit = "kbar" if abs(modulus) * GPA / 10 * 10 > 100 * GPA * 10 else "GPa"
        yield Finding(
            "units.stress", "warning", f"stresses give a bulk modulus of {abs(modulus) / GPA:.3g} GPa, as in {unit}",
            f"if so: `intertwine data convert --stress-unit {unit}`",
        )  # fmt: skip


def _sample(entries: list[Entry]) -> list[Entry]:
    return entries[:: max(1, len(entries) // SAMPLE)]


def _atom_energy(number: int) -> float:
    """Total energy of a neutral atom, eV."""
    if number == 1:
        return -0.5 * HARTREE
    return HARTREE * (-0.7687 * number ** (7 / 3) + number**2 / 2 - 0.2699 * number ** (5 / 3))


def _match(ratio: float, units: Mapping[str, float], tolerance: float) -> str | None:
    """The unit in which a number came out `ratio` times as large as in ours."""
    if ratio <= 0:
        return None
    unit = min(units, key=lambda name: abs(math.log(ratio * units[name])))
    return unit if abs(math.log(ratio * units[unit])) < tolerance and abs(math.log(ratio)) > 2 * tolerance else None


def _hydrogen_bonds(entry: Entry) -> Iterator[tuple[int, tuple[list[float], list[float]]]]:
    """For each heavy element: lengths of its bonds with H, and the force on H along each, away from the bond."""
    graph = entry.graph
    if graph.forces is None or graph.node_count > LARGEST:
        return
    numbers, matrix = graph.numbers.numpy(), distances(graph)
    positions, forces = graph.positions.numpy(), graph.forces.numpy()
    for number in STIFFNESS:
        pairs = np.argwhere((numbers[:, None] == 1) & (numbers == number) & (matrix < 1.35))
        if len(pairs):
            vectors = nearest_image(positions[pairs[:, 0]] - positions[pairs[:, 1]], graph)
            bonds = np.linalg.norm(vectors, axis=1)
            yield number, (bonds.tolist(), ((forces[pairs[:, 0]] * vectors).sum(axis=1) / bonds).tolist())


def _step(one: Entry, two: Entry) -> np.ndarray | None:
    """How the atoms moved between two frames of a trajectory; None where they are not neighbours in one."""
    a, b = one.graph, two.graph
    if a.numbers.shape != b.numbers.shape or not (a.numbers == b.numbers).all() or not (a.cell == b.cell).all():
        return None
    if a.energy is None or b.energy is None or not (a.pbc == b.pbc).all():
        return None
    step = nearest_image((b.positions - a.positions).numpy(), a)
    return step if 0 < np.abs(step).max() < 0.15 else None
