"""Does a training that is killed again and again end with the bits of one that was not?

    python benchmarks/kill_training.py --kills 100 --out benchmarks/results

Runs `intertwine train ... --resume` on a tiny potential, kills it at a random moment, and runs it again until it ends;
then the next run, until there were enough kills. Every run must leave the potential and the history of the
uninterrupted one, bit for bit. A run with another seed must not. Runs are forks of this process, which has imported
everything already; with --spawn each is a new process.

Moments are drawn in CPU time of the run itself, so that they fall where they were meant to on a busy machine too: the
kernel ends a process whose timer is up (SIGPROF) as abruptly as with SIGKILL, and nothing of ours hears of it.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import ase.calculators.lj
import lightning_fabric  # noqa: F401  imported once here, not in every fork
import torch
from ase.build import bulk
from ase.io import write

import intertwine.potentials.fitting.training_run  # noqa: F401  as above
from intertwine.cli.main import app
from intertwine.experiments.bench.result import machine_slug
from intertwine.experiments.machine import library_versions, this_machine
from intertwine.training.checkpoint import steps

CONFIG = """\
version: 1
data: {{train: {folder}/data.extxyz, valid: 0.25}}
model: {{cutoff: 4.5, channels: 4, layers: 1, edge_degree: 1, correlation: 2, radial_count: 3,
  radial_hidden: [4]}}
train: {{epochs: {epochs}, batch_size: 3, schedule: plateau, warmup_steps: 7, ema: 0.9, checkpoint_seconds: 0.05,
  swa_start: {half}, loss: {{huber: 0.1}}}}
dtype: float64
device: cpu
"""


def make_data(folder: Path, epochs: int) -> None:
    frames = []
    for seed in range(16):
        atoms = bulk("Ar", "fcc", a=5.3, cubic=seed % 2 == 0)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = ase.calculators.lj.LennardJones(epsilon=0.3, sigma=3.4, rc=4.5, ro=4.0, smooth=True)
        atoms.get_forces()
        frames.append(atoms)
    write(folder / "data.extxyz", frames)
    (folder / "config.yaml").write_text(CONFIG.format(folder=folder, epochs=epochs, half=epochs // 2))


def run(folder: Path, out: Path, seed: int, spawn: bool, until: float = 0.0) -> float | None:
    """CPU seconds of a run, begun or resumed in another process; None where it was killed `until` seconds of them."""
    _, status, used = os.wait4(start(folder, out, seed, spawn, until), 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        return None
    if status:
        sys.exit(f"a run ended with status {status}: training is broken, not resuming")
    return used.ru_utime + used.ru_stime


def start(folder: Path, out: Path, seed: int, spawn: bool, until: float) -> int:
    """The process, which the kernel kills after so much CPU time; never, where that is zero."""

    def wind_up() -> None:
        signal.setitimer(signal.ITIMER_PROF, until)

    words = ["train", str(folder / "config.yaml"), "--out", str(out), "--seed", str(seed), "--resume", "--quiet"]
    if spawn:
        command = [sys.executable, "-c", "from intertwine.cli.main import main; main()", *words]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=wind_up).pid
    child = os.fork()
    if child == 0:
        code = 1
        try:
            torch.set_num_threads(1)
            wind_up()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            app(words, prog_name="intertwine", standalone_mode=False)
            code = 0
        finally:
            os._exit(code)
    return child


def digests(out: Path) -> dict[str, str]:
    """Of the potential, and of every number in its history but the seconds."""
    rows = json.loads((out / "history.json").read_text())
    numbers = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    weights = (out / "potential" / "tensors.safetensors").read_bytes()
    parts = {"potential": weights, "history": json.dumps(numbers).encode()}
    return {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}


def killed_run(folder: Path, out: Path, generator: random.Random, longest: float, spawn: bool, kills: int) -> dict:
    """A run to its end under at most so many kills."""
    found = {"kills": 0, "resumed_from": [], "while_writing": 0}
    while True:
        until = generator.uniform(0, longest) if found["kills"] < kills else 0.0
        if run(folder, out, 0, spawn, until) is not None:
            return {**found, "digests": digests(out)}
        found["kills"] += 1
        found["while_writing"] += any((out / "checkpoints").glob(".*")) if out.exists() else 0
        kept = steps(out / "checkpoints")
        found["resumed_from"].append(int(kept[-1].name.removeprefix("step-")) if kept else 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--spawn", action="store_true", help="a new process for every run")
    parser.add_argument("--out", type=Path, help="folder for the result")
    choices = parser.parse_args()
    machine, generator = this_machine(), random.Random(choices.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder, choices.epochs)
        lengths = [run(folder, folder / name, seed, choices.spawn) for seed, name in enumerate(("whole", "control"))]
        length = min(filter(None, lengths))
        whole, control, runs = digests(folder / "whole"), digests(folder / "control"), []
        while (left := choices.kills - sum(each["kills"] for each in runs)) > 0:
            runs.append(killed_run(folder, folder / str(len(runs)), generator, length / 2, choices.spawn, left))
            print(f"run {len(runs)}: {runs[-1]['kills']} kills, equal {runs[-1]['digests'] == whole}", flush=True)
    kills = sum(each["kills"] for each in runs)
    result = {
        "question": __doc__.partition("\n")[0],
        "command": f"python benchmarks/kill_training.py {' '.join(sys.argv[1:])}".strip(),
        "machine": asdict(machine),
        "versions": library_versions(),
        "cpu_seconds_uninterrupted": round(length, 2),
        "kills": kills,
        "kills_after_a_checkpoint": sum(step > 0 for each in runs for step in each["resumed_from"]),
        "kills_while_a_checkpoint_was_written": sum(each["while_writing"] for each in runs),
        "runs": len(runs),
        "runs_equal": sum(each["digests"] == whole for each in runs),
        "runs_with_equal_potential": sum(each["digests"]["potential"] == whole["potential"] for each in runs),
        "another_seed_differs": control["potential"] != whole["potential"],
    }
    print(json.dumps(result, indent=1))
    if choices.out is not None:
        choices.out.mkdir(parents=True, exist_ok=True)
        path = choices.out / f"kill-training-{machine_slug(result['machine'])}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")
    if result["runs_equal"] < len(runs) or not result["another_seed_differs"]:
        sys.exit("FAILED: a killed run ended with other bits, or the control did not differ")


if __name__ == "__main__":
    main()
