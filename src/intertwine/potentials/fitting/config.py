"""What a training run can be told in a file: a section for data, model and training. No group acts here."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from intertwine.potentials.fitting.config_section import Count, NotNegative, Positive, Section
from intertwine.potentials.fitting.model_config import ModelConfig
from intertwine.potentials.models.heads import MAIN
from intertwine.training.loggers import LoggerName
from intertwine.training.plan import TrainingPlan


def _fraction_or_path(value: float | str) -> float | str:
    if isinstance(value, float) and not 0 < value < 1:
        raise PydanticCustomError("fraction", "expected a fraction between 0 and 1, or the path of a file")
    return value


def _head_name(name: str) -> str:
    if name == MAIN or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise PydanticCustomError("head", f"expected a name of letters, digits, - and _, other than {MAIN}")
    return name


HeadName = Annotated[str, AfterValidator(_head_name)]


class KeysConfig(Section):
    """Names of the labels in the data files; without a name the usual ones are found."""

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None
    group: str | None = None


class DataConfig(Section):
    """Which frames to learn from."""

    train: Annotated[str, Field(min_length=1, description="a file with the frames to train on")]
    valid: Annotated[float | str, AfterValidator(_fraction_or_path)] = 0.1
    """A file, or the fraction of the training frames to keep aside."""
    keys: KeysConfig = KeysConfig()


class LossConfig(Section):
    """Weights of the terms of the loss; 0 leaves a term out."""

    energy: NotNegative = 1.0
    forces: NotNegative = 10.0
    stress: NotNegative = 0.0
    huber: Positive | None = None
    """Error in eV/atom, eV/A and eV/A^3 from which on the loss grows linearly; without it all errors are squared."""

    @model_validator(mode="after")
    def _something_counts(self) -> "LossConfig":
        if not (self.energy or self.forces or self.stress):
            raise ValueError("expected a weight above 0 for energy, forces or stress")
        return self


class TrainConfig(Section):
    """How to train; fields that share a name with `TrainingPlan` mean the same."""

    epochs: Count = 100
    batch_size: Count = 8
    learning_rate: Positive = 1e-2
    optimizer: Literal["adam", "adamw"] = "adam"
    amsgrad: bool = True
    weight_decay: NotNegative = 0.0
    schedule: Literal["constant", "cosine", "plateau"] = "cosine"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    final_learning_rate: Annotated[float, Field(ge=0, le=1)] = 0.01
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    plateau_patience: Annotated[int, Field(ge=0)] = 5
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay of the average of the weights."""
    swa_start: Count | None = None
    """Epochs before the second stage: equal average, constant learning rate."""
    swa_learning_rate: Positive = 0.1
    """Of the second stage, a fraction of `learning_rate`."""
    swa_loss: LossConfig | None = None
    """Weights of the second stage; without it those of the first."""
    mixed_precision: bool = False
    """Matrix products in bfloat16; energies are summed in float64 all the same."""
    clip_norm: Positive | None = 10.0
    patience: Count | None = None
    validate_every: Count = 1
    checkpoint_every: Count = 1
    checkpoint_seconds: Positive | None = 600.0
    max_seconds: Positive | None = None
    loss: LossConfig = LossConfig()

    @model_validator(mode="after")
    def _second_stage_within(self) -> "TrainConfig":
        if self.swa_start is not None and self.swa_start >= self.epochs:
            raise ValueError(f"swa_start is {self.swa_start}, expected less than epochs, {self.epochs}")
        return self


class RunConfig(Section):
    """What every training run is told, be it from the start or from a trained potential."""

    version: Annotated[Literal[1], Field(description="the number 1")]
    data: Annotated[DataConfig, Field(description="a section with at least `train: FILE`")]
    train: TrainConfig = TrainConfig()
    log: tuple[LoggerName, ...] = ()
    """Where to show the history besides."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Count = 1
    out: Annotated[str, Field(min_length=1)] = "runs/train"
    """Folder for checkpoints, history and the potential."""

    def plan(self) -> TrainingPlan:
        """The training plan of this file."""
        choices = self.train.model_dump(exclude={"loss", "swa_loss", "ema", "mixed_precision"})
        return TrainingPlan(
            **choices,
            ema_decay=self.train.ema,
            precision="bf16-mixed" if self.train.mixed_precision else "true",
            seed=self.seed,
            device=self.device,
            devices=self.devices,
        )


class FitConfig(RunConfig):
    """A whole file. `plan()` is what the loop needs of it.

    Example:
        >>> config = FitConfig(version=1, data=DataConfig(train="train.extxyz"))
        >>> config.plan().epochs
        100
    """

    heads: dict[HeadName, DataConfig] = Field(default_factory=dict)
    """Further data sets, for example of another level of theory, each with a head of its own."""
    model: ModelConfig = ModelConfig()
    dtype: Literal["float32", "float64"] = "float32"

    @model_validator(mode="after")
    def _mixed_is_single(self) -> "FitConfig":
        if self.train.mixed_precision and self.dtype == "float64":
            raise ValueError("train.mixed_precision goes with dtype float32, not float64")
        return self


class FinetuneTrainConfig(TrainConfig):
    """How to train on: as from the start, at a lower rate."""

    learning_rate: Positive = 1e-3


class FinetuneConfig(RunConfig):
    """A whole file for training on from a potential that is there.

    Example:
        >>> FinetuneConfig(version=1, start="runs/train/potential", data=DataConfig(train="new.extxyz")).freeze
        ()
    """

    start: Annotated[str, Field(min_length=1, description="the folder of a trained potential")]
    head: str | None = None
    """Which of its heads; the main one if none is named. The others are left behind."""
    train: FinetuneTrainConfig = FinetuneTrainConfig()  # pyright: ignore[reportIncompatibleVariableOverride]  frozen
    freeze: tuple[str, ...] = ()
    """Parts of the model that stay as they are: "embedding", "interactions.0"."""
    replay: DataConfig | None = None
    """Frames it was trained on before, to keep what it knows in a head called replay."""
    out: Annotated[str, Field(min_length=1)] = "runs/finetune"
