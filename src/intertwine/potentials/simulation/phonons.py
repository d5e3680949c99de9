"""Phonons by finite displacements through phonopy; the space group of the crystal acts on displacements and forces."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.cell import Cell
from ase.units import kJ, mol
from jaxtyping import Float

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.predict import predictions
from intertwine.potentials.simulation.trajectory import bare
from intertwine.potentials.structures.graph import Graph, GraphError

AT_REST = 0.05
"""Largest force of a structure whose phonons mean something, eV/A."""
IMAGINARY = 0.05
"""THz below zero from which on a frequency is no rounding of the acoustic ones at Gamma."""
STILL = 1e-3
"""THz below which a mode is the crystal moving as a whole, and holds no heat."""
TEMPERATURES = tuple(10.0 * step for step in range(101))
"""K."""
POINTS = 51
"""Wave vectors on each leg of the path."""


class PhononsUnavailable(ValueError):
    """phonopy is not installed."""


@dataclass(frozen=True, eq=False)
class Phonons:
    """Vibrations of a crystal. Frequencies in THz; imaginary ones are negative."""

    path: Float[np.ndarray, "point"]
    """Length along the path through the Brillouin zone, 1/A."""
    bands: Float[np.ndarray, "point band"]
    labels: list[tuple[float, str]]
    """Where on the path which special point lies; two names where the path jumps."""
    frequency: Float[np.ndarray, "bin"]
    density: Float[np.ndarray, "bin"]
    """States per THz and primitive cell; its integral is the number of bands."""
    temperature: Float[np.ndarray, "temperature"]
    """K."""
    free_energy: Float[np.ndarray, "temperature"]
    """Of the vibrations, eV per primitive cell, zero-point energy included."""
    entropy: Float[np.ndarray, "temperature"]
    """eV/K per primitive cell."""
    heat_capacity: Float[np.ndarray, "temperature"]
    """At constant volume, eV/K per primitive cell."""
    acoustic: float
    """Largest frequency of the three acoustic bands at Gamma, before force constants are made to sum to zero."""
    imaginary: list[tuple[list[float], float]]
    """Wave vectors of path and mesh (fractional) with their lowest frequency, where that is imaginary."""
    phonopy: Any
    """The `phonopy.Phonopy` behind it, for whatever else is wanted of it."""

    @property
    def stable(self) -> bool:
        """Whether no frequency is imaginary."""
        return not self.imaginary


def phonons(
    potential: Potential,
    structure: Graph | Atoms,
    *,
    supercell: Sequence[int] = (2, 2, 2),
    mesh: Sequence[int] = (20, 20, 20),
    displacement: float = 0.01,
    temperatures: Sequence[float] = TEMPERATURES,
    progress: Callable[[str, int, int], None] | None = None,
) -> Phonons:
    """Force constants from displaced atoms in a supercell, then bands, density of states and thermal properties.

    Displacements are those that symmetry leaves; all supercells are evaluated in batches, in float64. Force constants
    are made symmetric and to sum to zero. Harmonic: expansion and anharmonic lifetimes are left out, and so are the
    long-range fields of polar crystals.

    Args:
        structure: a relaxed crystal.
        supercell: repeats along the lattice vectors. Twice the cutoff is long enough for a short-ranged potential.
        mesh: of wave vectors, for density and thermal properties.
        displacement: Angstrom.
        temperatures: K.
        progress: called with a line of text, the displaced supercells that are done, and all of them.

    Raises:
        GraphError: the structure is not periodic, not at rest, or cannot be computed with.
        PhononsUnavailable: phonopy is not installed.

    Example:
        >>> found = phonons(potential, crystal, supercell=(3, 3, 3))  # doctest: +SKIP
        >>> found.stable, found.bands.max()  # doctest: +SKIP

    Reference: Parlinski, Li, Kawazoe, 1997, Phys. Rev. Lett. 78, 4063; Togo et al., 2023, J. Phys. Condens. Matter 35,
    353001 (phonopy); the path: Setyawan and Curtarolo, 2010, Comput. Mater. Sci. 49, 299 (ASE).
    """
    try:
        from phonopy import Phonopy
        from phonopy.structure.atoms import PhonopyAtoms
    except ImportError as error:
        raise PhononsUnavailable(f'phonons need phonopy ({error}); try: pip install "intertwine[phonons]"') from error
    if len(supercell) != 3 or len(mesh) != 3 or min(*supercell, *mesh) < 1 or not displacement > 0:
        raise GraphError(
            f"phonons: supercell and mesh need three positive numbers each and displacement a length, got "
            f"{list(supercell)}, {list(mesh)} and {displacement}."
        )
    atoms = bare(structure)
    if not atoms.pbc.all():
        raise GraphError(f"{atoms.symbols}: phonons need a structure that is periodic along all three directions.")
    exact = deepcopy(potential).double()
    (rest,) = _forces(exact, [atoms])
    fmax = float(np.linalg.norm(rest, axis=1).max())
    if fmax > AT_REST:
        raise GraphError(
            f"{atoms.symbols}: forces reach {fmax:.3g} eV/A, phonons need a structure at rest; relax it first "
            "(intertwine relax ... --cell full --fmax 0.001)."
        )
    unit = PhonopyAtoms(numbers=atoms.numbers, cell=atoms.cell.array, scaled_positions=atoms.get_scaled_positions())
    crystal = Phonopy(unit, supercell_matrix=np.diag(supercell), primitive_matrix="auto")
    crystal.generate_displacements(distance=displacement)
    displaced = [
        Atoms(cell.numbers, cell.positions, cell=cell.cell, pbc=True)
        for cell in crystal.supercells_with_displacements or []
        if cell is not None
    ]
    crystal.produce_force_constants(forces=np.stack(_forces(exact, displaced, progress)), show_drift=False)
    crystal.run_qpoints([[0.0, 0.0, 0.0]])
    gamma = np.sort(np.abs(crystal.get_qpoints_dict()["frequencies"][0]))
    crystal.symmetrize_force_constants(show_drift=False)
    points, labels = _path(crystal)
    crystal.run_band_structure([leg for leg, _ in points])
    found: Any = crystal.get_band_structure_dict()
    crystal.run_mesh(list(mesh), is_gamma_center=True)
    crystal.run_total_dos()
    crystal.run_thermal_properties(temperatures=np.array(temperatures, dtype=float), cutoff_frequency=STILL)
    on_mesh: Any = crystal.get_mesh_dict()
    states, thermal = crystal.get_total_dos_dict(), crystal.get_thermal_properties_dict()
    bands = np.concatenate(found["frequencies"])
    wave_vectors = np.concatenate([*found["qpoints"], on_mesh["qpoints"]])
    lowest = np.concatenate([bands, on_mesh["frequencies"]]).min(axis=1)
    per_mole = kJ / mol  # phonopy tells energies of a mole of cells
    return Phonons(
        path=np.concatenate([place for _, place in points]),
        bands=bands,
        labels=labels,
        frequency=np.asarray(states["frequency_points"]),
        density=np.asarray(states["total_dos"]),
        temperature=np.asarray(thermal["temperatures"]),
        free_energy=np.asarray(thermal["free_energy"]) * per_mole,
        entropy=np.asarray(thermal["entropy"]) * per_mole / 1000,
        heat_capacity=np.asarray(thermal["heat_capacity"]) * per_mole / 1000,
        acoustic=float(gamma[:3].max()),
        imaginary=[(wave_vectors[i].tolist(), float(lowest[i])) for i in np.flatnonzero(lowest < -IMAGINARY)],
        phonopy=crystal,
    )


def write_phonons(folder: Path | str, found: Phonons) -> list[Path]:
    """Write phonons.json, phonons.png and phonopy.yaml (with force constants, for phonopy itself) into a folder.

    Raises:
        GraphError: the folder cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GraphError(f"{folder}: cannot be made ({error.strerror}); choose another.") from error
    content = {
        "units": {"frequency": "THz", "path": "1/A", "free_energy": "eV", "entropy": "eV/K", "heat_capacity": "eV/K"},
        "stable": found.stable,
        "imaginary": [{"wave_vector": place, "frequency": value} for place, value in found.imaginary],
        "acoustic_at_gamma": found.acoustic,
        "bands": {"path": found.path.tolist(), "frequency": found.bands.tolist(), "labels": found.labels},
        "density": {"frequency": found.frequency.tolist(), "states": found.density.tolist()},
        "thermal": {
            "temperature": found.temperature.tolist(),
            "free_energy": found.free_energy.tolist(),
            "entropy": found.entropy.tolist(),
            "heat_capacity": found.heat_capacity.tolist(),
        },
    }
    (folder / "phonons.json").write_text(json.dumps(content) + "\n", "utf-8")
    found.phonopy.save(folder / "phonopy.yaml", settings={"force_constants": True})
    _draw(folder / "phonons.png", found)
    return [folder / name for name in ("phonons.json", "phonons.png", "phonopy.yaml")]


def _forces(
    potential: Potential, structures: Sequence[Atoms], progress: Callable[[str, int, int], None] | None = None
) -> list[np.ndarray]:
    """Forces of every structure, eV/A."""
    graphs, rows, done = [from_atoms(atoms, keys=None) for atoms in structures], [], 0
    for batch, prediction, _ in predictions(potential, graphs):
        assert prediction.forces is not None
        rows.append(prediction.forces.cpu().numpy())
        done += batch.graph_count
        if progress:
            progress("displacements", done, len(graphs))
    return np.split(np.concatenate(rows), np.cumsum([len(atoms) for atoms in structures])[:-1])


def _path(crystal: Any) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[tuple[float, str]]]:
    """Fractional wave vectors and lengths of every leg of ASE's standard path, and where its corners lie."""
    cell = Cell(crystal.primitive.cell)
    route, reciprocal = cell.bandpath(npoints=0), cell.reciprocal()
    legs, labels, length = [], [], 0.0
    for part in _parse(route.path):
        start = route.special_points[part[0]]
        if labels:
            labels[-1] = (length, f"{labels[-1][1]}|{part[0]}")
        else:
            labels.append((length, part[0]))
        for name in part[1:]:
            end = route.special_points[name]
            step = float(np.linalg.norm((end - start) @ reciprocal))
            share = np.linspace(0, 1, POINTS)
            legs.append((start + share[:, None] * (end - start), length + share * step))
            start, length = end, length + step
            labels.append((length, name))
    return legs, labels


def _parse(path: str) -> list[list[str]]:
    """Names of special points, a list for each connected part.

    Example:
        >>> _parse("GXU1,KG")
        [['G', 'X', 'U1'], ['K', 'G']]
    """
    from ase.dft.kpoints import parse_path_string

    return parse_path_string(path)


def _draw(file: Path, found: Phonons) -> None:
    """Bands beside the density of states."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    bands, states = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    for band in found.bands.T:
        for leg in range(0, len(band), POINTS):
            bands.plot(found.path[leg : leg + POINTS], band[leg : leg + POINTS], color="#2b5c8a", linewidth=1)
    places, names = zip(*found.labels)
    bands.set_xticks(places, [name.replace("G", "Γ") for name in names])
    bands.grid(axis="x", color="#cccccc")
    bands.set_xlim(0, found.path[-1])
    bands.set_ylabel("frequency / THz")
    states.plot(found.density, found.frequency, color="#2b5c8a", linewidth=1)
    states.set_xlabel("states / THz")
    for axes in (bands, states):
        axes.axhline(0, color="#888888", linewidth=0.8)
    figure.savefig(file, dpi=150)
