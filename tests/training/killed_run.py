"""Train the toy problem in forked children that are killed by SIGKILL, resume, and print the digest of what came out.

Run as a script: lines of JSON in, `{"kills": [...], "drop": name or null, "mid_epoch": bool, "second_stage": bool}`, a
line of JSON out for each. A kill is `["step", n]` (inside the objective of step n), `["validation", n]` (inside the
n-th validation) or `["write", n]` (at the n-th file operation of saving).
"""

import dataclasses
import hashlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import lightning_fabric  # noqa: F401  imported once here, not in every child
import torch
from toy import TOY_PLAN, toy_collate_with_python_noise, toy_items, toy_model, toy_objective, toy_validate

from intertwine.training import checkpoint, loop, state
from intertwine.training.ema import ExponentialAverage
from intertwine.training.progress import Quiet
from intertwine.training.sampler import EpochSampler
from intertwine.training.schedule import WarmUp
from intertwine.training.weights import weights


def train(folder: Path, kill: list | None, drop: str | None, mid_epoch: bool, second_stage: bool) -> str:
    """Digest of the final weights; or death."""
    seen = validations = 0

    def objective(model, batch):
        nonlocal seen
        seen += 1
        if kill and kill == ["step", seen]:
            os.kill(os.getpid(), signal.SIGKILL)
        return toy_objective(model, batch)

    def validate(model):
        nonlocal validations
        validations += 1
        if kill == ["validation", validations]:
            os.kill(os.getpid(), signal.SIGKILL)
        return toy_validate(model)

    if kill and kill[0] == "write":
        operations = 0
        sync, rename = checkpoint._force_to_disk, Path.rename

        def counted(function):
            def run(*arguments):
                nonlocal operations
                operations += 1
                if operations == kill[1]:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments)

            return run

        checkpoint._force_to_disk, Path.rename = counted(sync), counted(rename)
    else:
        checkpoint._force_to_disk = lambda path: None  # a killed process does not lose what the kernel holds
    if drop == "random":
        state.restore_random_states = lambda *_, **__: None
    if drop == "optimizer":
        state.restore_optimizer = lambda *_, **__: None
    if drop == "average":
        ExponentialAverage.restore = lambda *_, **__: None
    if drop == "schedule":
        WarmUp.restore = lambda *_: None
    if drop == "sampler":
        batches = EpochSampler.batches
        EpochSampler.batches = lambda self, epoch, start=0: list(batches(self, epoch))[: self.steps - start]
    plan = dataclasses.replace(TOY_PLAN, checkpoint_seconds=1e-9) if mid_epoch else TOY_PLAN
    if second_stage:
        plan = dataclasses.replace(plan, swa_start=2)
    if drop == "stage":
        restore = ExponentialAverage.restore
        ExponentialAverage.restore = lambda *arguments, equal, origin: restore(*arguments, origin=origin)
    model = toy_model()
    history = loop.fit(
        model, objective, toy_items(), toy_collate_with_python_noise, plan,
        validate=validate, folder=folder, resume=True, progress=Quiet(),
    )  # fmt: skip
    digest = hashlib.sha256()
    for tensor in weights(model).values():
        digest.update(tensor.detach().reshape(-1).view(torch.uint8).numpy().data)
    newest = checkpoint.read_checkpoint(checkpoint.steps(folder / "checkpoints")[-1], kind="training")
    for name in sorted(newest.tensors):
        digest.update(newest.tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in history]
    digest.update(json.dumps(rows).encode())
    return digest.hexdigest()


def in_child(*arguments) -> str | None:
    """Run `train` in a fork; its digest, or None when it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, train(*arguments).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    _, status = os.waitpid(child, 0)
    assert bool(text) != (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL), status
    return text or None


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in sys.stdin:
        job = json.loads(line)
        settings = job["drop"], job["mid_epoch"], job["second_stage"]
        with tempfile.TemporaryDirectory() as name:
            deaths, resumed_from = 0, []
            for kill in job["kills"]:
                found = checkpoint.steps(Path(name) / "checkpoints")
                resumed_from.append(int(found[-1].name[5:]) if found else 0)
                deaths += in_child(Path(name), kill, *settings) is None
            digest = in_child(Path(name), None, *settings)
        print(json.dumps({"digest": digest, "deaths": deaths, "resumed_from": resumed_from}), flush=True)
