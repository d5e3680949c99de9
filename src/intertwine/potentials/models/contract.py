"""What every potential must hold to, as one public check: E(3) and permutations act on atoms, energies stay."""

from collections.abc import Callable, Iterator
from math import inf, isnan
from typing import NamedTuple

import torch

from intertwine.potentials.models import contract_calculus as calculus
from intertwine.potentials.models import contract_symmetry as symmetry
from intertwine.potentials.models.contract_bench import Bench
from intertwine.potentials.models.potential import Potential


class Property(NamedTuple):
    """One clause of the contract."""

    errors: Callable[[Bench], Iterator[tuple[float, str]]]
    allowed: float
    unit: str


PROPERTIES = {
    "rotations and reflections": Property(symmetry.rotations_and_reflections, 1e-10, "relative"),
    "translations": Property(symmetry.translations, 1e-10, "relative"),
    "permutations": Property(symmetry.permutations, 1e-10, "relative"),
    "single = batch": Property(symmetry.batches, 1e-10, "relative"),
    "no leaks across structures": Property(symmetry.leaks, 1e-10, "relative"),
    "far fragments add": Property(symmetry.far_fragments, 1e-10, "relative"),
    "supercells add": Property(symmetry.supercells, 1e-9, "eV/atom"),
    "no net force or torque": Property(symmetry.balance, 1e-10, "relative"),
    "forces = -dE/dx": Property(calculus.forces_are_slopes, 1e-6, "eV/A"),
    "stress = dE/dstrain / volume": Property(calculus.stress_is_slope, 1e-7, "eV/A^3"),
    "smooth at the cutoff": Property(calculus.cutoff_is_smooth, 1e-9, "eV"),
    "isolated atoms": Property(calculus.isolated_atoms, 1e-9, "eV"),
    "float32 = float64": Property(calculus.single_precision, 1e-4, "relative"),
    "deterministic": Property(calculus.repeats, 0.0, ""),
    "training gradient": Property(calculus.training_gradient, 1e-6, "relative"),
    "never NaN": Property(calculus.nothing_but_numbers, 0.0, ""),
}
"""The contract: what is measured, on structures in float64, and the largest error that passes."""


def check_potential(potential: Potential, *, generator: torch.Generator | None = None) -> dict[str, float]:
    """Check that a potential keeps the contract `PROPERTIES`, and return the error that each property has.

    Works on a float64 copy, on structures made for the potential's cutoff and elements: a molecule, a straight line of
    atoms, a skewed crystal, the same with a left-handed cell, a slab. Takes a few seconds for a small model.

    Args:
        generator: of structures, motions and directions; left out, the same ones every time.

    Raises:
        AssertionError: naming each property that fails, its error, what is allowed, and where.

    Example:
        >>> from intertwine.potentials.models.saved import build_potential
        >>> hyperparameters = {"species": [1, 8], "cutoff": 4.0, "channels": 2, "edge_degree": 1, "correlation": 2}
        >>> potential = build_potential("mace", hyperparameters, {1: -13.6, 8: -2041.8}, seed=0)
        >>> check_potential(potential)["forces = -dE/dx"] < 1e-6
        True

    Reference: the list follows the model tests of nequip (Batzner et al., 2022, arXiv:2101.03164).
    """
    bench = Bench.around(potential, generator or torch.Generator().manual_seed(0))
    found, faults = {}, []
    for name, (errors, allowed, unit) in PROPERTIES.items():
        try:
            error, where = max(errors(bench), key=_severity, default=(0.0, ""))
        except Exception as failure:
            failure.add_note(f'check_potential: raised while checking "{name}"')
            raise
        found[name] = error
        if not error <= allowed:
            faults.append(f"{name}: error {error:.2g} {unit}, allowed {allowed:.0e}; {where}")
    if faults:
        raise AssertionError("\n".join([f"check_potential: {len(faults)} of {len(PROPERTIES)} fail", *faults]))
    return found


def _severity(finding: tuple[float, str]) -> float:
    return inf if isnan(finding[0]) else finding[0]
