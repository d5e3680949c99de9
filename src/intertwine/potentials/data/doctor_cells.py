"""Rules of the data doctor about geometry: boxes, periodicity, atoms that nearly touch. No group acts here."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from ase.data import covalent_radii

from intertwine.potentials.data.copies import LARGEST
from intertwine.potentials.data.survey import Finding, Survey
from intertwine.potentials.structures.images import distances

CLOSEST = 0.55
"""Distance over the sum of covalent radii, below which two atoms are unusually close."""
DENSE = 40.0
"""Volume per atom of a box, Angstrom^3, below which matter fills it."""


def boxes(survey: Survey) -> Iterator[Finding]:
    """A cell that is not used, since pbc is F."""
    boxed = [e for e in survey.structures if not e.graph.pbc.any() and e.box.any()]
    volumes = np.array([abs(np.linalg.det(entry.box)) / entry.graph.node_count for entry in boxed])
    dense = [entry.place for entry, volume in zip(boxed, volumes) if 0 < volume < DENSE]
    if dense:
        yield Finding(
            "cells.open", "warning", f"{len(dense)} frames fill their cell, but pbc says they do not repeat",
            'write pbc="T T T" if they do', tuple(dense),
        )  # fmt: skip
    elif boxed:
        yield Finding(
            "cells.box", "note", f"the box around {len(boxed)} molecules is not used, since pbc is F",
            "nothing, if they are molecules",
        )  # fmt: skip


def periodicity(survey: Survey) -> Iterator[Finding]:
    """Frames that repeat in different directions."""
    kinds = defaultdict(list)
    for entry in survey.structures:
        kinds["".join("T" if flag else "F" for flag in entry.graph.pbc[0].tolist())].append(entry.place)
    partial = [place for kind, places in kinds.items() if kind not in ("TTT", "FFF") for place in places]
    if partial:
        yield Finding(
            "cells.partial", "note", f"{len(partial)} frames repeat along one or two directions only",
            "right for wires and slabs; other programs ignore it, so check", tuple(partial),
        )  # fmt: skip
    if len(kinds) > 1:
        counts = ", ".join(f"{len(places)} with {kind}" for kind, places in sorted(kinds.items()))
        yield Finding("cells.mixed", "note", f"pbc differs between frames: {counts}", "check that it is meant")


def close_atoms(survey: Survey) -> Iterator[Finding]:
    """Atoms much nearer than a bond."""
    found = []
    for entry in survey.structures:
        if entry.graph.node_count > LARGEST:
            continue
        radii = covalent_radii[entry.graph.numbers.numpy()]
        ratio = distances(entry.graph) / (radii[:, None] + radii)
        np.fill_diagonal(ratio, np.inf)
        if ratio.min() < CLOSEST:
            found.append((ratio.min(), entry.place))
    if found:
        yield Finding(
            "cells.close", "warning",
            f"atoms are as near as {min(found)[0]:.2f} of the sum of their covalent radii in {len(found)} frames",
            "drop frames that no simulation reaches, or keep them on purpose, for the repulsive wall",
            tuple(place for _, place in sorted(found)),
        )  # fmt: skip
