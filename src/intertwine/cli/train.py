"""`intertwine train [CONFIG.yaml]`: from labelled structures to a potential. No group acts here."""

from pathlib import Path
from typing import Annotated, Any

import typer

from intertwine.cli.boundary import CannotRun
from intertwine.cli.options import Quiet

TrainFile = Annotated[str | None, typer.Option("--train", help="File with the frames to train on.")]
Valid = Annotated[str | None, typer.Option(help="File to validate with, or a fraction of the training frames.")]
Epochs = Annotated[int | None, typer.Option(help="Passes through the training frames.")]
Minutes = Annotated[
    float | None, typer.Option(min=0.0, help="Train no longer than this; the learning rate falls in time.")
]
BatchSize = Annotated[int | None, typer.Option(help="Structures in a step, over all processes.")]
LearningRate = Annotated[float | None, typer.Option("--lr", help="Learning rate at the start.")]
Devices = Annotated[int | None, typer.Option(help="Processes, one a device.")]
Out = Annotated[str | None, typer.Option(help="Output folder.")]
RunDevice = Annotated[str | None, typer.Option(help="cpu, cuda, mps or auto.")]
RunSeed = Annotated[int | None, typer.Option(help="Of every random number.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any key of the file, for example train.loss.stress=1; repeat it."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in the output folder.")]


def train(
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="A YAML file; --example prints one.")
    ] = None,
    data: TrainFile = None,
    valid: Valid = None,
    model: Annotated[str | None, typer.Option(help="Kind of model, for example mace or nequip.")] = None,
    cutoff: Annotated[float | None, typer.Option(help="Angstrom.")] = None,
    channels: Annotated[int | None, typer.Option(help="Channels of a feature.")] = None,
    epochs: Epochs = None,
    minutes: Minutes = None,
    batch_size: BatchSize = None,
    lr: LearningRate = None,
    dtype: Annotated[str | None, typer.Option(help="float32 or float64.")] = None,
    devices: Devices = None,
    settings: Settings = None,
    out: Out = None,
    device: RunDevice = None,
    seed: RunSeed = None,
    resume: Resume = False,
    example: Annotated[bool, typer.Option("--example", help="Print a file with every key and its default.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a potential as a configuration file says, as flags say, or both: a flag goes before the file."""
    if example:
        from intertwine.potentials.fitting.config_file import example as text

        typer.echo(text(), nl=False)
        return
    if config is None and data is None and not any(each.startswith("data.train=") for each in settings or ()):
        raise CannotRun(
            "train needs a CONFIG file or --train FILE. `intertwine train --example > config.yaml` writes a file to "
            "start from."
        )
    from intertwine.potentials.fitting.config import FitConfig
    from intertwine.potentials.fitting.training_run import fit_potential
    from intertwine.training.progress import make_progress

    flags = {
        "--train data.train": data,
        "--valid data.valid": fraction_or_path(valid),
        "--model model.kind": model,
        "--cutoff model.cutoff": cutoff,
        "--channels model.channels": channels,
        "--epochs train.epochs": epochs,
        "--minutes train.max_seconds": None if minutes is None else 60 * minutes,
        "--batch-size train.batch_size": batch_size,
        "--lr train.learning_rate": lr,
        "--dtype dtype": dtype,
        "--devices devices": devices,
        "--out out": out,
        "--device device": device,
        "--seed seed": seed,
    }
    choices = compose(FitConfig, config, flags, settings or [])
    show_result(fit_potential(choices, resume=resume, progress=make_progress(quiet=quiet)))


def compose(schema: Any, config: Path | None, flags: dict[str, Any], settings: list[str]) -> Any:
    """The configuration of a file, flags ("--name place") and settings ("place=value"), on a device that is there."""
    from intertwine.cli.structures import choose_device
    from intertwine.potentials.data.readers import READABLE
    from intertwine.potentials.fitting.config_file import Change, compose_config, read_change

    if config is not None and READABLE.search(config.name):
        raise CannotRun(f"{config}: holds structures and no configuration; did you mean --train {config}?")
    changes = [
        Change(tuple(place.split(".")), value, f"{flag} {value}")
        for (flag, place), value in ((names.split(), value) for names, value in flags.items())
        if value is not None
    ]
    choices = compose_config(schema, config, [*changes, *map(read_change, settings)])
    return choices.model_copy(update={"device": choose_device(choices.device)})


def fraction_or_path(text: str | None) -> float | str | None:
    """A number when it is one."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def show_result(folder: Path) -> None:
    """Where the potential is, and by which digest to know it; the first of several processes says so."""
    import json

    from intertwine.training.distributed import process_number

    if process_number() > 0:
        return
    digest = json.loads((folder / "checkpoint.json").read_text())["sha256"]
    typer.echo(f"potential  {folder}   sha256 {digest[:12]}")
    typer.echo(f"history    {folder.parent / 'history.json'}")
    typer.echo(f"config     {folder.parent / 'config.yaml'}")
