"""`intertwine calibrate POTENTIAL --valid FILE`: how sure a potential is, by frames it did not see. No group acts."""

from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.boundary import CannotRun
from intertwine.cli.options import Device, EnergyKey, ForcesKey, PotentialFolder, Quiet


def calibrate(
    potential: PotentialFolder,
    valid: Annotated[list[Path], typer.Option(help="Labelled frames it did not learn from; may be repeated.")],
    train: Annotated[
        list[Path] | None, typer.Option(help="The frames it learned from; may be repeated. Committees need none.")
    ] = None,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Find the uncertainty of a potential, from its last layer or from its committee, and keep it in its folder."""
    from intertwine.cli.bar import bar
    from intertwine.cli.structures import open_potential
    from intertwine.potentials.committee import calibrated
    from intertwine.potentials.last_layer import fit_last_layer
    from intertwine.potentials.mean_model import MeanModel
    from intertwine.potentials.readers import read
    from intertwine.potentials.saved_uncertainty import save_uncertainty

    model = open_potential(potential, device)
    kept = [graph for path in valid for graph in read(path, energy_key=energy_key, forces_key=forces_key)]
    with bar(quiet=quiet) as show:

        def progress(done: int, total: int) -> None:
            show("structures", done, total)

        if isinstance(model.model, MeanModel):
            estimator = calibrated(model, kept, progress=progress)
            lines = [f"committee   energies x {estimator.scale:.3g}, forces x {estimator.force_scale:.3g}"]
        elif not train:
            raise CannotRun("calibrate needs --train FILE too: the frames that this potential learned from.")
        else:
            learned = [graph for path in train for graph in read(path)]
            estimator = fit_last_layer(model, learned, kept, progress=progress)
            lines = [f"last layer  {len(estimator.covariance)} features, scale {estimator.scale:.3g}"]
    for line in [*lines, f"written     {save_uncertainty(potential, estimator)}"]:
        typer.echo(line)
    typer.echo(f"Now `intertwine evaluate {potential} DATA --uncertainty` tells how far it can be trusted.")
