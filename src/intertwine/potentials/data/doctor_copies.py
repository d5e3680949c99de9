"""Rules of the data doctor: structures that occur twice, and those of a test that were trained on. No group acts."""

from collections.abc import Iterator

from intertwine.potentials.data.copies import NEAR, SAME, find_copies
from intertwine.potentials.data.survey import Entry, Finding, Survey

LABEL_NOISE = 1e-3
"""Energies of one structure that differ by more, eV/atom, were not computed in the same way."""
FORCE_NOISE = 0.2
"""The same for forces, eV/Angstrom: cells that are the same but for a motion have other k-points."""
FEWEST_ATOMS = 6
"""Atoms below which frames come near each other by chance."""


def duplicates(survey: Survey) -> Iterator[Finding]:
    """The same structure twice; with different labels it cannot be learned."""
    entries = survey.entries
    pairs = [(entries[i], entries[j], d) for i, j, d in find_copies([entry.graph for entry in entries], SAME)]
    same = {j.place: f"{j.place} = {i.place}" for i, j, _ in pairs}
    if same:
        yield Finding(
            "copies.same", "warning",
            f"{len(same)} of {len(entries)} frames repeat another one, up to motion, reflection and order",
            "drop the repeats; `intertwine data split` keeps them in one part", tuple(same.values()),
        )  # fmt: skip
    differing = {j.place: f"{j.place} = {i.place}" for i, j, d in pairs if _labels_differ(i, j, d)}
    if differing:
        yield Finding(
            "copies.labels", "error", f"{len(differing)} frames repeat another one with another energy or other forces",
            "label all frames with one method and settings, or name the right keys", tuple(differing.values()),
        )  # fmt: skip


def leaks(survey: Survey, other: Survey) -> Iterator[Finding]:
    """Structures in both sets, or all but the same."""
    graphs = [entry.graph for part in (survey, other) for entry in part.structures]
    sizes = [graph.node_count for graph in graphs]
    places = [entry.place for part in (survey, other) for entry in part.structures]
    border = len(survey.structures)
    same, near = {}, {}
    for i, j, difference in find_copies(graphs, NEAR):
        if i < border <= j and (difference < SAME or sizes[j] >= FEWEST_ATOMS):
            (same if difference < SAME else near).setdefault(places[j], f"{places[j]} = {places[i]}")
    near = {place: pair for place, pair in near.items() if place not in same}
    count = len(other.structures)
    if same:
        yield Finding(
            "copies.leak", "error", f"{len(same)} of {count} frames of the other set are in this one too",
            "take them out of one of the sets: errors on them say nothing about new structures", tuple(same.values()),
        )  # fmt: skip
    if near:
        yield Finding(
            "copies.near", "warning", f"{len(near)} of {count} frames of the other set are within {NEAR} A of one here",
            "split trajectories into blocks: `intertwine data split --blocks`", tuple(near.values()),
        )  # fmt: skip
    new = other.elements - survey.elements
    if new and survey.entries:
        from ase.data import chemical_symbols

        yield Finding(
            "copies.elements", "error",
            f"the other set has {', '.join(chemical_symbols[n] for n in sorted(new))}, which this one lacks",
            "a model trained here will refuse those frames; add training frames, or drop them",
        )  # fmt: skip


def _labels_differ(one: Entry, two: Entry, difference: float) -> bool:
    """More than rounding of the positions, by `difference`, explains."""
    a, b = one.graph, two.graph
    if a.energy is None or b.energy is None:
        return False
    force = 3.0 * a.node_count if a.forces is None else float(a.forces.norm(dim=1).sum())
    if abs(float(a.energy) - float(b.energy)) > LABEL_NOISE * a.node_count + difference * force:
        return True
    if a.forces is None or b.forces is None:
        return False
    lengths = [graph.forces.norm(dim=1).sort().values for graph in (a, b) if graph.forces is not None]
    return bool((lengths[0] - lengths[1]).abs().max() > FORCE_NOISE + 0.05 * lengths[0].max())
