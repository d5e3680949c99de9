"""The frames that a saved potential learned from, split as they were, from what its folder says. No group acts here."""

from pathlib import Path

from pydantic import ValidationError

from intertwine.potentials.fitting.config import DataConfig
from intertwine.potentials.fitting.data_set import DataSet, read_data
from intertwine.potentials.models.saved import KIND
from intertwine.potentials.structures.graph import one_line
from intertwine.training.checkpoint import CheckpointError, read_checkpoint


def recall_data(folder: Path | str, *, cutoff: float) -> DataSet:
    """Read again the files that a potential was trained and validated on, with the same seed and so the same split.

    The files are looked for where the configuration of the training had them, from the present folder.

    Raises:
        CheckpointError: the folder says nothing about its training.
        GraphError: a file is not there any more.

    Example:
        >>> data = recall_data("runs/train/potential", cutoff=5.0)  # doctest: +SKIP
        >>> len(data.train), len(data.valid)  # doctest: +SKIP
        (450, 50)
    """
    config = read_checkpoint(folder, kind=KIND).values.get("notes", {}).get("config", {})
    try:
        section, seed = DataConfig.model_validate(config["data"]), int(config["seed"])
    except (KeyError, TypeError, ValueError, ValidationError):
        raise CheckpointError(
            f"{one_line(folder)}: does not say which frames it was trained on; name them with --train and --valid."
        ) from None
    return read_data(section, seed=seed, cutoff=cutoff)
