"""Labels and lengths of other units as eV and Angstrom; scaling acts on positions, cells and labels, nothing else does.

Never by itself: only a caller who names a unit gets a conversion.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

import ase.units

from intertwine.potentials.structures.graph import Graph, GraphError

ENERGIES = {
    "ev": 1.0,
    "mev": 1e-3,
    "hartree": ase.units.Hartree,
    "ha": ase.units.Hartree,
    "rydberg": ase.units.Rydberg,
    "ry": ase.units.Rydberg,
    "kcal/mol": ase.units.kcal / ase.units.mol,
    "kj/mol": ase.units.kJ / ase.units.mol,
}
LENGTHS = {"angstrom": 1.0, "a": 1.0, "bohr": ase.units.Bohr, "nm": 10.0, "pm": 0.01}
PRESSURES = {"gpa": ase.units.GPa, "kbar": 0.1 * ase.units.GPa, "ev/a^3": 1.0, "ev/angstrom^3": 1.0}


@dataclass(frozen=True)
class Units:
    """The units a file is written in; capitals do not matter.

    Forces are in energy / length and stresses in energy / length^3 unless they are named: "Hartree/Bohr", "GPa". A
    minus before a name turns the sign: "-eV/Angstrom" for gradients in place of forces, "-kbar" for stresses of VASP.

    Raises:
        GraphError: a name that is not known, with the nearest one.

    Example:
        >>> round(Units(energy="Hartree", length="Bohr").force_factor, 4)
        51.4221
    """

    energy: str = "eV"
    length: str = "Angstrom"
    forces: str | None = None
    stress: str | None = None

    def __post_init__(self) -> None:
        _ = self.energy_factor, self.length_factor, self.force_factor, self.stress_factor

    @property
    def energy_factor(self) -> float:
        """An energy of one in this unit, eV."""
        return _factor(self.energy, ENERGIES, "energy unit")

    @property
    def length_factor(self) -> float:
        """A length of one in this unit, Angstrom."""
        return _factor(self.length, LENGTHS, "length unit")

    @property
    def force_factor(self) -> float:
        """A force of one in this unit, eV/Angstrom."""
        if self.forces is None:
            return self.energy_factor / self.length_factor
        energy, _, length = self.forces.rpartition("/")
        return _factor(energy, ENERGIES, "energy of the forces unit") / _factor(length, LENGTHS, "length of that unit")

    @property
    def stress_factor(self) -> float:
        """A stress of one in this unit, eV/Angstrom^3."""
        if self.stress is None:
            return self.energy_factor / self.length_factor**3
        return _factor(self.stress, PRESSURES, "stress unit")

    def to_ev(self, graph: Graph) -> Graph:
        """The graph in eV and Angstrom."""
        return replace(
            graph,
            positions=graph.positions * self.length_factor,
            cell=graph.cell * self.length_factor,
            energy=None if graph.energy is None else graph.energy * self.energy_factor,
            forces=None if graph.forces is None else graph.forces * self.force_factor,
            stress=None if graph.stress is None else graph.stress * self.stress_factor,
        )


def _factor(name: str, table: Mapping[str, float], what: str) -> float:
    sign, plain = (-1, name[1:]) if name.startswith("-") else (1, name)
    if plain.lower() in table:
        return sign * table[plain.lower()]
    near = get_close_matches(plain.lower(), table, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(table)}."
    raise GraphError(f"{what} {name!a} is not known; {hint}")
