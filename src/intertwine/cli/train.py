"""`intertwine train CONFIG.yaml`: from labelled structures to a potential. No group acts here."""

from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.boundary import CannotRun
from intertwine.cli.options import Quiet


def train(
    config: Annotated[Path | None, typer.Argument(metavar="CONFIG", help="A YAML file; --example prints one.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in the output folder.")] = False,
    out: Annotated[str | None, typer.Option(help="Output folder, instead of the file's.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps or auto, instead of the file's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the file's.")] = None,
    example: Annotated[bool, typer.Option("--example", help="Print a file with every key and its default.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a potential as a configuration file says."""
    if example:
        from intertwine.potentials.config_file import example as text

        typer.echo(text(), nl=False)
        return
    if config is None:
        raise CannotRun("train needs a CONFIG file. `intertwine train --example > config.yaml` writes one.")
    from intertwine.cli.structures import choose_device
    from intertwine.potentials.config_file import load_config
    from intertwine.potentials.fit import fit_potential
    from intertwine.training.progress import make_progress

    changes = {"out": out, "device": device, "seed": seed}
    settings = load_config(config)
    settings = settings.model_copy(update={name: value for name, value in changes.items() if value is not None})
    settings = settings.model_copy(update={"device": choose_device(settings.device)})
    folder = fit_potential(settings, resume=resume, progress=make_progress(quiet=quiet))
    typer.echo(f"potential  {folder}")
    typer.echo(f"history    {Path(settings.out) / 'history.json'}")
