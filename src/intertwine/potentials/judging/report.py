"""What a training run has to show: errors, which are invariants of O(3), and structures for the reader to turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np
from ase.data import covalent_radii
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from intertwine.potentials.judging.set_result import NAMES, SetResult
from intertwine.potentials.structures.graph import GraphError

SHOWN_UNITS = {"energy": "meV/atom", "forces": "meV/Å", "stress": "meV/Å³"}
BOND_REACH = 1.25  # atoms nearer than this times the sum of their covalent radii are drawn as bonded


def require_numbers(part: object, name: str) -> None:
    """Refuse a part of a report with an empty array or a number that is not finite.

    Raises:
        GraphError: naming the part and its field.
    """
    for field_ in fields(part):  # type: ignore[arg-type]
        value = getattr(part, field_.name)
        if isinstance(value, np.ndarray) and (value.size == 0 or not np.isfinite(value).all()):
            found = "is empty" if value.size == 0 else "holds a number that is not finite"
            raise GraphError(f"report: {field_.name} of {name} {found}; leave this part out or look at the run")


@dataclass(frozen=True, eq=False)
class RelaxationPath:
    """One relaxation, step by step."""

    energy: Float[np.ndarray, "step"]
    """Total, eV."""
    fmax: Float[np.ndarray, "step"]
    """Length of the largest force on an atom, eV/A."""
    converged: bool = True

    def __post_init__(self) -> None:
        require_numbers(self, "the relaxation")


@dataclass(frozen=True, eq=False)
class EnergyTrace:
    """One run of molecular dynamics without a thermostat."""

    time: Float[np.ndarray, "step"]
    """fs, ascending."""
    potential: Float[np.ndarray, "step"]
    """eV/atom."""
    kinetic: Float[np.ndarray, "step"]
    """eV/atom."""
    temperature: Float[np.ndarray, "step"]
    """K."""

    def __post_init__(self) -> None:
        require_numbers(self, "the dynamics")

    @cached_property
    def drift(self) -> float:
        """Slope of the straight line through the total energy, eV/atom/ps."""
        if len(self.time) < 2:
            return 0.0
        time, total = self.time - self.time.mean(), self.potential + self.kinetic
        return float(1000 * (time * (total - total.mean())).sum() / (time**2).sum())

    @cached_property
    def spread(self) -> float:
        """Root mean square of the total energy about that line, eV/atom."""
        total, time = self.potential + self.kinetic, self.time - self.time.mean()
        return float((total - total.mean() - self.drift / 1000 * time).std())


@dataclass(frozen=True, eq=False)
class Structure:
    """Atoms to look at in three dimensions: one frame, or several to play."""

    name: str
    numbers: Int[np.ndarray, "node"]
    positions: Float[np.ndarray, "frame node 3"]
    """A."""
    cell: Float[np.ndarray, "3 3"] | None = None
    """Lattice vectors as rows, A, drawn as a box."""

    def __post_init__(self) -> None:
        require_numbers(self, f"structure {self.name!r}")

    @cached_property
    def bonds(self) -> list[tuple[int, int]]:
        """Pairs of atoms within reach of their covalent radii in the first frame."""
        radii, first = covalent_radii[self.numbers], self.positions[0]
        near = KDTree(first).query_pairs(2 * BOND_REACH * radii.max(initial=0.0), output_type="ndarray")
        length = np.linalg.norm(first[near[:, 0]] - first[near[:, 1]], axis=1)
        return [tuple(pair) for pair in near[length < BOND_REACH * radii[near].sum(axis=1)].tolist()]


@dataclass(frozen=True, eq=False)
class Report:
    """All that a report page shows. Whatever is left out here has no section there.

    Example:
        >>> path = RelaxationPath(np.array([0.3, 0.1, 0.0]), np.array([1.2, 0.4, 0.008]))
        >>> Report("Gaunt potential", configuration={"channels": 32}, relaxation=path).summary
        ['Relaxed in 2 steps, to a largest force of 8.00 meV/Å.']

    Turn it into a page with `potentials.page.page.write_report`.
    """

    title: str
    configuration: Mapping[str, object] = field(default_factory=dict)
    """What was run; values may be nested mappings."""
    history: Sequence[Mapping[str, float | int]] = ()
    """A row an epoch: "epoch" (required), "seconds", "loss", "valid_loss", and errors in eV/atom, eV/A or eV/A^3, told
    apart by "energy", "force" or "stress" in their names and drawn in meV; "..._mse" are squares of them."""
    sets: Sequence[SetResult] = ()
    """Evaluated sets, the easiest first."""
    relaxation: RelaxationPath | None = None
    dynamics: EnergyTrace | None = None
    structures: Sequence[Structure] = ()

    @cached_property
    def summary(self) -> list[str]:
        """The result in words, one sentence each."""
        sentences = [judgement(result) for result in self.sets if result.errors]
        if not sentences and any("valid_loss" in row for row in self.history):
            sentences.append(best_epoch(self.history))
        if self.relaxation is not None:
            steps, force = len(self.relaxation.energy) - 1, 1000 * self.relaxation.fmax[-1]
            verb = "Relaxed" if self.relaxation.converged else "Not relaxed"
            sentences.append(f"{verb} in {steps} steps, to a largest force of {plain(force)} meV/Å.")
        if self.dynamics is not None:
            length, drift = (self.dynamics.time[-1] - self.dynamics.time[0]) / 1000, 1000 * self.dynamics.drift
            sentences.append(f"Energy drift over {plain(length)} ps of dynamics: {plain(drift)} meV/atom per ps.")
        return sentences


def plain(value: float) -> str:
    """Three significant digits, never an exponent: 1234, 45.2, 0.0123."""
    if not np.isfinite(value) or value == 0:
        return "0" if value == 0 else str(value)
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{value:.{digits}f}"


def judgement(result: SetResult) -> str:
    """The error of a set in a sentence: of its forces, or of what else has labels."""
    quantity = next(name for name in ("forces", "energy", "stress") if name in result.errors)
    error, baseline = result.errors[quantity].rmse, result.errors[quantity].baseline
    constant = "the mean" if quantity == "energy" else "zero"
    better = f", {baseline / error:.2g} times better than predicting {constant}" if 0 < error < baseline else ""
    place = "" if result.title == "all" else f" at {result.title}"
    return f"{NAMES[quantity].capitalize()} error{place}: {plain(error)} {SHOWN_UNITS[quantity]}{better}."


def best_epoch(history: Sequence[Mapping[str, float | int]]) -> str:
    """The smallest errors of a training on its validation frames in a sentence."""
    best = min((row for row in history if "valid_loss" in row), key=lambda row: row["valid_loss"])
    units = {"valid_energy_rmse": "meV/atom", "valid_forces_rmse": "meV/Å"}
    errors = [f"{plain(1000 * best[name])} {unit}" for name, unit in units.items() if name in best]
    return f"Errors on the validation frames: {', '.join(errors)}, at best, in epoch {best['epoch']} of {len(history)}."
