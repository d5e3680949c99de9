"""`intertwine data split IN... --train A --valid B --test C`: parts without a common structure. No group acts here."""

from pathlib import Path
from typing import Annotated

import typer

from intertwine.cli.boundary import CannotRun
from intertwine.cli.data_options import Files
from intertwine.cli.options import EnergyKey, ForcesKey, GroupKey, Seed, StressKey


def split(
    files: Files,
    train: Annotated[Path, typer.Option(help="The file of the first part, which gets the isolated atoms.")],
    valid: Annotated[Path | None, typer.Option(help="The file of the second part.")] = None,
    test: Annotated[Path | None, typer.Option(help="The file of the last part.")] = None,
    fractions: Annotated[
        str | None, typer.Option(help="Of train, valid and test: 0.8,0.1,0.1; without --valid or --test two of them.")
    ] = None,
    blocks: Annotated[
        bool, typer.Option("--blocks", help="Consecutive frames stay together, for frames of one trajectory.")
    ] = False,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    stress_key: StressKey = None,
    group_key: GroupKey = None,
    seed: Seed = 0,
) -> None:
    """Split frames at random, in equal shares of every group; a structure that occurs twice stays in one part."""
    from intertwine.potentials.data.readers import read, require_writable, write
    from intertwine.potentials.data.split_frames import split_frames

    outs = [path for path in (train, valid, test) if path is not None]
    if len(outs) < 2 or len(set(outs)) < len(outs):
        raise CannotRun("data split needs --train and at least one of --valid and --test, in different files.")
    shares = _shares(fractions, len(outs))
    for out in outs:
        require_writable(out)
        if out.absolute() in [path.absolute() for path in files]:
            raise CannotRun(f"{out}: is also an input; write to another file.")
    graphs = [
        graph
        for path in files
        for graph in read(
            path, energy_key=energy_key, forces_key=forces_key, stress_key=stress_key, group_key=group_key
        )
    ]
    for out, part in zip(outs, split_frames(graphs, shares, seed=seed, blocks=blocks)):
        write(out, part)
        typer.echo(f"{len(part):7} frames  {out}")


def _shares(text: str | None, count: int) -> list[float]:
    if text is None:
        return [0.8, 0.1, 0.1] if count == 3 else [0.9, 0.1]
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if len(shares) != count or not all(share > 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise CannotRun(f"--fractions {text}: expected {count} positive numbers with sum 1, for example 0.8,0.1,0.1.")
    return shares
