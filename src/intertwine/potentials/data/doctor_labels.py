"""Rules of the data doctor about labels: there, by one name, not zeroed, balanced. No group acts here."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from ase.data import chemical_symbols

from intertwine.potentials.data.label_keys import ENERGY, FORCES, STRESS, VIRIAL
from intertwine.potentials.data.survey import Entry, Finding, Survey
from intertwine.potentials.structures.graph import GraphError
from intertwine.potentials.structures.reference import isolated_atom_energies

CHARGES = ("charge", "total_charge", "tot_charge", "net_charge")
SPINS = ("spin", "multiplicity", "spin_multiplicity", "total_spin", "uhf")
NET_FORCE = 0.02
"""Net force per atom, eV/Angstrom, above which the labels are taken to be noisy or incomplete."""


def faults(survey: Survey) -> Iterator[Finding]:
    """Frames that the reader refuses."""
    kinds = defaultdict(list)
    for fault in survey.faults:
        place, _, rest = fault.partition(": ")
        kinds[rest.split(" ")[0]].append((place, rest))
    for found in kinds.values():
        what, _, remedy = found[0][1].rpartition("; ")
        count = f"{len(found)} frames cannot be read, the first: " if len(found) > 1 else ""
        yield Finding(
            "file", "error", count + (what or found[0][1]), remedy.rstrip(".") or "correct the file",
            tuple(place for place, _ in found),
        )  # fmt: skip


def energy_names(survey: Survey) -> Iterator[Finding]:
    """Energies by two names that differ: with smeared electrons, forces belong to the free energy."""
    if survey.energy_names:
        values = next(iter(survey.energy_names.values()))
        largest = max(max(v.values()) - min(v.values()) for v in survey.energy_names.values())
        free = next((name for name in values if name.lower() == "free_energy"), None)
        hint = (
            f"--energy-key {free}, whose derivatives are the forces" if free else f"--energy-key {next(iter(values))}"
        )
        yield Finding(
            "labels.names", "error", f"{' and '.join(values)} differ, by up to {largest:.3g} eV",
            f"choose one: {hint}", tuple(survey.energy_names),
        )  # fmt: skip


def presence(survey: Survey) -> Iterator[Finding]:
    """Labels that are missing, on all frames or on some."""
    periodic = [entry for entry in survey.structures if bool(entry.graph.pbc.all())]
    for label, entries in (("energy", survey.entries), ("forces", survey.structures), ("stress", periodic)):
        missing = [entry.place for entry in entries if getattr(entry.graph, label) is None]
        if not missing:
            continue
        if len(missing) < len(entries):
            yield Finding(
                f"labels.{label}", "warning", f"{label} is missing on {len(missing)} of {len(entries)} frames",
                "label them, or drop them: training wants a label on all frames or on none", tuple(missing),
            )  # fmt: skip
        elif label == "stress":
            yield Finding(
                "labels.stress", "note", "no periodic frame has a stress",
                "a model can be trained without; relaxing cells and NPT will be less accurate",
            )  # fmt: skip
        else:
            near = _candidates(entries[0], label)
            hint = f"name it with --{label}-key, perhaps {near}" if near else "compute it, or name its key"
            yield Finding(f"labels.{label}", "warning", f"no frame has a {label} by a usual name", hint)


def _candidates(entry: Entry, label: str) -> str:
    known = ENERGY + FORCES + STRESS + VIRIAL
    names = [*entry.columns] if label == "forces" else [*entry.info]
    return " or ".join(ascii(name) for name in names if label[:5] in name.lower() and name.lower() not in known)


def zeroed_forces(survey: Survey) -> Iterator[Finding]:
    """Forces of fixed atoms that some program set to zero; the others then no longer balance."""
    certain, suspected, all_zero = [], [], []
    labelled = [(entry, entry.graph.forces.numpy()) for entry in survey.structures if entry.graph.forces is not None]
    for entry, forces in labelled:
        zero = (forces == 0).all(axis=1)
        fixed = np.zeros(len(zero), bool) if entry.move_mask is None else ~entry.move_mask.any(axis=1)
        if zero.all():
            all_zero.append(entry.place)
        elif fixed.any() and zero[fixed].all():
            certain.append(entry.place)
        elif zero.any() and _net(forces) > 10 * NET_FORCE:
            suspected.append(entry.place)
    if certain:
        yield Finding(
            "labels.constrained", "error", f"forces of constrained atoms are zero in {len(certain)} frames",
            "take the raw forces: atoms.get_forces(apply_constraint=False)", tuple(certain),
        )  # fmt: skip
    if suspected:
        yield Finding(
            "labels.constrained", "warning",
            f"some atoms have forces of exactly zero in {len(suspected)} frames, where the others do not balance",
            "were atoms fixed? take the raw forces, atoms.get_forces(apply_constraint=False)", tuple(suspected),
        )  # fmt: skip
    if all_zero and len(all_zero) > len(labelled) / 2:
        yield Finding(
            "labels.zero", "warning", f"all forces are zero in {len(all_zero)} of {len(labelled)} frames",
            "were forces computed? drop the column if not", tuple(all_zero),
        )  # fmt: skip


def _net(forces: np.ndarray) -> float:
    """Net force per atom."""
    return float(np.linalg.norm(forces.sum(axis=0)) / len(forces))


def net_forces(survey: Survey) -> Iterator[Finding]:
    """Forces that do not add up to zero, as those of an isolated or periodic system must."""
    found = [
        (_net(forces), entry.place)
        for entry in survey.structures
        if entry.graph.forces is not None and not ((forces := entry.graph.forces.numpy()) == 0).all(axis=1).any()
    ]
    large = [place for value, place in found if value > NET_FORCE]
    if large:
        worst = max(value for value, _ in found)
        yield Finding(
            "labels.net_force", "warning",
            f"forces do not add up to zero in {len(large)} of {len(found)} frames, up to {worst:.3g} eV/A per atom",
            "a model cannot follow it; converge the calculations better, or check for external fields", tuple(large),
        )  # fmt: skip


def isolated(survey: Survey) -> Iterator[Finding]:
    """Lone atoms, whose energies are the natural zero."""
    lone = [entry for entry in survey.entries if entry.isolated]
    try:
        energies = isolated_atom_energies([entry.graph for entry in lone])
    except GraphError as error:
        what, _, remedy = str(error).rpartition("; ")
        yield Finding("labels.isolated", "error", what, remedy.rstrip("."))
        return
    elements = {number for entry in survey.structures for number, _ in entry.composition}
    missing = ", ".join(chemical_symbols[number] for number in sorted(elements - set(energies)))
    if missing and any(entry.graph.energy is not None for entry in survey.structures):
        yield Finding(
            "labels.isolated", "note", f"no isolated atom of {missing}",
            "their reference energies will be fitted; a frame of a single atom, with its energy, gives them exactly",
        )  # fmt: skip


def charges_and_spins(survey: Survey) -> Iterator[Finding]:
    """Entries for charge and spin, which models here do not see."""
    for what, names in (("charge", CHARGES), ("spin", SPINS)):
        values = defaultdict(list)
        for entry in survey.entries:
            for name, value in entry.info.items():
                if name.lower() in names:
                    values[str(value)].append(entry.place)
        if len(values) > 1:
            fewest = min(values.values(), key=len)
            yield Finding(
                f"labels.{what}", "warning", f"{what} differs between frames ({', '.join(sorted(values)[:6])})",
                f"{what} is not read: equal structures would have different labels; train on one {what}", tuple(fewest),
            )  # fmt: skip
        elif values and next(iter(values)).strip() not in ("0", "0.0", "1", "1.0"):
            yield Finding(
                f"labels.{what}", "note", f"all frames have {what} {next(iter(values))}", f"{what} is not read",
            )  # fmt: skip
