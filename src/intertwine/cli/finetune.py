"""`intertwine finetune POTENTIAL [CONFIG.yaml]`: from a trained potential to one for new labels. No group acts here."""

from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.boundary import CannotRun
from intertwine.cli.options import PotentialFolder, Quiet
from intertwine.cli.train import (
    BatchSize,
    Devices,
    Epochs,
    LearningRate,
    Minutes,
    Out,
    Resume,
    RunDevice,
    RunSeed,
    Settings,
    TrainFile,
    Valid,
    compose,
    fraction_or_path,
    show_result,
)


def finetune(
    potential: PotentialFolder,
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="A YAML file, if flags are not enough.")
    ] = None,
    data: TrainFile = None,
    valid: Valid = None,
    replay: Annotated[str | None, typer.Option(help="Old frames that train the old head beside the new one.")] = None,
    freeze: Annotated[list[str] | None, typer.Option(help="Part of the model to keep, for example embedding.")] = None,
    head: Annotated[str | None, typer.Option(help="Head of the potential to start from.")] = None,
    epochs: Epochs = None,
    minutes: Minutes = None,
    batch_size: BatchSize = None,
    lr: LearningRate = None,
    devices: Devices = None,
    settings: Settings = None,
    out: Out = None,
    device: RunDevice = None,
    seed: RunSeed = None,
    resume: Resume = False,
    quiet: Quiet = False,
) -> None:
    """Train a potential on new frames: energies of atoms fitted anew, a lower learning rate, old data replayed."""
    if config is None and data is None and not any(each.startswith("data.train=") for each in settings or ()):
        raise CannotRun("finetune needs --train FILE, or a CONFIG file with data.train.")
    from intertwine.potentials.fitting.config import FinetuneConfig
    from intertwine.potentials.fitting.finetune import finetune_potential
    from intertwine.training.progress import make_progress

    flags = {
        "POTENTIAL start": str(potential),
        "--train data.train": data,
        "--valid data.valid": fraction_or_path(valid),
        "--replay replay.train": replay,
        "--freeze freeze": freeze or None,
        "--head head": head,
        "--epochs train.epochs": epochs,
        "--minutes train.max_seconds": None if minutes is None else 60 * minutes,
        "--batch-size train.batch_size": batch_size,
        "--lr train.learning_rate": lr,
        "--devices devices": devices,
        "--out out": out,
        "--device device": device,
        "--seed seed": seed,
    }
    choices = compose(FinetuneConfig, config, flags, settings or [])
    show_result(finetune_potential(choices, resume=resume, progress=make_progress(quiet=quiet)))
