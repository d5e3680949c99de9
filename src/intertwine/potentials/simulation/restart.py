"""Checkpoints of dynamics, from which a run goes on bit for bit after a crash. No group acts here."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from intertwine.potentials.models.potential import Potential
from intertwine.potentials.simulation.ensembles import Ensemble
from intertwine.potentials.simulation.particles import Particles
from intertwine.training.checkpoint import CheckpointError, read_checkpoint, write_checkpoint

KIND = "dynamics"


@dataclass(frozen=True, eq=False)
class Progressed:
    """How far a run has come."""

    step: int
    degrees: int
    """Of freedom, as counted at the start."""
    rows: Float[np.ndarray, "record value"]
    """What was recorded so far."""
    mark: int | None
    """Where the trajectory ends that belongs to this checkpoint; None without a trajectory."""


class Restart:
    """The folder that keeps the newest state of a run: positions, momenta, cell, bath, random numbers, records.

    Forces are not kept: they are the same bits when they are computed again. The folder is written as every checkpoint
    of this library is: all of it or nothing, with a digest of every tensor, nothing pickled.

    Args:
        settings: JSON values that a run must share with the one that it continues.
    """

    def __init__(self, folder: Path | str, settings: Mapping[str, Any]):
        self.folder, self.settings = Path(folder), dict(settings)

    def exists(self) -> bool:
        """Whether there is something to continue."""
        previous = self.folder.with_name(f"{self.folder.name}.previous")
        return self.folder.exists() or previous.exists()  # killed between its two renames, a writer leaves the latter

    def save(self, particles: Particles, ensemble: Ensemble, progressed: Progressed) -> None:
        """Write the state after a step."""
        tensors = {
            "positions": torch.tensor(particles.positions),
            "momenta": torch.tensor(particles.momenta),
            "cell": torch.tensor(particles.cell),
            "rows": torch.tensor(progressed.rows),
        }
        values = {
            "settings": self.settings,
            "ensemble": ensemble.state(),
            "step": progressed.step,
            "degrees": progressed.degrees,
            "mark": progressed.mark,
        }
        write_checkpoint(self.folder, tensors, values, kind=KIND)

    def load(self, particles: Particles, ensemble: Ensemble) -> Progressed:
        """Put particles and ensemble into the saved state.

        Raises:
            CheckpointError: a damaged checkpoint, or one of a run with other settings.
        """
        for rest in self.folder.parent.glob(f".{self.folder.name}.writing-*"):
            shutil.rmtree(rest, ignore_errors=True)  # a writer was killed
        checkpoint = read_checkpoint(self.folder, kind=KIND)
        values, tensors = checkpoint.values, checkpoint.tensors
        saved = values.get("settings", {})
        for name, value in self.settings.items():
            if saved.get(name) != value:
                raise CheckpointError(
                    f"{self.folder}: belongs to a run with {name} {saved.get(name)}, this one has {name} {value}; "
                    "restart with what it was begun with, or name another folder."
                )
        try:
            particles.positions[:] = tensors["positions"].numpy()
            particles.momenta[:] = tensors["momenta"].numpy()
            particles.cell[:] = tensors["cell"].numpy()
            ensemble.restore(values["ensemble"])
            step, degrees, mark = values["step"], values["degrees"], values["mark"]
            rows = tensors["rows"].numpy()
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{self.folder}: does not describe a run that this release can continue ({error}). Continue it with "
                "the release that wrote it."
            ) from error
        particles.degrees_of_freedom = degrees
        particles.update()
        return Progressed(step, degrees, rows, mark)


def digest(potential: Potential, particles: Particles) -> dict[str, str]:
    """Short names for a potential and for a starting structure, to tell whether they are the same as before."""
    tensors = [*potential.parameters(), *potential.buffers()]
    weights = [tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy() for tensor in tensors if tensor.numel()]
    atoms = particles.atoms
    start = [atoms.numbers, particles.masses, particles.positions, particles.momenta, particles.cell, atoms.pbc]
    return {"potential": _short(weights), "structure": _short(start)}


def _short(arrays: list[np.ndarray]) -> str:
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]
