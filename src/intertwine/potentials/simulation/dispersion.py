"""What density functionals lack at long range: D3 dispersion added to a potential; E(3) acts on positions and cell."""

from typing import Any, Literal

from ase import Atoms
from ase.calculators.calculator import Calculator as AseCalculator
from ase.units import Bohr

from intertwine.potentials.simulation.calculator import Calculator

HEAVIEST = 103
"""Lawrencium, the last element that D3 is parametrised for; dftd3 1.7 does not survive heavier ones."""
SMOOTH = {"width2": 10 * Bohr, "width3": 10 * Bohr}
"""Over how many Angstrom pairs and threes are switched off."""


class DispersionError(ValueError):
    """Dispersion that cannot be computed: no dftd3, a functional without parameters, an element that is too heavy."""


class DispersedCalculator(Calculator):
    """The calculator of a potential whose energies, forces and stresses have those of another added, made for D3.

    Energies of single atoms are left out: there are none of D3. What an estimator says of them stays.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012  ASE's interface

    def __init__(self, of: Calculator, dispersion: AseCalculator):
        super().__init__(of.potential, skin=of.skin, estimator=of.estimator)
        self.dispersion = dispersion

    def compute(self, atoms: Atoms, *, stress: bool = False) -> dict[str, Any]:
        """The sum of both, for atoms as they are now."""
        results = super().compute(atoms, stress=stress)
        del results["energies"]
        wanted = ["energy", "forces", *(["stress"] if stress else [])]
        self.dispersion.calculate(atoms, wanted)
        added = {name: self.dispersion.results[name] for name in wanted}
        added["free_energy"] = added["energy"]
        return results | {name: results[name] + each for name, each in added.items()}


def with_dispersion(
    calculator: Calculator, functional: str, *, damping: Literal["bj", "zero"] = "bj"
) -> DispersedCalculator:
    r"""The calculator of a potential with Grimme's D3 on top: energies, forces and stresses add up.

        E_disp = - sum over pairs, n = 6, 8 of  s_n C_n / (r^n + damping)   -   a term of three atoms

    For potentials that were trained on a functional without dispersion; one trained on labels with dispersion knows it
    already, and would count it twice. Computed by s-dftd3, in float64 on the CPU: pairs to 60 bohr, threes to 40, much
    farther than the cutoff of a potential. Both fall smoothly to zero over the last 10 bohr; as dftd3 cuts them by
    default, the energy of a crystal jumps as atoms move, and forces are not its derivative.

    Args:
        calculator: of the potential.
        functional: the functional of the labels, a name of s-dftd3's such as "pbe", "b3lyp", "r2scan".
        damping: "bj" is Becke and Johnson's, "zero" the older one.

    Raises:
        DispersionError: dftd3 is not installed, has no parameters for the functional, or not for an element of the
            potential.

    Example:
        >>> atoms.calc = with_dispersion(Calculator(load("runs/demo/potential")), "pbe")  # doctest: +SKIP
        >>> atoms.get_potential_energy(), atoms.get_forces()  # doctest: +SKIP

    Reference: Grimme, Antony, Ehrlich, Krieg, 2010, J. Chem. Phys. 132, 154104; damping: Grimme, Ehrlich, Goerigk,
    2011, J. Comput. Chem. 32, 1456.
    """
    try:
        from dftd3.ase import DFTD3
        from dftd3.interface import RationalDampingParam, ZeroDampingParam
    except ImportError as error:
        raise DispersionError(f'dispersion needs dftd3 ({error}); try: pip install "intertwine[dispersion]"') from None
    try:
        (RationalDampingParam if damping == "bj" else ZeroDampingParam)(method=functional)
    except RuntimeError:
        raise DispersionError(
            f"with_dispersion: dftd3 has no D3 parameters with {damping} damping for the functional {functional!r}. "
            f'Name the functional of the labels as it does: "pbe", "b3lyp", "r2scan", ...'
        ) from None
    heavy = [number for number in calculator.potential.species if number > HEAVIEST]
    if heavy:
        raise DispersionError(
            f"with_dispersion: D3 knows the elements to {HEAVIEST}, but the potential was made for {heavy} too; use it "
            f"without dispersion."
        )
    return DispersedCalculator(calculator, DFTD3(method=functional, damping=f"d3{damping}", realspace_cutoff=SMOOTH))
