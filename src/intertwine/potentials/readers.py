"""Files and ASE objects to graphs and back, refusing what is not sound; no group acts."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Literal

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.singlepoint import SinglePointCalculator

from intertwine.potentials.batching import split
from intertwine.potentials.extxyz import format_frame, parse
from intertwine.potentials.graph import Graph, GraphError, Source, one_line
from intertwine.potentials.label_keys import Frame, LabelKeys, to_graph
from intertwine.potentials.soundness import check
from intertwine.potentials.textfile import COMPRESSED, read_text, require_file, write_text

ASE_FORMATS = {".traj": "traj", ".db": "db", ".json": "db", ".cif": "cif", ".vasp": "vasp", ".poscar": "vasp"}
"""Formats left to ASE. None of them executes what it reads: formats that hold pickles or Python are not listed."""


def read(
    path: str | Path,
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    stress_key: str | None = None,
    group_key: str | None = None,
    require: Collection[Literal["energy", "forces", "stress"]] = (),
) -> list[Graph]:
    r"""Every frame of a file as a float64 graph without edges: extended XYZ, plain, .gz or .xz, or a few ASE formats.

    Labels go by their usual names (energy, REF_energy, forces, stress, virial, config_type, ...) unless a key names
    them; a virial becomes stress = -virial / volume. Forces are those in the file, also of constrained atoms.

    Args:
        require: labels that every frame must have.

    Raises:
        GraphError: in one line with file, frame, line, atom and field: a file that is missing, damaged, truncated or no
            text; labels that are missing, no numbers, or ambiguous; a structure that `soundness.check` refuses.

    Example:
        >>> graphs = read("train.extxyz.xz", require=("energy", "forces"))  # doctest: +SKIP
    """
    path = Path(path)
    keys = LabelKeys(energy_key, forces_key, stress_key, group_key)
    frames = _frames(path)
    graphs = [check(to_graph(frame, keys)) for frame in frames]
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


def write(path: str | Path, graphs: Sequence[Graph], *, decimals: int | None = None) -> None:
    """Structures as extended XYZ (.gz or .xz by suffix) with keys energy, forces, stress, config_type, all or nothing.

    Without `decimals` every float64 comes back bit for bit; with it positions and forces are rounded, which compresses
    better. The file appears at once and complete.

    Raises:
        GraphError: another suffix, nothing to write, or a structure that `read` would refuse.
    """
    path = Path(path)
    if _kind(path) != "extxyz":
        raise GraphError(f"{one_line(path)}: can only write .extxyz or .xyz, optionally with .gz or .xz; rename it.")
    structures = [check(structure) for graph in graphs for structure in split(graph)]
    if not structures:
        raise GraphError(f"{one_line(path)}: there are no structures to write; expected at least one.")
    write_text(path, "".join(format_frame(structure, decimals) for structure in structures))


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
    frame = _from_ase(atoms, source or Source(f"Atoms {atoms.symbols}", 0), labels=keys is not None)
    return check(to_graph(frame, keys or LabelKeys()))


def to_atoms(graph: Graph) -> Atoms:
    """A graph of one structure as ASE `Atoms`: labels in a single-point calculator, group in `config_type`."""
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


def _kind(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    inner = suffixes[-2:-1] if suffixes and suffixes[-1] in COMPRESSED else suffixes[-1:]
    if inner in ([".xyz"], [".extxyz"]):
        return "extxyz"
    if suffixes and suffixes[-1] in ASE_FORMATS:
        return ASE_FORMATS[suffixes[-1]]
    known = ".extxyz, .xyz (also with .gz or .xz), " + ", ".join(ASE_FORMATS)
    raise GraphError(
        f"{one_line(path)}: unknown format {path.suffix!a}, expected one of {known}; convert or rename it."
    )


def _frames(path: Path) -> list[Frame]:
    kind = _kind(path)
    if kind == "extxyz":
        return list(parse(read_text(path), path))
    require_file(path)
    try:
        images = ase.io.read(path, index=":", format=kind, do_not_split_by_at_sign=True)
    except Exception as error:  # ASE raises whatever its parsers stumble over
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise GraphError(f"{one_line(path)}: ASE cannot read it as {kind} ({reason}); check or convert it.") from error
    if not images:
        raise GraphError(f"{one_line(path)}: the file holds no structures; expected at least one frame.")
    return [_from_ase(atoms, Source(path, index)) for index, atoms in enumerate(images) if isinstance(atoms, Atoms)]


def _from_ase(atoms: Atoms, source: Source, labels: bool = True) -> Frame:
    info = dict(atoms.info) if labels else {}
    columns = {key: partial(np.asarray, array, dtype=float) for key, array in atoms.arrays.items()} if labels else {}
    calculator = atoms.calc
    if labels and isinstance(calculator, Calculator) and not calculator.check_state(atoms):
        for key in {"energy", "free_energy", "stress"} & set(calculator.results):
            if key in info and not np.array_equal(info[key], calculator.results[key]):
                raise GraphError(f"{source}: {key} is ambiguous, calculator and atoms.info differ; remove one.")
            info[key] = calculator.results[key]
        if "forces" in calculator.results:
            columns["forces"] = partial(np.asarray, calculator.results["forces"], dtype=float)
    return Frame(source, atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, info, columns)


def _fail_unknown(key: str, path: Path, frame: Frame) -> None:
    known = [*frame.info, *frame.columns]
    near = get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!a}?" if near else f"frame 0 has {', '.join(map(ascii, known)) or 'no keys'}."
    raise GraphError(f"{one_line(path)}: no frame has the key {key!a}; {hint}")
