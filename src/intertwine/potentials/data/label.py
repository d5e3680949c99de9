"""Labels from GFN2-xTB by tblite: O(3) acts on the coordinate axis, leaves energies alone and turns forces."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculatorError
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import ground_state_magnetic_moments

from intertwine.potentials.structures.graph import GraphError, Source

if TYPE_CHECKING:
    from tblite.ase import TBLite

POSITION_DECIMALS = 5
DECIMALS = {"energy": 6, "forces": 5, "stress": 8}  # kept of a label: what lies beyond is noise of the iterations
HEAVIEST = 86  # radon: the last element that GFN2-xTB is parametrised for
LABEL_ACCURACY = 0.1  # a tenth of tblite's default thresholds, so that labels do not depend on the starting guess


def gfn2(numbers: np.ndarray, *, charge: int = 0, accuracy: float = 1.0) -> "TBLite":
    """An ASE calculator for GFN2-xTB in the lowest spin the electrons allow; lone neutral atoms in their ground state.

    Raises:
        ImportError: tblite is not installed.
    """
    try:
        from tblite.ase import TBLite
    except ImportError as error:
        raise ImportError(f'labels need tblite ({error}); try: pip install "intertwine[label]"') from error
    electrons = int(numbers.sum()) - charge
    unpaired = int(ground_state_magnetic_moments[numbers[0]]) if len(numbers) == 1 and charge == 0 else electrons % 2
    return TBLite(method="GFN2-xTB", charge=charge, multiplicity=unpaired + 1, accuracy=accuracy, verbosity=0)


def single_point(atoms: Atoms, *, charge: int = 0, source: Source | None = None) -> Atoms:
    """The same structure with energy (eV), forces (eV/A) and, where it is periodic, stress (eV/A^3).

    Every call starts afresh: a label depends on its structure and on nothing that was computed before it.

    Raises:
        GraphError: an element beyond radon, a cell that is periodic in part, a charge that leaves no electron, or a
            calculation that fails.

    Example:
        >>> from ase import Atoms
        >>> water = Atoms("OH2", [[0, 0, 0], [0.76, 0, 0.59], [-0.76, 0, 0.59]])
        >>> energy = single_point(water).get_potential_energy()   # eV

    Reference: Bannwarth, Ehlert, Grimme, 2019, doi:10.1021/acs.jctc.8b01176.
    """
    where = f"{source}: " if source else ""
    if len(atoms) == 0 or not np.isfinite(atoms.positions).all():
        raise GraphError(f"{where}GFN2-xTB needs at least one atom and finite positions")
    if (atoms.numbers > HEAVIEST).any() or (atoms.numbers < 1).any():
        atom = int(np.argmax((atoms.numbers > HEAVIEST) | (atoms.numbers < 1)))
        raise GraphError(f"{where}atom {atom}: GFN2-xTB knows H to Rn, not {atoms.symbols[atom]}; drop the frame")
    if atoms.pbc.any() != atoms.pbc.all():
        raise GraphError(f"{where}pbc {atoms.pbc.tolist()}: label all-periodic or non-periodic structures only")
    if atoms.numbers.sum() <= charge:
        raise GraphError(f"{where}charge {charge:+} leaves no electron; check the charge")
    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    calculator = gfn2(bare.numbers, charge=charge, accuracy=LABEL_ACCURACY)
    with failures_named(where, "check the geometry, its unit and the charge"):
        calculator.calculate(bare)
    labels = {name: calculator.results[name] for name in DECIMALS if name in calculator.results}
    if not all(np.isfinite(value).all() for value in labels.values()):
        raise GraphError(f"{where}GFN2-xTB gave a number that is not finite; check for atoms on top of each other")
    bare.info = dict(atoms.info)
    rounded = {name: np.round(value, DECIMALS[name]) + 0.0 for name, value in labels.items()}  # + 0.0: no minus zero
    bare.calc = SinglePointCalculator(bare, **rounded)
    return bare


@contextmanager
def failures_named(where: str, remedy: str) -> Iterator[None]:
    """Turn what tblite raises into a `GraphError` of one line."""
    try:
        yield
    except (CalculatorError, RuntimeError) as error:
        raise GraphError(f"{where}GFN2-xTB failed ({' '.join(str(error).split())}); {remedy}") from error


def isolated_atoms(numbers: Iterable[int]) -> list[Atoms]:
    """One labelled lone atom for each element, in its ground state: H doublet, C triplet, N quartet, O triplet."""
    return [
        single_point(Atoms([number], [[0.0, 0.0, 0.0]], info={"config_type": "isolated_atom"}))
        for number in sorted(set(numbers))
    ]


def require_place(path: Path | str) -> None:
    """Refuse a place that cannot be written to, before the work is done."""
    path = Path(path)
    if not re.search(r"\.(ext)?xyz(\.gz|\.xz)?$", path.name, re.IGNORECASE):
        raise GraphError(
            f"{path}: expected a name that ends in .extxyz or .xyz, and .xz or .gz if it is to be compressed"
        )
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise GraphError(f"{path}: no folder {path.parent} to write to; make it first, or choose another")
