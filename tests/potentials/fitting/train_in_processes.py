"""Train a tiny potential on 1, 2 and 4 forked processes, and once with a wrong weighting; print how far apart they end.

Structures of 2, 4 and 8 atoms, some without energy and some without forces, five in a batch and three in the last.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import lightning_fabric  # noqa: F401  imported once here, not in every child
import numpy as np
import torch
from ase import Atoms
from lennard_jones import argon
from torch.distributed import TCPStore

from intertwine.potentials.data.readers import from_atoms
from intertwine.potentials.fitting.fit import new_potential, train_potential
from intertwine.potentials.structures.graph import Graph
from intertwine.potentials.structures.neighbors import connect
from intertwine.training import run
from intertwine.training.checkpoint import read_checkpoint, write_checkpoint
from intertwine.training.plan import TrainingPlan
from intertwine.training.progress import Quiet
from intertwine.training.weights import weights

SMALL = dict(cutoff=6.0, channels=3, edge_degree=1, correlation=2, layers=1, hidden="0e+1o", radial_hidden=[4])


def frames() -> list[Graph]:
    cube = 3.7 * np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    found = []
    for seed in range(23):
        atoms = Atoms(f"Ar{2 ** (1 + seed % 3)}", cube[: 2 ** (1 + seed % 3)])
        atoms.rattle(0.15, seed=seed)
        graph = connect(from_atoms(atoms), 6.0)
        with torch.no_grad():
            answer = argon(epsilon=0.3)(graph)
        energy, forces = None if seed % 4 == 1 else answer.energy, None if seed % 4 == 2 else answer.forces
        found.append(replace(graph, energy=energy, forces=forces))
    return found


def train(folder: Path, world: int, wrong: bool) -> None:
    if wrong:  # each process divides by its own counts, as a mean of means does
        run.global_counts = lambda means: world * torch.stack([mean.count.double() for mean in means.values()])
    potential, graphs = new_potential("mace", SMALL, frames(), {18: 0.0}, seed=0, dtype=torch.float64)
    plan = TrainingPlan(epochs=10, batch_size=5, learning_rate=0.01, devices=world, ema_decay=0.9)
    train_potential(potential, graphs, graphs[:5], plan, progress=Quiet())
    if os.environ.get("RANK", "0") == "0":
        write_checkpoint(folder, weights(potential), {}, kind="result")


def in_children(folder: Path, world: int, wrong: bool = False) -> dict[str, torch.Tensor]:
    """The weights that `world` processes end with."""
    meeting = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # keeps its port from everybody else
    children = []
    for rank in range(world):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if world > 1:
                    os.environ |= {
                        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "GROUP_RANK": "0",
                        "LOCAL_WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(meeting.port),
                        "TORCHELASTIC_RUN_ID": "test", "TORCHELASTIC_USE_AGENT_STORE": "True",
                    }  # fmt: skip
                train(folder, world, wrong)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    return read_checkpoint(folder, kind="result").tensors


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    one = in_children(folder / "1", 1)

    def distance(other: dict[str, torch.Tensor]) -> float:
        return max((tensor - other[name]).abs().max().item() for name, tensor in one.items())

    distances = {str(world): distance(in_children(folder / str(world), world)) for world in (2, 4)}
    print(json.dumps({**distances, "wrong": distance(in_children(folder / "wrong", 2, wrong=True))}))
