"""Structures with labels and predictions side by side, as extended XYZ; vectors turn with their structure."""

import io
from collections.abc import Sequence
from pathlib import Path

from ase import Atoms
from ase.io.extxyz import write_extxyz

from intertwine.potentials.data.readers import to_atoms
from intertwine.potentials.models.uncertainty import Deviation
from intertwine.potentials.structures.graph import Graph, GraphError, Prediction, one_line
from intertwine.potentials.structures.textfile import write_text


def write_predictions(
    path: Path | str,
    structures: Sequence[Graph],
    predicted: Sequence[Prediction],
    deviations: Sequence[Deviation | None],
) -> None:
    """Write frames (.extxyz or .xyz, also .gz or .xz) that any reader of extended XYZ opens, to plot from.

    Labels keep their names energy, forces and stress; beside them stand predicted_energy, predicted_energies (an atom
    each, without the reference energies), predicted_forces and predicted_stress, and energy_deviation,
    energies_deviation, forces_deviation and stress_deviation where they are known: eV, eV/A, eV/A^3.

    Raises:
        GraphError: another ending, or a place that cannot be written to.
    """
    path = Path(path)
    require_extxyz(path)
    frames = [frame(*each) for each in zip(structures, predicted, deviations, strict=True)]
    text = io.StringIO()
    write_extxyz(text, frames, write_results=True)
    write_text(path, text.getvalue())


def require_extxyz(path: Path) -> None:
    """Refuse a name with another ending, before the work is done."""
    if not {".xyz", ".extxyz"} & {suffix.lower() for suffix in path.suffixes[-2:]}:
        raise GraphError(f"{one_line(path)}: predictions are written as .extxyz or .xyz, also .gz or .xz; rename it.")


def frame(structure: Graph, predicted: Prediction, deviation: Deviation | None) -> Atoms:
    """One structure with everything that is known of it."""
    atoms = to_atoms(structure)
    atoms.info["predicted_energy"] = predicted.energy.item()
    atoms.arrays["predicted_energies"] = predicted.node_energy.double().numpy()
    if predicted.forces is not None:
        atoms.arrays["predicted_forces"] = predicted.forces.double().numpy()
    if predicted.stress is not None:
        atoms.info["predicted_stress"] = predicted.stress[0].double().numpy()
    if deviation is not None:
        atoms.info["energy_deviation"] = deviation.energy.item()
        atoms.arrays["energies_deviation"] = deviation.node_energy.double().numpy()
        if deviation.forces is not None:
            atoms.arrays["forces_deviation"] = deviation.forces.double().numpy()
        if deviation.stress is not None:
            atoms.info["stress_deviation"] = deviation.stress.item()
    return atoms
