"""3BPA frames at three temperatures: the shipped stand-in, or DFT labels that a user has. No group acts on a file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from intertwine.experiments.data_folder import DataFolderError, locate
from intertwine.potentials.data.readers import read
from intertwine.potentials.structures.graph import Graph, one_line

SHIPPED = Path(str(files("intertwine.potentials"))) / "shipped" / "3bpa_gfn2.extxyz.xz"
TEMPERATURES = (300, 600, 1200)
"""K."""
ENDINGS = (".extxyz.xz", ".extxyz", ".xyz", ".xyz.xz", ".extxyz.gz", ".xyz.gz")
ISOLATED = ("isolated_atoms", "iso_atoms")
EXPECTED = (
    "3bpa/train_300K, test_300K, test_600K, test_1200K and iso_atoms, or heldout_* and isolated_atoms in their place, "
    f"with one of the endings {', '.join(ENDINGS)}"
)


@dataclass(frozen=True)
class Sets:
    """The frames of one source."""

    train: list[Graph]
    isolated: list[Graph]
    tests: list[Graph]
    """`groups` hold the temperature: "300 K", "600 K", "1200 K"."""


@dataclass(frozen=True)
class Folder:
    """The files of a folder, found and named for what they are."""

    train: Path
    isolated: Path
    tests: tuple[Path, ...]
    """In the order of `TEMPERATURES`."""
    kind: str


def describe(data: Path | None) -> str:
    """What is used, for the first line of the output.

    Raises:
        DataFolderError: a folder without the files.
    """
    if data is None:
        return (
            "Stand-in data: 3BPA frames made and labelled with GFN2-xTB by this library take the place of the paper's "
            "DFT set; errors compare between our rows, not with the paper's."
        )
    found = find_files(data)
    return f"Data: 3BPA from {one_line(found.train.parent)}, trained on {found.train.name}, tested on {found.kind}."


def load(data: Path | None, *, frames: int | None = None, test_frames: int | None = None) -> Sets:
    """Read the frames, evenly thinned to so many of the training set and of each test set.

    Raises:
        DataFolderError: a folder without the files.
        GraphError: a damaged file, or frames without energy or forces.
    """
    if data is None:
        graphs = read(SHIPPED, require=("energy", "forces"))
        sets = {name: [g for g in graphs if g.groups == (name,)] for name in {g.groups[0] for g in graphs}}
        train, isolated = sets["train_300K"], sets["isolated_atom"]
        tests = [sets[f"test_{kelvin}K"] for kelvin in TEMPERATURES]
    else:
        found = find_files(data)
        train = read(found.train, require=("energy", "forces"))
        isolated = read(found.isolated, require=("energy",))
        tests = [read(path, require=("energy", "forces")) for path in found.tests]
    named = [
        replace(graph, groups=(f"{kelvin} K",))
        for kelvin, members in zip(TEMPERATURES, tests, strict=True)
        for graph in thinned(members, test_frames)
    ]
    return Sets(thinned(train, frames), isolated, named)


def find_files(data: Path) -> Folder:
    """The files of a folder with DFT labels: the published test sets where they lie there, else held-out blocks.

    Raises:
        DataFolderError: no such folder, or a file is missing.
    """
    folder = locate(data, "3bpa")
    if not folder.is_dir():
        raise DataFolderError(data, EXPECTED, name="3bpa", without="the shipped set")
    published = any((folder / f"test_{kelvin}K{ending}").exists() for kelvin in TEMPERATURES for ending in ENDINGS)
    stem, kind = (
        ("test", "the published test sets")
        if published
        else ("heldout", "held-out blocks of the mixed-T file, which are not the published test sets")
    )
    return Folder(
        train=_one_of(folder, ["train_300K"]),
        isolated=_one_of(folder, ISOLATED),
        tests=tuple(_one_of(folder, [f"{stem}_{kelvin}K"]) for kelvin in TEMPERATURES),
        kind=kind,
    )


def thinned(graphs: Sequence[Graph], count: int | None) -> list[Graph]:
    """So many frames at even distances; all of them if None or if there are no more."""
    if count is None or count >= len(graphs):
        return list(graphs)
    return [graphs[i * len(graphs) // count] for i in range(count)]


def _one_of(folder: Path, stems: Sequence[str]) -> Path:
    names = [stem + ending for stem in stems for ending in ENDINGS]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    expected = f"{' or '.join(stems)} with one of the endings {', '.join(ENDINGS)}"
    raise DataFolderError(folder, expected, name="3bpa", without="the shipped set")
