"""Uncertainties on disk: a folder inside that of their potential, with digests, nothing pickled. No group acts here."""

import hashlib
import json
from pathlib import Path

import torch

from intertwine.potentials.judging.committee import Committee
from intertwine.potentials.judging.last_layer import LastLayer
from intertwine.potentials.models.mean_model import MeanModel
from intertwine.potentials.models.potential import Potential
from intertwine.potentials.models.uncertainty import Estimator
from intertwine.training.checkpoint import VALUES, CheckpointError, read_checkpoint, write_checkpoint

FOLDER = "uncertainty"
KIND = "uncertainty"


def save_uncertainty(folder: Path | str, estimator: LastLayer | Committee) -> Path:
    """Write what a calibration found into the folder of the potential it belongs to.

    It goes where the potential goes, and is gone when the potential is written anew. A digest ties the two together.
    """
    values = {"potential": digest(folder)}
    if isinstance(estimator, Committee):
        values |= {"estimator": "committee", "scale": estimator.scale, "force_scale": estimator.force_scale}
        return write_checkpoint(Path(folder) / FOLDER, {}, values, kind=KIND)
    values |= {"estimator": "last-layer", "scale": estimator.scale, "ridge": estimator.ridge}
    return write_checkpoint(Path(folder) / FOLDER, {"covariance": estimator.covariance}, values, kind=KIND)


def load_uncertainty(folder: Path | str, potential: Potential) -> Estimator:
    """The estimator of a potential that was loaded from a folder: what `save_uncertainty` left there, or the spread of
    a committee that was never calibrated.

    Raises:
        CheckpointError: there is none, it is damaged, or it belongs to another potential.
    """
    place = Path(folder) / FOLDER
    joined = isinstance(potential.model, MeanModel)
    if not knows_uncertainty(folder, potential):
        raise CheckpointError(
            f"{folder}: knows no uncertainty. `intertwine calibrate {folder}` finds it, --help says from what."
        )
    if not place.exists():
        return Committee.of(potential)
    checkpoint = read_checkpoint(place, kind=KIND)
    values = checkpoint.values
    if values.get("potential") != digest(folder):
        raise CheckpointError(f"{place}: belongs to another potential than {folder}. Calibrate it again.")
    try:
        if joined:
            return Committee.of(potential, scale=values["scale"], force_scale=values["force_scale"])
        covariance = checkpoint.tensors["covariance"].to(torch.float64)
        return LastLayer(potential, covariance, float(values["ridge"]), float(values["scale"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{place}: does not describe an uncertainty that this release knows ({error}). Calibrate it again."
        ) from error


def knows_uncertainty(folder: Path | str, potential: Potential) -> bool:
    """Whether `load_uncertainty` would find something."""
    return isinstance(potential.model, MeanModel) or (Path(folder) / FOLDER).exists()


def digest(folder: Path | str) -> str:
    """The sha256 that tells potentials apart: of the file that holds those of all their tensors."""
    try:
        content = json.loads((Path(folder) / VALUES).read_bytes())
        return hashlib.sha256(json.dumps([content["values"], content["tensors"]]).encode()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder}: cannot be read ({type(error).__name__}). Check the path.") from error
