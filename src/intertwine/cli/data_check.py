"""`intertwine data check FILE...`: what would spoil a training, found before it does. No group acts here."""

from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.boundary import BAD_INPUT
from intertwine.cli.data_options import Files, Json, write_json
from intertwine.cli.options import EnergyKey, ForcesKey, GroupKey, Quiet, StressKey

SHOWN = 3
"""Places printed of each finding; all of them are in the JSON."""


def check(
    files: Files,
    against: Annotated[
        list[Path] | None, typer.Option(help="Files of another set, a test set for one: find frames in both.")
    ] = None,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    stress_key: StressKey = None,
    group_key: GroupKey = None,
    json_file: Json = None,
    quiet: Quiet = False,
) -> None:
    """Look at every frame: labels, units, signs, outliers, copies, leaks. Exit code 3 if there are errors."""
    from intertwine.cli.bar import bar
    from intertwine.potentials.data.doctor import examine
    from intertwine.potentials.data.label_keys import LabelKeys

    keys = LabelKeys(energy_key, forces_key, stress_key, group_key)
    with bar(quiet=quiet) as show:
        findings = examine(files, against or (), keys=keys, progress=show)
    for finding in findings:
        typer.echo(f"{finding.severity:8} {finding.rule:20} {finding.what}")
        for place in finding.places[:SHOWN]:
            typer.echo(f"{'':29} at {place}")
        if len(finding.places) > SHOWN:
            typer.echo(f"{'':29} and {len(finding.places) - SHOWN} more")
        typer.echo(f"{'':29} -> {finding.remedy}")
    counts = {kind: sum(finding.severity == kind for finding in findings) for kind in ("error", "warning", "note")}
    typer.echo(", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items()))
    if json_file is not None:
        write_json(json_file, [finding.as_dict() for finding in findings])
    if counts["error"]:
        raise typer.Exit(BAD_INPUT)
