"""Our side of the accuracy benchmark: `python ours.py TASK.json`, through the library as a user calls it."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from intertwine.potentials.data.readers import read
from intertwine.potentials.fitting.fit import new_potential, ready, reference_frames, train_potential
from intertwine.potentials.fitting.objective import LossWeights
from intertwine.potentials.models.saved import save_potential
from intertwine.potentials.structures.neighbors import connect
from intertwine.training.plan import TrainingPlan

VARIANTS = {
    "gaunt": {
        "channels": 64, "hidden": "0e+1o", "edge_degree": 3, "correlation": 3, "layers": 2,
        "tensor_product": "gaunt", "contraction": "gaunt",
    },
    "clebsch-gordan": {
        "channels": 64, "hidden": "0e+1o", "edge_degree": 3, "correlation": 3, "layers": 2,
        "tensor_product": "clebsch-gordan", "contraction": "clebsch-gordan",
    },
    "bracket": {
        "channels": 64, "hidden": "0e+1o", "edge_degree": 3, "correlation": 3, "layers": 2,
        "tensor_product": "gaunt+bracket", "contraction": "gaunt+bracket",
    },
}  # fmt: skip
RECOMMENDED = dict(
    batch_size=5, learning_rate=0.01, amsgrad=True, schedule="cosine", warmup_steps=100, ema_decay=0.99, clip_norm=10.0
)
"""What the demo and docs/ten-minutes.md use, but for the learning rate, which falls with the size of the model."""


def main() -> None:
    task = json.loads(Path(sys.argv[1]).read_text())
    choices = {**RECOMMENDED, **task.get("plan", {})}
    model = {"cutoff": task["cutoff"], **VARIANTS[task["variant"]], **task.get("model", {})}
    keys = {"energy_key": task["keys"]["energy"], "forces_key": task["keys"]["forces"]}
    labelled = read(task["train"], **keys) + (read(task["isolated"], **keys) if task["isolated"] else [])
    begun = time.perf_counter()
    train, references = reference_frames(labelled)
    valid = read(task["valid"], **keys)
    # a short run says how long an epoch is, so that the schedule ends with the time; it counts
    epoch = seconds_an_epoch(model, train, valid, references, choices)
    left = task["seconds"] - (time.perf_counter() - begun)
    plan = TrainingPlan(
        epochs=max(1, int(0.96 * left / epoch)), max_seconds=left, validate_every=max(1, int(30 / epoch)), **choices
    )
    potential, graphs = new_potential("mace", model, train, references, seed=0)
    weights = LossWeights(**task.get("loss", {"energy": 1.0, "forces": 10.0}))
    history = train_potential(potential, graphs, ready(valid, potential), plan, weights=weights)
    spent = time.perf_counter() - begun
    out = Path(task["out"])
    save_potential(out / "potential", potential)
    for test, path in task["tests"].items():
        energy, forces = [], []
        for frame in read(path, **keys):
            with torch.no_grad():
                found = potential(connect(frame, potential.cutoff))
            energy.append(found.energy.numpy())
            forces.append(found.forces.numpy())
        np.savez(out / f"{test}.npz", energy=np.concatenate(energy), forces=np.concatenate(forces))
    settings = {"model": model, "plan": {**choices, "epochs": plan.epochs}, "loss": weights.__dict__}
    parameters = sum(parameter.numel() for parameter in potential.parameters())
    answer = {"seconds": spent, "epochs": history.rows[-1]["epoch"], "parameters": parameters, "settings": settings}
    (out / "answer.json").write_text(json.dumps(answer))


def seconds_an_epoch(model, train, valid, references, choices) -> float:
    """From a run over a tenth of the frames."""
    part = train[: max(20, len(train) // 10)]
    potential, graphs = new_potential("mace", model, part, references, seed=0)
    plan = TrainingPlan(epochs=2, **{**choices, "warmup_steps": 0})
    history = train_potential(potential, graphs, ready(valid[:5], potential), plan)
    seconds = history.rows[1]["seconds"] - history.rows[0]["seconds"]
    return seconds * len(train) / len(part)


if __name__ == "__main__":
    main()
