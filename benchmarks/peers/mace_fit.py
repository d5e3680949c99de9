"""MACE's side of the accuracy benchmark: `python mace_fit.py TASK.json`, through mace_run_train as its manual says."""

import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import ase.io
import numpy as np
import torch

START = 0.75
"""Where the second stage (SWA) begins, as a fraction of the epochs."""


def main():
    task = json.loads(Path(sys.argv[1]).read_text())
    out = Path(task["out"])
    begun = time.perf_counter()
    once = run(task, out / "trial", epochs=1, limit=max(120.0, task["seconds"] / 8))
    measured = time.perf_counter() - begun
    rows = [json.loads(line) for path in (out / "trial").rglob("*_train.txt") for line in path.read_text().splitlines()]
    steps = [row["time"] for row in rows if row.get("mode") == "opt"][1:]
    batches = -(-task["frames"]["train"] // task["batch_size"])
    epoch = statistics.median(steps) * batches * 1.05  # what lies between the steps
    epochs = max(2, int(task["seconds"] / epoch))  # the time of the trial run is not counted against MACE
    begun = time.perf_counter()
    run(task, out / "run", epochs=epochs, limit=3.0 * task["seconds"])
    spent = time.perf_counter() - begun
    models = sorted((out / "run").glob("*.model"), key=lambda path: ("stagetwo" in path.name, path.stat().st_mtime))
    models = [path for path in models if "compiled" not in path.name]
    model = torch.load(models[-1], map_location="cpu", weights_only=False)
    from mace.calculators import MACECalculator

    calculator = MACECalculator(models=[model], device="cpu", default_dtype="float32" if task["float32"] else "float64")
    for test, path in task["tests"].items():
        energy, forces = [], []
        for atoms in ase.io.read(path, ":"):
            atoms.calc = calculator
            energy.append(atoms.get_potential_energy())
            forces.append(atoms.get_forces())
        np.savez(out / f"{test}.npz", energy=np.array(energy), forces=np.concatenate(forces))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    answer = {"seconds": spent, "seconds_of_trial": measured, "epochs": epochs, "parameters": parameters}
    answer["settings"] = {"arguments": once}
    (out / "answer.json").write_text(json.dumps(answer))


def run(task, folder, *, epochs, limit):
    """One training; its arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    train, atoms = task["train"], task["isolated_energies"]
    arguments = {
        "name": "mace", "seed": 0, "work_dir": folder, "train_file": train, "valid_file": task["valid"],
        "E0s": str({int(k): v for k, v in atoms.items()}) if atoms else "average",
        "energy_key": task["keys"]["energy"], "forces_key": task["keys"]["forces"], "model": "MACE",
        "hidden_irreps": task["hidden"], "r_max": task["cutoff"], "batch_size": task["batch_size"],
        "max_num_epochs": epochs, "start_stage_two": max(1, int(START * epochs)), "ema_decay": 0.99,
        "default_dtype": "float32" if task["float32"] else "float64", "device": "cpu", "lr": 0.01,
        "eval_interval": max(1, epochs // 40), "compute_stress": False,
    }  # fmt: skip
    command = [str(Path(sys.executable).parent / "mace_run_train"), "--stage_two", "--ema", "--amsgrad"]
    for name, value in arguments.items():
        command += [f"--{name}", str(value)]
    log = (folder / "log.txt").open("w")
    environment = {**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    with suppress(subprocess.TimeoutExpired):  # the trial run may have seen enough by then
        subprocess.run(command, stdout=log, stderr=log, env=environment, timeout=limit, cwd=folder)
    return " ".join(command[1:]).replace(str(folder), "FOLDER")


if __name__ == "__main__":
    main()
