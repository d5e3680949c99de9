"""Our side of the accuracy benchmark: `python ours.py TASK.json`, through the library as a user calls it."""

import json
import sys
import time
from pathlib import Path

import lightning_fabric  # noqa: F401  as torch: before the time is taken
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
    potential, graphs = new_potential("mace", model, train, references, seed=0)
    checks = ready(valid, potential)
    # more epochs than there is time for; to validate on a frame takes about a third of training on it
    plan = TrainingPlan(
        epochs=10**6, max_seconds=task["seconds"] - (time.perf_counter() - begun),
        validate_every=max(1, round(10 * len(checks) / len(graphs))), **choices,
    )  # fmt: skip
    weights = LossWeights(**task.get("loss", {"energy": 1.0, "forces": 10.0}))
    history = train_potential(potential, graphs, checks, plan, weights=weights)
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
    settings = {"model": model, "plan": {**choices, "validate_every": plan.validate_every}, "loss": weights.__dict__}
    parameters = sum(parameter.numel() for parameter in potential.parameters())
    answer = {"seconds": spent, "epochs": history.rows[-1]["epoch"], "parameters": parameters, "settings": settings}
    (out / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
