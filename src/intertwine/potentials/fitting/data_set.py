"""The frames of one section of a configuration: to train on, to validate with, and their references. No group acts."""

from collections.abc import Sequence
from dataclasses import dataclass

from intertwine.potentials.data.on_demand import comes_on_demand, frames_of_file
from intertwine.potentials.fitting.config import DataConfig
from intertwine.potentials.fitting.fit import hold_out, reference_frames, trainable, with_edges
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.reference import isolated_atom_energies


@dataclass(frozen=True)
class DataSet:
    """Labelled structures, split: lists, or of a large store what reads a frame when it is asked for."""

    train: Sequence[Graph]
    valid: Sequence[Graph]
    references: dict[int, float]
    """Energy of an atom of each element alone, eV."""
    isolated: dict[int, float]
    """Those of them that frames of single atoms gave."""


def read_data(section: DataConfig, *, seed: int, cutoff: float) -> DataSet:
    """Read and split what a section names, and connect its frames; those of a large store when they are needed.

    Raises:
        GraphError: files that cannot be read or trained on.
    """

    def labelled(path: str) -> Sequence[Graph]:
        return frames_of_file(path, dict(section.keys))

    frames = labelled(section.train)
    train, references = reference_frames(frames)
    if isinstance(section.valid, str):
        valid = trainable(labelled(section.valid))
    else:
        train, valid = hold_out(train, section.valid, seed=seed)
    train, valid = (part if comes_on_demand(part) else with_edges(part, cutoff) for part in (train, valid))
    return DataSet(train, valid, references, isolated_atom_energies(frames))
