"""What a path holds: a potential, a checkpoint, a run, an exported package, structures. No group acts here."""

import json
from pathlib import Path
from typing import Any

from ase.data import chemical_symbols

from intertwine.potentials.data.data_stats import measure_data
from intertwine.potentials.data.readers import read
from intertwine.potentials.engines.exported import load_exported
from intertwine.potentials.judging.last_layer import LastLayer
from intertwine.potentials.judging.saved_uncertainty import FOLDER, knows_uncertainty, load_uncertainty
from intertwine.potentials.models.mean_model import MeanModel
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.saved import load
from intertwine.potentials.structures.graph import GraphError, one_line
from intertwine.training.checkpoint import VALUES, CheckpointError, read_checkpoint, steps
from intertwine.training.history import History


def describe(path: Path | str) -> dict[str, Any]:
    """What there is to know of a path, by name, JSON values; "what" says which kind of thing it is.

    Every byte of a potential or checkpoint is verified on the way.

    Raises:
        CheckpointError: a folder that holds none of these, or a damaged one.
        GraphError: a file that is not read as structures, or holds a fault.

    Example:
        >>> describe("runs/demo/potential")["parameters"]  # doctest: +SKIP
        35696
    """
    path = Path(path)
    if path.suffix == ".pt2":
        return _package(path)
    if path.is_file():
        return _data(path)
    if (path / VALUES).is_file():
        return _checkpoint(path)
    if (path / "potential" / VALUES).is_file() or steps(path / "checkpoints"):
        return _run(path)
    if not path.exists():
        raise GraphError(f"{one_line(path)}: there is no such file or folder; check the path.")
    raise CheckpointError(
        f"{one_line(path)}: no potential, checkpoint or run lies in this folder; name the folder that holds "
        f"{VALUES}, the output folder of a training, or a data file."
    )


def _checkpoint(folder: Path) -> dict[str, Any]:
    kind = _kind(folder)
    if kind == "potential":
        return _potential(folder)
    checkpoint = read_checkpoint(folder, kind=kind)
    shown = {name: value for name, value in checkpoint.values.items() if isinstance(value, int | float | str | None)}
    nested = checkpoint.values.get("standing", checkpoint.values.get("state", {}))
    standing = nested if isinstance(nested, dict) else {}
    return {
        "what": f"{kind} checkpoint",
        **_whole(folder),
        **shown,
        **{name: value for name, value in standing.items() if isinstance(value, int | float | str | None)},
        "tensors": len(checkpoint.tensors),
        "numbers": sum(tensor.numel() for tensor in checkpoint.tensors.values()),
    }


def _kind(folder: Path) -> str:
    """Which kind of checkpoint a folder says it is; reading it verifies that."""
    try:
        return str(json.loads((folder / VALUES).read_bytes())["kind"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "potential"  # whose reader says in one line what is wrong with the file


def _potential(folder: Path) -> dict[str, Any]:
    potential = load(folder)
    values = read_checkpoint(folder, kind="potential").values
    notes = values.get("notes", {})
    members = potential.model.potentials if isinstance(potential.model, MeanModel) else []
    return {
        "what": f"committee of {len(members)} potentials" if members else "potential",
        **_whole(folder),
        "model": values["model"],
        "species": [chemical_symbols[number] for number in potential.species],
        "cutoff": potential.cutoff,
        "parameters": sum(parameter.numel() for parameter in potential.parameters()),
        "dtype": str(potential.dtype).removeprefix("torch."),
        "reference_energies": {chemical_symbols[n]: energy for n, energy in potential.reference_energies.items()},
        "scale": potential.scale,
        "shift": potential.shift,
        "heads": sorted(values.get("heads", {})),
        "uncertainty": _uncertainty(folder, potential),
        "hyperparameters": {} if members else dict(values["hyperparameters"]),
        "members": [member.recipe["model"] for member in members if member.recipe is not None],
        "notes": notes,
    }


def _uncertainty(folder: Path, potential: Potential) -> str | None:
    """Where deviations of a potential come from."""
    if not knows_uncertainty(folder, potential):
        return None
    name = "last layer" if isinstance(load_uncertainty(folder, potential), LastLayer) else "committee"
    return f"{name}, {'calibrated' if (folder / FOLDER).exists() else 'not calibrated'}"


def _run(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"what": "run"}
    checkpoints = steps(folder / "checkpoints")
    finished = (folder / "potential" / VALUES).is_file()
    found |= {"finished": finished, "checkpoints": [path.name for path in checkpoints]}
    if (folder / "history.json").is_file():
        history = History.load(folder / "history.json")
        best = history.best or {}
        found |= {"epochs": len(history), "best_epoch": best.get("epoch"), "best_valid_loss": best.get("valid_loss")}
        found["seconds"] = history.rows[-1].get("seconds") if len(history) else None
    if finished:
        found["potential"] = _potential(folder / "potential")
    elif checkpoints:
        found["newest_checkpoint"] = _checkpoint(checkpoints[-1])
    return found


def _package(path: Path) -> dict[str, Any]:
    potential = load_exported(path)
    return {
        "what": "exported potential",
        "bytes": path.stat().st_size,
        "digests": "verified",
        "species": [chemical_symbols[number] for number in potential.species],
        "cutoff": potential.cutoff,
        "reference_energies": {chemical_symbols[n]: energy for n, energy in potential.reference_energies.items()},
    }


def _data(path: Path) -> dict[str, Any]:
    measured = measure_data(read(path))
    groups = {name: numbers["frames"] for name, numbers in measured.items() if name != "all"}
    return {"what": "structures", "bytes": path.stat().st_size, **measured["all"], "groups": groups}


def _whole(folder: Path) -> dict[str, Any]:
    """Size on disk, and that every digest was found right, which reading it has shown."""
    return {"bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()), "digests": "verified"}
