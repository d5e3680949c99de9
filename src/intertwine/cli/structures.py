"""What verbs that act on one structure begin with: the potential, the frame, the device. No group acts here."""

from pathlib import Path
from typing import Any

from intertwine.cli.boundary import CannotRun


def open_potential(folder: Path, device: str, *, tabulated: bool | None = False, head: str | None = None) -> Any:
    """The potential of a folder, on a device that is really there; or that of an exported package, on its own."""
    from intertwine.potentials.models.saved import load
    from intertwine.potentials.models.tabulate import for_use

    if folder.suffix == ".pt2":
        from intertwine.potentials.engines.exported import load_exported

        return load_exported(folder)
    potential = load(folder, head=head, device=choose_device(device))
    try:
        return for_use(potential, tabulated)
    except ValueError as error:
        raise CannotRun(str(error)) from error


def choose_device(name: str) -> str:
    """The device to compute on; "auto" takes the fastest there is.

    Raises:
        CannotRun: no such device here.
    """
    import torch

    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return "cuda" if present["cuda"] else "cpu"  # mps has no float64, which energies are summed in
    if not present.get(name.partition(":")[0]):
        found = ", ".join(device for device, there in present.items() if there)
        raise CannotRun(f"--device {name}: not on this machine, which has {found}. `intertwine doctor` says more.")
    return name


def open_frame(path: Path, frame: int) -> Any:
    """One frame of a file as a graph without labels that could disturb."""
    from intertwine.potentials.data.readers import read

    graphs = read(path)
    if not -len(graphs) <= frame < len(graphs):
        raise CannotRun(f"{path}: has {len(graphs)} frames, there is no frame {frame}. Frames count from 0.")
    return graphs[frame]
