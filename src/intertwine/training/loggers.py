"""The history shown elsewhere as it grows: CSV, TensorBoard, Weights & Biases. No group acts here."""

import shutil
from collections.abc import Callable, Collection
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from intertwine.training.history import History

LoggerName = Literal["csv", "tensorboard", "wandb"]


class MissingLogger(ValueError):
    """A logger whose package is not installed. One line with the command that installs it."""


class RowLogger:
    """One of fabric's loggers, fed with rows of the history, of which it shows every number by its name."""

    def __init__(self, logger: Any):
        self.logger = logger

    def show(self, row: dict[str, int | float]) -> None:
        """Write one row, at its step."""
        self.logger.log_metrics({name: value for name, value in row.items() if name != "step"}, step=row["step"])
        self.logger.save()


def make_loggers(names: Collection[LoggerName], folder: Path, history: History) -> list[RowLogger]:
    """Loggers that write below `folder`/log, each brought up to the rows there are already.

    A resumed run writes its logs anew from the history, so that what was lost with a killed run is lost there too.
    """
    loggers = [RowLogger(_MAKERS[name](folder / "log")) for name in sorted(set(names))]
    for logger in loggers:
        for row in history.rows:
            logger.show(row)
    return loggers


def require_loggers(names: Collection[LoggerName]) -> None:
    """Refuse loggers whose package is not there, before anything is trained.

    Raises:
        MissingLogger: naming the package.
    """
    for name, remedy in (("tensorboard", 'pip install "intertwine[tensorboard]"'), ("wandb", "pip install wandb")):
        if name in names and find_spec(name) is None:
            raise MissingLogger(f"log: {name} is not installed; {remedy}, or leave it out of `log`.")


def _csv(folder: Path) -> Any:
    from lightning_fabric.loggers import CSVLogger

    _clear(folder / "csv")
    return CSVLogger(folder, name="", version="csv", flush_logs_every_n_steps=10**9)  # `show` saves every row


def _tensorboard(folder: Path) -> Any:
    from lightning_fabric.loggers import TensorBoardLogger

    _clear(folder / "tensorboard")
    return TensorBoardLogger(folder, name="", version="tensorboard")


def _wandb(folder: Path) -> Any:
    from lightning_fabric.loggers.logger import Logger

    class Wandb(Logger):
        """Fabric brings no logger for wandb."""

        def __init__(self):
            folder.mkdir(parents=True, exist_ok=True)
            self.run = import_module("wandb").init(dir=str(folder), name=folder.parent.name)

        @property
        def name(self) -> str:
            return "wandb"

        @property
        def version(self) -> str:
            return self.run.id

        def log_metrics(self, metrics: Any, step: int | None = None) -> None:
            self.run.log(metrics, step=step)

        def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
            self.run.config.update(params)

    return Wandb()


def _clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


_MAKERS: dict[LoggerName, Callable[[Path], Any]] = {"csv": _csv, "tensorboard": _tensorboard, "wandb": _wandb}
