"""One set of structures and what a potential made of it; errors are invariants of O(3), no group acts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase.data import chemical_symbols
from jaxtyping import Int

from intertwine.potentials.judging.calibration import Calibration
from intertwine.potentials.models.comparison import Comparison, Errors, joined

MILLI = 0.001
GIGAPASCAL = 0.006241509074
"""1 GPa in eV/A^3."""
NAMES = {"energy": "energy", "forces": "force", "stress": "stress"}
"""Quantities, and how their errors are called."""
UNITS = {"energy": "meV/atom", "forces": "meV/A", "stress": "meV/A^3"}


@dataclass(frozen=True, eq=False)
class SetResult:
    """Labels of one set of structures and the predictions beside them; what no structure has a label for is None."""

    name: str
    """As in the data, "test_300K"; shown as "300 K"."""
    structures: int
    """All of the set, also those without a label."""
    energy: Comparison | None
    """Of each structure with an energy, eV/atom above the reference energies, `graph`."""
    forces: Comparison | None
    """Of each atom with a force, eV/A, `node 3`."""
    stress: Comparison | None = None
    """Of each structure with a stress, eV/A^3, `graph 3 3`."""
    numbers: Int[np.ndarray, "node"] | None = None
    """Atomic number of each atom with a force."""
    mean_energy: float | None = None
    """What the baseline predicts for every structure, eV/atom: the mean of the training set, or None: of this set."""
    force_structures: int = 0
    """How many structures have forces."""

    @cached_property
    def title(self) -> str:
        """The name for readers."""
        return readable(self.name)

    @cached_property
    def errors(self) -> Mapping[str, Errors]:
        """Statistics of each quantity that is there, in meV/atom, meV/A and meV/A^3."""
        found = {}
        if self.energy is not None:
            mean = float(self.energy.label.mean()) if self.mean_energy is None else self.mean_energy
            found["energy"] = self.energy.errors(constant=mean, unit=MILLI)
        if self.forces is not None:
            found["forces"] = self.forces.errors(unit=MILLI)
        if self.stress is not None:
            found["stress"] = self.stress.errors(unit=MILLI)
        return found

    @cached_property
    def element_errors(self) -> Mapping[str, Errors]:
        """Statistics of the forces on the atoms of each element, meV/A, light elements first."""
        if self.forces is None or self.numbers is None:
            return {}
        return {
            chemical_symbols[number]: self.forces.rows(self.numbers == number).errors(unit=MILLI)
            for number in np.unique(self.numbers).tolist()
        }

    @cached_property
    def stress_errors_in_gigapascal(self) -> Errors | None:
        """Statistics of the stress, GPa."""
        return None if self.stress is None else self.stress.errors(unit=GIGAPASCAL)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """All of it by name: "energy_rmse", "force_mae", "stress_max"; baselines as "force_rmse_predict_zero"."""
        numbers = {}
        for quantity, errors in self.errors.items():
            name = NAMES[quantity]
            baseline = f"{name}_rmse_predict_{'mean' if quantity == 'energy' else 'zero'}"
            numbers |= errors.named(name) | {baseline: errors.baseline}
        if self.stress_errors_in_gigapascal is not None:
            numbers["stress_rmse_GPa"] = self.stress_errors_in_gigapascal.rmse
            numbers["stress_mae_GPa"] = self.stress_errors_in_gigapascal.mae
        return numbers

    @cached_property
    def calibrations(self) -> Mapping[str, Calibration]:
        """How far the deviations of each quantity tell the truth, in meV/atom, meV/A and meV/A^3."""
        found = {}
        for quantity in NAMES:
            part = getattr(self, quantity)
            if part is not None and part.deviation is not None and (part.deviation > 0).any():
                sure = part.deviation > 0
                found[quantity] = Calibration(part.error[sure] / MILLI, part.deviation[sure] / MILLI)
        return found

    @cached_property
    def labelled(self) -> dict[str, int]:
        """How many structures have each label."""
        return {
            "energy": 0 if self.energy is None else len(self.energy.label),
            "forces": self.force_structures,
            "stress": 0 if self.stress is None else len(self.stress.label),
        }


def together(results: Sequence[SetResult], name: str) -> SetResult:
    """Several sets as one."""

    def rows(quantity: str) -> Comparison | None:
        parts = [part for result in results if (part := getattr(result, quantity)) is not None]
        return joined(parts) if parts else None

    numbers = [result.numbers for result in results if result.numbers is not None]
    return SetResult(
        name,
        structures=sum(result.structures for result in results),
        energy=rows("energy"),
        forces=rows("forces"),
        stress=rows("stress"),
        numbers=np.concatenate(numbers) if numbers else None,
        mean_energy=results[0].mean_energy,
        force_structures=sum(result.force_structures for result in results),
    )


def readable(name: str) -> str:
    """A set's name for readers: "test_300K" is "300 K", other names keep their words."""
    words = name.removeprefix("test_").replace("_", " ")
    return f"{words[:-1]} K" if words.endswith("K") and words[:-1].replace(".", "", 1).isdigit() else words
