"""The doctor of data: reads every frame and says what would spoil a training, before it does. No group acts here."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from intertwine.potentials.data import doctor_cells, doctor_copies, doctor_labels, doctor_outliers, doctor_units
from intertwine.potentials.data.label_keys import LabelKeys
from intertwine.potentials.data.survey import RANK, Finding, Survey, survey
from intertwine.potentials.data.workers import Progress

RULES: tuple[Callable[[Survey], Iterator[Finding]], ...] = (
    doctor_labels.faults,
    doctor_labels.energy_names,
    doctor_labels.presence,
    doctor_labels.zeroed_forces,
    doctor_labels.net_forces,
    doctor_labels.isolated,
    doctor_labels.charges_and_spins,
    doctor_units.nanometres,
    doctor_units.lengths,
    doctor_units.total_energies,
    doctor_units.stiffness,
    doctor_units.along_trajectories,
    doctor_units.pressures,
    doctor_cells.boxes,
    doctor_cells.periodicity,
    doctor_cells.close_atoms,
    doctor_outliers.energies,
    doctor_outliers.forces,
    doctor_copies.duplicates,
)
"""What is looked at, in this order."""


def examine(
    paths: Iterable[Path | str],
    against: Iterable[Path | str] = (),
    *,
    keys: LabelKeys = LabelKeys(),
    progress: Progress | None = None,
) -> list[Finding]:
    """What there is to say of the frames in some files, errors first.

    Args:
        against: files of the other set, a test set for one: frames of it that the first set holds are found.
        progress: called as progress("read train.xyz", frames, frames) and progress("check rule", rules done, rules).

    Example:
        >>> examine(["train.xyz"], ["test.xyz"])                                    # doctest: +SKIP
    """
    mine = survey([Path(path) for path in paths], keys, progress=progress)
    findings = []
    for done, rule in enumerate(RULES, 1):
        findings.extend(rule(mine))
        if progress:
            progress(f"check {rule.__name__}", done, len(RULES))
    others = [Path(path) for path in against]
    if others:
        other = survey(others, keys, progress=progress)
        findings.extend([*doctor_labels.faults(other), *doctor_copies.leaks(mine, other)])
    return sorted(findings, key=lambda finding: RANK[finding.severity])
