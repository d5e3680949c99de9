"""Files of every format and ASE objects to graphs and back, refusing what is not sound; no group acts."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Literal

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from intertwine.potentials.data.ase_files import ASE_FORMATS, ase_frames, write_database
from intertwine.potentials.data.atoms_frame import frame_of_atoms
from intertwine.potentials.data.extxyz import format_frame, frames_of
from intertwine.potentials.data.frame_store import FrameStore
from intertwine.potentials.data.hdf5_trajectory import is_trajectory, trajectory_frames
from intertwine.potentials.data.label_keys import Frame, LabelKeys, to_graph
from intertwine.potentials.data.lmdb_frames import lmdb_frames
from intertwine.potentials.data.store_writer import write_store
from intertwine.potentials.structures.batching import split
from intertwine.potentials.structures.graph import Graph, GraphError, Source, one_line
from intertwine.potentials.structures.numerals import without_fortran
from intertwine.potentials.structures.soundness import check
from intertwine.potentials.structures.textfile import COMPRESSED, read_text, write_text
from intertwine.potentials.structures.units import Units

STORES = (".h5", ".hdf5")
LMDB = (".lmdb", ".aselmdb")
READABLE = re.compile(r"\.((ext)?xyz(\.gz|\.xz)?|h5|hdf5|lmdb|aselmdb|traj|db|cif|vasp|poscar)$", re.IGNORECASE)


def read(
    path: str | Path,
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    stress_key: str | None = None,
    group_key: str | None = None,
    require: Collection[Literal["energy", "forces", "stress"]] = (),
    units: Units = Units(),
    fortran: bool = False,
) -> list[Graph]:
    r"""Every frame of a file as a float64 graph without edges, by its suffix.

    Extended XYZ, plain, .gz or .xz; a store (.h5, see `FrameStore`, which reads frame by frame); ASE databases (.db,
    .json) and trajectories (.traj); ASE databases in LMDB (.aselmdb, .lmdb) without pickles; .cif, .vasp, .poscar.

    Labels go by their usual names (energy, REF_energy, forces, stress, virial, config_type, ...) unless a key names
    them; a virial becomes stress = -virial / volume. Forces are those in the file, also of constrained atoms.

    Args:
        require: labels that every frame must have.
        units: of the file, if they are not eV and Angstrom.
        fortran: take 1.0D-3 for a number, in extended XYZ.

    Raises:
        GraphError: in one line with file, frame, line, atom and field: a file that is missing, damaged, truncated or no
            text; labels that are missing, no numbers, or ambiguous; a structure that `soundness.check` refuses.

    Example:
        >>> graphs = read("train.extxyz.xz", require=("energy", "forces"))  # doctest: +SKIP
    """
    path = Path(path)
    keys = LabelKeys(energy_key, forces_key, stress_key, group_key)
    frames = [load() for load in frames_in(path, fortran=fortran)]
    graphs = [check(units.to_ev(to_graph(frame, keys))) for frame in frames]
    for key, found in (
        (energy_key, [graph.energy is not None for graph in graphs]),
        (forces_key, [graph.forces is not None for graph in graphs]),
        (stress_key, [graph.stress is not None for graph in graphs]),
        (group_key, [bool(graph.groups) for graph in graphs]),
    ):
        if key is not None and not any(found):
            _fail_unknown(key, path, frames[0])
    for graph in graphs:
        for label in require:
            if getattr(graph, label) is None:
                raise GraphError(
                    f"{graph.place(0)}: {label} is missing; label the frame, drop it, or name its {label}_key."
                )
    return graphs


def write(path: str | Path, graphs: Sequence[Graph], *, decimals: int | None = None, compress: bool = False) -> None:
    """Structures as extended XYZ (.gz or .xz by suffix), as a store (.h5) or an ASE database (.db), all or nothing.

    Keys are energy, forces, stress, config_type. Without `decimals` every float64 comes back bit for bit; with it the
    positions and forces of extended XYZ are rounded, which compresses better. The file appears at once and complete.

    Args:
        compress: a store, with gzip.

    Raises:
        GraphError: another suffix, nothing to write, or a structure that `read` would refuse.

    Example:
        >>> write("water.extxyz.xz", [from_atoms(atoms) for atoms in frames])  # doctest: +SKIP
    """
    path = Path(path)
    require_writable(path)
    if format_of(path) == "store":
        single = all(graph.graph_count == 1 for graph in graphs)
        write_store(path, graphs if single else [part for graph in graphs for part in split(graph)], compress=compress)
        return
    structures = [check(structure) for graph in graphs for structure in split(graph)]
    if not structures:
        raise GraphError(f"{one_line(path)}: there are no structures to write; expected at least one.")
    if format_of(path) == "ase":
        write_database(path, [to_atoms(structure) for structure in structures])
    else:
        write_text(path, "".join(format_frame(structure, decimals) for structure in structures))


def require_writable(path: Path) -> None:
    """Refuse a name of which no file can be made, before the work is done.

    Raises:
        GraphError: another suffix than those of `write`, or no such folder.
    """
    if format_of(path) not in ("extxyz", "store") and path.suffix.lower() != ".db":
        raise GraphError(
            f"{one_line(path)}: can only write .extxyz or .xyz, optionally with .gz or .xz, .h5 and .db; rename it."
        )
    if not path.absolute().parent.is_dir():
        raise GraphError(f"{one_line(path)}: cannot be written, there is no folder {one_line(path.parent)}; make it.")


def from_atoms(atoms: Atoms, source: Source | None = None, *, keys: LabelKeys | None = LabelKeys()) -> Graph:
    """An ASE structure as a float64 graph without edges.

    Labels come from the calculator's stored results, if they belong to these very positions, and from `info` and
    `arrays`; nothing is computed. Forces are raw: `atoms.get_forces()` would zero those of constrained atoms.

    Args:
        keys: names of the labels; None reads none.

    Raises:
        GraphError: as `read`.

    Example:
        >>> from ase.build import molecule
        >>> from_atoms(molecule("H2O")).numbers.tolist()
        [8, 1, 1]
    """
    name = str(atoms.symbols)
    if len(name) > 40:
        name = atoms.get_chemical_formula()
    frame = frame_of_atoms(atoms, source or Source(f"Atoms {name}", 0), labels=keys is not None)
    return check(to_graph(frame, keys or LabelKeys()))


def to_atoms(graph: Graph) -> Atoms:
    """A graph of one structure as ASE `Atoms`: labels in a single-point calculator, group in `config_type`.

    Example:
        >>> from ase.build import molecule
        >>> to_atoms(from_atoms(molecule("H2O"))).get_chemical_formula()
        'H2O'
    """
    if graph.graph_count != 1:
        raise GraphError(f"to_atoms: the graph holds {graph.graph_count} structures, expected 1; use split first.")
    atoms = Atoms(
        graph.numbers.cpu().numpy(),
        positions=graph.positions.detach().cpu().double().numpy(),
        cell=graph.cell[0].detach().cpu().double().numpy(),
        pbc=graph.pbc[0].cpu().numpy(),
    )
    if graph.groups:
        atoms.info["config_type"] = graph.groups[0]
    results = {}
    if graph.energy is not None:
        results["energy"] = graph.energy.item()
    if graph.forces is not None:
        results["forces"] = graph.forces.detach().cpu().double().numpy()
    if graph.stress is not None:
        results["stress"] = graph.stress[0].detach().cpu().double().numpy()[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def format_of(path: Path) -> Literal["extxyz", "store", "lmdb", "ase"]:
    """Who reads a file, by its suffix.

    Raises:
        GraphError: nobody does.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    inner = suffixes[-2:-1] if suffixes and suffixes[-1] in COMPRESSED else suffixes[-1:]
    last = suffixes[-1] if suffixes else ""
    if inner in ([".xyz"], [".extxyz"]):
        return "extxyz"
    if last in STORES:
        return "store"
    if last in LMDB:
        return "lmdb"
    if last in ASE_FORMATS:
        return "ase"
    if path.is_dir():
        inside = sorted(each.name for each in path.iterdir() if READABLE.search(each.name))[:3]
        there = f"it holds {', '.join(map(one_line, inside))}" if inside else "no file of structures lies in it"
        raise GraphError(f"{one_line(path)}: is a folder, expected a file of structures; {there}.")
    known = ", ".join([".extxyz, .xyz (also with .gz or .xz)", *STORES, *LMDB, *ASE_FORMATS])
    raise GraphError(
        f"{one_line(path)}: unknown format {path.suffix!a}, expected one of {known}; convert or rename it."
    )


def frames_in(path: Path, *, fortran: bool = False) -> Iterator[Callable[[], Frame]]:
    """The frames of a file as functions that read them, before their labels are understood.

    Raises:
        GraphError: the file cannot be taken apart into frames.
    """
    kind = format_of(path)
    if kind == "extxyz":
        text = read_text(path)
        yield from frames_of(without_fortran(text) if fortran else text, path)
    elif kind == "store" and is_trajectory(path):
        yield from trajectory_frames(path)
    elif kind == "store":
        store = FrameStore(path)
        yield from (partial(store.frame, index) for index in range(len(store)))
    else:
        for frame in lmdb_frames(path) if kind == "lmdb" else ase_frames(path):
            yield partial(_itself, frame)


def _itself(frame: Frame) -> Frame:
    return frame


def _fail_unknown(key: str, path: Path, frame: Frame) -> None:
    known = [*frame.info, *frame.columns]
    near = get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!a}?" if near else f"frame 0 has {', '.join(map(ascii, known)) or 'no keys'}."
    raise GraphError(f"{one_line(path)}: no frame has the key {key!a}; {hint}")
