"""`intertwine calibrate POTENTIAL`: how sure a potential is, by frames it did not see. No group acts."""

from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.boundary import CannotRun
from intertwine.cli.options import Device, EnergyKey, ForcesKey, PotentialFolder, Quiet


def calibrate(
    potential: PotentialFolder,
    train: Annotated[
        list[Path] | None, typer.Option(help="The frames it learned from; may be repeated. Committees need none.")
    ] = None,
    valid: Annotated[
        list[Path] | None, typer.Option(help="Labelled frames it did not learn from; may be repeated.")
    ] = None,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Find the uncertainty of a potential, from its last layer or from its committee, and keep it in its folder.

    Without files, those of its own training are read again, split as they were.
    """
    from intertwine.cli.bar import bar
    from intertwine.cli.structures import open_potential
    from intertwine.potentials.data.readers import read
    from intertwine.potentials.fitting.recalled_data import recall_data
    from intertwine.potentials.judging.committee import calibrated
    from intertwine.potentials.judging.last_layer import fit_last_layer
    from intertwine.potentials.judging.saved_uncertainty import save_uncertainty
    from intertwine.potentials.models.mean_model import MeanModel

    model = open_potential(potential, device)
    joined = isinstance(model.model, MeanModel)
    if valid is not None and (train is not None or joined):
        learned = [graph for path in train or [] for graph in read(path)]
        kept = [graph for path in valid for graph in read(path, energy_key=energy_key, forces_key=forces_key)]
    elif joined:
        raise CannotRun("calibrate needs --valid FILE: frames that no member of this committee learned from.")
    elif valid is None and train is None:
        data = recall_data(potential, cutoff=model.cutoff)
        learned, kept = data.train, data.valid
    else:
        raise CannotRun("calibrate needs both --train FILE and --valid FILE, or neither.")
    with bar(quiet=quiet) as show:

        def progress(done: int, total: int) -> None:
            show("structures", done, total)

        if joined:
            estimator = calibrated(model, kept, progress=progress)
            lines = [f"committee   energies x {estimator.scale:.3g}, forces x {estimator.force_scale:.3g}"]
        else:
            estimator = fit_last_layer(model, learned, kept, progress=progress)
            lines = [f"last layer  {len(estimator.covariance)} features, scale {estimator.scale:.3g}"]
    for line in [*lines, f"written     {save_uncertainty(potential, estimator)}"]:
        typer.echo(line)
    typer.echo(f"Now `intertwine evaluate {potential} DATA --uncertainty` tells how far it can be trusted.")
