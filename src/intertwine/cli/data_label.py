"""`intertwine data label OUT`: structures with energies and forces from GFN2-xTB. No group acts here."""

from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.boundary import CannotRun
from intertwine.cli.options import Quiet, Seed


def label(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, .extxyz, also .gz or .xz.")],
    frames: Annotated[Path | None, typer.Option(help="Label the frames of this file.")] = None,
    smiles: Annotated[
        str | None, typer.Option(help="Or: sample this molecule by dynamics and label the frames.")
    ] = None,
    temperature: Annotated[list[float] | None, typer.Option(help="With --smiles, K; may be repeated.")] = None,
    train_frames: Annotated[int, typer.Option(min=1, help="With --smiles, at the first temperature.")] = 500,
    test_frames: Annotated[int, typer.Option(min=0, help="With --smiles, at every temperature.")] = 200,
    walkers: Annotated[int, typer.Option(min=1, help="With --smiles, trajectories at a temperature.")] = 5,
    charge: Annotated[int, typer.Option(help="With --frames, of every frame.")] = 0,
    seed: Seed = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one for each core if not given.")] = None,
    quiet: Quiet = False,
) -> None:
    """Compute energies and forces with GFN2-xTB, of frames or of a molecule sampled at several temperatures."""
    if (frames is None) == (smiles is None):
        raise CannotRun("data label needs either --frames FILE or --smiles TEXT.")
    from intertwine.cli.bar import bar

    with bar(quiet=quiet) as show:
        try:
            if frames is not None:
                from intertwine.potentials.data.label import label_frames

                labelled = label_frames(frames, out, charge=charge, workers=workers, progress=show)
                lines = [f"{len(labelled)} frames labelled"]
            else:
                from intertwine.potentials.data.sample import label_molecule

                sets = label_molecule(
                    smiles or "", out, temperatures=temperature or (300.0, 600.0, 1200.0), train_frames=train_frames,
                    test_frames=test_frames, walkers=walkers, seed=seed, workers=workers, progress=show,
                )  # fmt: skip
                lines = [
                    f"{part.name:12} {part.frames:5} frames   force RMS {part.force_rms:.3f} eV/A" for part in sets
                ]
        except ImportError as error:
            raise CannotRun(str(error)) from error
    for line in [*lines, f"written      {out}"]:
        typer.echo(line)
