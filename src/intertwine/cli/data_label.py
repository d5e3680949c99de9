"""`intertwine data label OUT`: structures with energies and forces from GFN2-xTB. No group acts here."""

from pathlib import Path
from typing import Annotated, Any

import typer

from intertwine.cli.boundary import CannotRun
from intertwine.cli.options import EngineName, Quiet, Seed


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
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes, one for each core if not given; go on after a crash.")
    ] = None,
    engine: Annotated[
        EngineName, typer.Option(help="With --frames: workers as processes here, or as actors of ray.")
    ] = EngineName.processes,
    quiet: Quiet = False,
) -> None:
    """Compute energies and forces with GFN2-xTB, of frames or of a molecule sampled at several temperatures."""
    if (frames is None) == (smiles is None):
        raise CannotRun("data label needs either --frames FILE or --smiles TEXT.")
    from intertwine.cli.bar import bar

    try:
        if frames is not None:
            _label_fleet(frames, out, charge, {"workers": workers, "engine": engine.value}, quiet=quiet)
            return
        from intertwine.potentials.data.sample import label_molecule

        with bar(quiet=quiet) as show:
            sets = label_molecule(
                smiles or "", out, temperatures=temperature or (300.0, 600.0, 1200.0), train_frames=train_frames,
                test_frames=test_frames, walkers=walkers, seed=seed, workers=workers, progress=show,
            )  # fmt: skip
    except ImportError as error:
        raise CannotRun(str(error)) from error
    for part in sets:
        typer.echo(f"{part.name:12} {part.frames:5} frames   force RMS {part.force_rms:.3f} eV/A")
    typer.echo(f"written      {out}")


def _label_fleet(frames: Path, out: Path, charge: int, crew: dict[str, Any], *, quiet: bool) -> None:
    from intertwine.cli.fleets import run_all, tell_failures, write_frames
    from intertwine.potentials.data.label import require_place
    from intertwine.potentials.data.readers import read
    from intertwine.potentials.simulation.fleet_tasks import prepare_label

    require_place(out)
    count, ledger = len(read(frames)), out.with_name(f"{out.name}.ledger")
    outcomes = run_all(
        "label",
        prepare_label,
        (str(frames.absolute()), charge),
        count,
        files=(frames,),
        settings={"charge": charge},
        ledger=ledger,
        crew=crew,
        quiet=quiet,
    )
    labelled = write_frames(outcomes, out, ledger)
    typer.echo(f"labelled     {labelled} of {count} frames")
    tell_failures([outcome.get("failed") for outcome in outcomes], column=13)
    typer.echo(f"written      {out if labelled else 'nothing: no frame could be labelled'}")
