"""What benchmarks of use stand on: a small potential, by path or trained for some minutes on the shipped frames."""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from ase import Atoms

from intertwine.experiments.demo import SHIPPED
from intertwine.experiments.machine import library_versions, this_machine
from intertwine.potentials.data.readers import read, to_atoms
from intertwine.potentials.fitting.fit import hold_out, new_potential, ready, reference_frames, train_potential
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import load
from intertwine.potentials.models.tabulate import tabulate
from intertwine.training.plan import TrainingPlan

SMALL = {"cutoff": 4.0, "channels": 8, "hidden": "0e+1o", "edge_degree": 1, "correlation": 2, "radial_hidden": [16]}


def options(description: str) -> argparse.ArgumentParser:
    """POTENTIAL or how to train one, and --out; a script adds its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("potential", type=Path, nargs="?")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--out", type=Path)
    return parser


def small_potential(chosen: argparse.Namespace) -> tuple[Potential, dict[str, Any]]:
    """The potential in float64 with tables in place of its networks, and what a result says of it and of here."""
    potential = _trained(chosen.epochs, chosen.frames) if chosen.potential is None else load(chosen.potential)
    return tabulate(potential.double()), {
        "machine": str(this_machine()),
        "versions": library_versions(),
        "threads": torch.get_num_threads(),
        "potential": str(chosen.potential or f"trained for {chosen.epochs} epochs on {chosen.frames} shipped frames"),
    }


def show(result: dict[str, Any], out: Path | None) -> None:
    """Print a result, and write it to a file."""
    text = json.dumps(result, indent=1, default=float)
    print(text)
    if out:
        out.write_text(text + "\n", "utf-8")


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
