"""The small potential that benchmarks of use stand on: by path, or trained for some minutes on the shipped frames."""

from pathlib import Path

import torch
from ase import Atoms

from intertwine.experiments.demo import SHIPPED
from intertwine.potentials.data.readers import read, to_atoms
from intertwine.potentials.fitting.fit import hold_out, new_potential, ready, reference_frames, train_potential
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import load
from intertwine.potentials.models.tabulate import tabulate
from intertwine.training.plan import TrainingPlan

SMALL = {"cutoff": 4.0, "channels": 8, "hidden": "0e+1o", "edge_degree": 1, "correlation": 2, "radial_hidden": [16]}


def small_potential(path: Path | None, *, epochs: int, frames: int = 500) -> Potential:
    """In float64, with tables in place of its radial networks."""
    if path is None:
        potential = _trained(epochs, frames)
    else:
        potential = load(path)
    return tabulate(potential.double())


def molecules(name: str = "train_300K") -> list[Atoms]:
    """The frames of one of the shipped sets, without labels."""
    frames = [to_atoms(graph) for graph in read(SHIPPED) if graph.groups[0] == name]
    return [Atoms(frame.numbers, frame.positions) for frame in frames]


def _trained(epochs: int, frames: int) -> Potential:
    graphs = read(SHIPPED, require=("energy", "forces"))
    isolated = [graph for graph in graphs if graph.groups[0] == "isolated_atom"]
    train = [graph for graph in graphs if graph.groups[0] == "train_300K"][:frames]
    train, references = reference_frames(isolated + train)
    train, valid = hold_out(train, 0.05, seed=0)
    potential, train = new_potential("mace", SMALL, train, references, seed=0, dtype=torch.float32)
    plan = TrainingPlan(epochs=epochs, batch_size=5, learning_rate=0.02, schedule="cosine", clip_norm=10.0)
    train_potential(potential, train, ready(valid, potential), plan)
    return potential
