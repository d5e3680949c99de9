"""The frames of one section of a configuration: to train on, to validate with, and their references. No group acts."""

from dataclasses import dataclass

from intertwine.potentials.data.readers import read
from intertwine.potentials.fitting.config import DataConfig
from intertwine.potentials.fitting.fit import hold_out, reference_frames, trainable, with_edges
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.reference import isolated_atom_energies


@dataclass(frozen=True)
class DataSet:
    """Labelled structures, split."""

    train: list[Graph]
    valid: list[Graph]
    references: dict[int, float]
    """Energy of an atom of each element alone, eV."""
    isolated: dict[int, float]
    """Those of them that frames of single atoms gave."""


def read_data(section: DataConfig, *, seed: int, cutoff: float) -> DataSet:
    """Read and split what a section names, and connect its frames.

    Raises:
        GraphError: files that cannot be read or trained on.
    """

    def labelled(path: str) -> list[Graph]:
        return read(path, **{f"{name}_key": key for name, key in section.keys})

    frames = labelled(section.train)
    train, references = reference_frames(frames)
    if isinstance(section.valid, str):
        valid = trainable(labelled(section.valid))
    else:
        train, valid = hold_out(train, section.valid, seed=seed)
    return DataSet(with_edges(train, cutoff), with_edges(valid, cutoff), references, isolated_atom_energies(frames))
