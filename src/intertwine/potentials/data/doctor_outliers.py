"""Rules of the data doctor: frames whose energy or forces lie far outside what the others have. No group acts here."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from intertwine.potentials.data.survey import Entry, Finding, Survey

FEWEST = 20
"""Frames below which nobody is called an outlier."""
ENERGY_SCORE, ENERGY_STEP = 15.0, 0.3
"""Robust standard deviations, and eV/atom, beyond which an energy is one."""
FORCE_SCORE, FORCE_STEP = 6.0, 30.0
"""Robust standard deviations of the logarithm, and eV/Angstrom, beyond which the largest force of a frame is one."""


def energies(survey: Survey) -> Iterator[Finding]:
    """Energy above a fit to the composition, per atom, against the spread in frames of the same group."""
    entries = [entry for entry in survey.structures if entry.graph.energy is not None]
    if len(entries) < FEWEST:
        return
    residual = residual_energies(entries)
    found = []
    for indices in _groups(entries):
        values = residual[indices]
        middle = np.median(values)
        width = 1.4826 * np.median(np.abs(values - middle)) + 1e-9
        far = (np.abs(values - middle) > ENERGY_SCORE * width) & (np.abs(values - middle) > ENERGY_STEP)
        found.extend((abs(values[i] - middle), values[i] - middle, entries[indices[i]]) for i in np.flatnonzero(far))
    if found:
        found.sort(key=lambda item: -item[0])
        yield Finding(
            "outliers.energy", "warning",
            f"{len(found)} energies lie far from the others, the farthest {found[0][1]:+.3g} eV/atom",
            "look at these frames; drop those whose calculation failed", tuple(entry.place for *_, entry in found),
        )  # fmt: skip


def forces(survey: Survey) -> Iterator[Finding]:
    """Largest force of each frame, on a logarithmic scale."""
    entries = [entry for entry in survey.structures if entry.graph.forces is not None]
    if len(entries) < FEWEST:
        return
    largest = np.array([float(e.graph.forces.norm(dim=1).max()) for e in entries if e.graph.forces is not None])
    found = []
    for indices in _groups(entries):
        values = np.log(np.maximum(largest[indices], 1e-3))
        width = max(1.4826 * float(np.median(np.abs(values - np.median(values)))), 0.1)
        far = (values - np.median(values) > FORCE_SCORE * width) & (largest[indices] > FORCE_STEP)
        found.extend((largest[indices[i]], entries[indices[i]]) for i in np.flatnonzero(far))
    if found:
        found.sort(key=lambda item: -item[0])
        yield Finding(
            "outliers.forces", "warning",
            f"{len(found)} frames have forces far larger than the others, up to {found[0][0]:.3g} eV/A",
            "look at these frames; drop them if nothing you simulate comes near them",
            tuple(entry.place for _, entry in found),
        )  # fmt: skip


def residual_energies(entries: list[Entry]) -> np.ndarray:
    """Energy per atom above a sum over the composition, eV; the sum is fitted so that few bad frames do not bend it."""
    elements = sorted({number for entry in entries for number, _ in entry.composition})
    counts = np.array([[dict(entry.composition).get(number, 0) for number in elements] for entry in entries], float)
    atoms = counts.sum(axis=1)
    values = np.array([float(entry.graph.energy) for entry in entries if entry.graph.energy is not None]) / atoms
    rows, weights = counts / atoms[:, None], np.ones(len(values))
    residual = values
    for _ in range(30):  # weights 1/|residual|: the fit of least absolute deviations
        solution = np.linalg.lstsq(rows * weights[:, None], values * weights, rcond=None)[0]
        residual = values - rows @ solution
        weights = 1 / np.sqrt(np.maximum(np.abs(residual), 1e-4))
    return residual


def _groups(entries: list[Entry]) -> list[np.ndarray]:
    """Indices of the frames of every group large enough to judge by, the rest in one."""
    names = defaultdict(list)
    for index, entry in enumerate(entries):
        names[entry.group].append(index)
    large = [indices for indices in names.values() if len(indices) >= FEWEST]
    rest = [index for indices in names.values() if len(indices) < FEWEST for index in indices]
    return [np.array(indices) for indices in [*large, *([rest] if len(rest) >= FEWEST else [])]]
