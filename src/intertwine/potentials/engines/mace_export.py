"""What `export_from_mace.py` writes: read and checked, nothing in it is executed; no group acts here."""

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from intertwine.o3.irreps import Irreps
from intertwine.potentials.engines import export_from_mace
from intertwine.training.checkpoint import CheckpointError

BLOCKS = {
    "RealAgnosticInteractionBlock": "agnostic",
    "RealAgnosticResidualInteractionBlock": "residual",
    "RealAgnosticDensityInteractionBlock": "density agnostic",
    "RealAgnosticDensityResidualInteractionBlock": "density residual",
}
BASES = {"BesselBasis": "bessel", "GaussianBasis": "gaussian"}
TRANSFORMS = {None: None, "AgnesiTransform": "agnesi", "SoftTransform": "soft"}


class Export(NamedTuple):
    """What the script has written."""

    folder: Path
    content: dict[str, Any]
    arrays: dict[str, Tensor]

    def refuse(self, reason: str) -> CheckpointError:
        """An error about this folder, to raise."""
        return CheckpointError(f"{self.folder}: {reason}")


def read_export(folder: Path) -> Export:
    """Read a folder that the script has written; nothing in it is executed.

    Raises:
        CheckpointError: missing, damaged, or something else; for a model of mace-torch itself, how to export it.
    """
    if folder.is_file():
        raise CheckpointError(
            f"{folder}: expected an exported folder, came a file. In the environment of MACE run: "
            f"python {export_from_mace.__file__} {folder} {folder.with_suffix('')}"
        )
    try:
        content = json.loads((folder / "model.json").read_bytes())
        with np.load(folder / "weights.npz", allow_pickle=False) as file:
            arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{error.filename}: the file is missing. Export the model with {export_from_mace.__file__}."
        ) from None
    except (ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise CheckpointError(f"{folder}: damaged ({reason}). Export the model again.") from None
    if not isinstance(content, dict) or content.get("format") != "export of mace-torch":
        raise CheckpointError(f"{folder / 'model.json'}: this is no export of mace-torch. Check the path.")
    if content.get("version") != export_from_mace.VERSION:
        raise CheckpointError(
            f"{folder / 'model.json'}: version {str(content.get('version'))[:20]}, expected "
            f"{export_from_mace.VERSION}. Export the model again with {export_from_mace.__file__}."
        )
    return Export(folder, content, arrays)


def hyperparameters(export: Export) -> dict[str, Any]:
    """Keyword arguments of `MACETorch` for an exported architecture.

    Raises:
        CheckpointError: a part that `MACETorch` does not have; the message names it.
    """
    content, radial, layers = export.content, export.content["radial"], export.content["layers"]
    channels = export.arrays["embedding"].shape[1]
    edge_irreps = Irreps(content["edge_irreps"])
    if edge_irreps != Irreps.spherical_harmonics(edge_irreps.lmax):
        raise export.refuse(f"harmonics {edge_irreps} are not supported (use_so3).")
    for part, names, name in (
        ("distance transform", TRANSFORMS, radial["transform"]),
        ("radial basis", BASES, radial["basis"]),
        *(("interaction block", BLOCKS, layer["class"]) for layer in layers),
    ):
        if name not in names:
            raise export.refuse(f"the {part} {name} is not supported; {', '.join(filter(None, names))} are.")
    if not radial["apply_cutoff"]:
        raise export.refuse("apply_cutoff=False, an envelope after the radial network, is not supported.")
    types = {
        name: [str(_irreps(export, layer[f"irreps_{key}"], channels)) for layer in layers]
        for name, key in (("hidden", "out"), ("sent", "sent"), ("messages", "message"))
    }
    return {
        "species": content["atomic_numbers"],
        "cutoff": content["cutoff"],
        "channels": channels,
        "edge_degree": edge_irreps.lmax,
        **types,
        "blocks": [BLOCKS[layer["class"]] for layer in layers],
        "correlation": [layer["correlation"] for layer in layers],
        "readouts": _readout_widths(export),
        "basis": BASES[radial["basis"]],
        "radial_count": radial["count"],
        "radial_hidden": [matrix.shape[1] for matrix in network_matrices(export, "layer0.radial")[:-1]],
        "envelope": radial["envelope"],
        "transform": TRANSFORMS[radial["transform"]],
        "pair_repulsion": _repulsion(export),
    }


def network_matrices(export: Export, name: str) -> list[Tensor]:
    """The matrices of a radial network, the first layer first."""
    found = []
    while f"{name}.{len(found)}" in export.arrays:
        found.append(export.arrays[f"{name}.{len(found)}"])
    return found


def _irreps(export: Export, text: str, channels: int) -> Irreps:
    """Irreps of a feature whose multiplicities all are the number of channels."""
    terms = [term.split("x") for term in text.split("+")]
    if any(int(mul) != channels for mul, _ in terms):
        raise export.refuse(f"the irreps {text} have other multiplicities than {channels}, which is not supported.")
    return Irreps([ir for _, ir in terms])


def _repulsion(export: Export) -> dict[str, Any] | None:
    described = export.content["repulsion"]
    return described and {**described, "radii": export.arrays["repulsion_radii"].tolist()}


def _readout_widths(export: Export) -> list[list[int] | None]:
    described, layers, heads = export.content["readouts"], len(export.content["layers"]), len(export.content["heads"])
    widths: list[list[int] | None] = [
        [export.arrays[f"readout{index}.first.0e"].shape[1] // heads]
        if readout["class"] == "NonLinearReadoutBlock"
        else []
        for index, readout in enumerate(described)
    ]
    return [None] * (layers - len(widths)) + widths
