"""`intertwine demo`: the main job on the shipped data, in minutes. No group acts here."""

from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.options import Quiet


def demo(
    out: Annotated[Path, typer.Option(help="Folder for metrics.json, report.html and the potential.")] = Path(
        "runs/demo"
    ),
    quiet: Quiet = False,
) -> None:
    """Train a small potential, judge it at 300, 600 and 1200 K, relax, run dynamics, write a report."""
    from intertwine.cli.bar import bar
    from intertwine.cli.evaluate import show_table
    from intertwine.experiments.demo import run
    from intertwine.training.progress import make_progress

    with bar(quiet=quiet) as stage:
        outcome = run(out, progress=make_progress(quiet=quiet), stage=stage)
    numbers = outcome.metrics
    show_table(outcome.results)
    relaxation, dynamics = numbers["relaxation"], numbers["dynamics"]
    verdict = "relaxed" if relaxation["converged"] else "not relaxed"
    typer.echo(
        f"molecule   {verdict} in {relaxation['steps']} steps, {relaxation['energy_gain_eV']:.3f} eV downhill, "
        f"largest force {relaxation['largest_force_meV_per_A']:.1f} meV/A"
    )
    typer.echo(
        f"dynamics   {dynamics['picoseconds']:g} ps at constant energy, "
        f"drift {dynamics['drift_meV_per_atom_per_ps']:.3g} meV/atom/ps, "
        f"fluctuation {dynamics['fluctuation_meV_per_atom']:.3g} meV/atom"
    )
    typer.echo(f"training   {numbers['epochs']} epochs in {numbers['training_seconds']:.0f} s")
    typer.echo(f"numbers    {out / 'metrics.json'}")
    typer.echo(f"potential  {out / 'potential'}")
    typer.echo(f"report     {out / 'report.html'}   (open it in a browser)")
