"""What a training run can be told in a file: a section for data, model and training. No group acts here."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from intertwine.o3.irreps import Irreps
from intertwine.potentials.models import ModelName
from intertwine.potentials.products import ContractionName, EdgeProductName
from intertwine.training.plan import TrainingPlan


def _irreps(text: str) -> str:
    """The text itself when it names irreps."""
    Irreps(text)  # raises IrrepsError, a ValueError, which becomes this field's message
    return text


def _fraction_or_path(value: float | str) -> float | str:
    if isinstance(value, float) and not 0 < value < 1:
        raise PydanticCustomError("fraction", "expected a fraction between 0 and 1, or the path of a file")
    return value


Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
IrrepsText = Annotated[str, AfterValidator(_irreps)]


class Section(BaseModel):
    """A part of the file. Names that it does not know are refused, and so are infinities and booleans for numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_numbers(cls, value: Any, info: Any) -> Any:
        annotation = cls.model_fields[info.field_name].annotation
        if isinstance(value, bool) and annotation is not bool and bool not in get_args(annotation):
            raise PydanticCustomError("boolean", "true, false, yes, no, on and off are no values for it")
        return value


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


class ModelConfig(Section):
    """The model's constructor, but for what the data decide: species, neighbours, energy scale."""

    kind: ModelName = "mace"
    cutoff: Annotated[float, Field(gt=0, le=30)] = 5.0
    """Angstrom."""
    channels: Count = 64
    hidden: IrrepsText = "0e+1o"
    """Irreps carried between layers."""
    edge_degree: Annotated[int, Field(ge=0, le=11)] = 3
    """Largest degree of the harmonics of an edge."""
    correlation: Annotated[int, Field(ge=1, le=8)] = 3
    """Factors in the many-body product; for mace only."""
    layers: Count = 2
    radial_count: Count = 8
    radial_hidden: tuple[Count, ...] = (64,)
    tensor_product: EdgeProductName = "gaunt"
    contraction: ContractionName = "gaunt"
    """For mace only."""

    @model_validator(mode="after")
    def _no_contraction_without_one(self) -> "ModelConfig":
        needless = sorted({"correlation", "contraction"} & self.model_fields_set)
        if self.kind == "nequip" and needless:
            raise ValueError(f"nequip multiplies no messages; leave out {' and '.join(needless)}")
        return self

    def hyperparameters(self) -> dict[str, Any]:
        """Keyword arguments of the model's constructor."""
        needless = {"correlation", "contraction"} if self.kind == "nequip" else set()
        return self.model_dump(mode="json", exclude={"kind", *needless})


class LossConfig(Section):
    """Weights of the terms of the loss; 0 leaves a term out."""

    energy: NotNegative = 1.0
    forces: NotNegative = 10.0
    stress: NotNegative = 0.0


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
    clip_norm: Positive | None = 10.0
    patience: Count | None = None
    validate_every: Count = 1
    checkpoint_every: Count = 1
    checkpoint_seconds: Positive | None = 600.0
    max_seconds: Positive | None = None
    loss: LossConfig = LossConfig()


class FitConfig(Section):
    """A whole file. `plan()` is what the loop needs of it.

    Example:
        >>> config = FitConfig(version=1, data=DataConfig(train="train.extxyz"))
        >>> config.plan().epochs
        100
    """

    version: Annotated[Literal[1], Field(description="the number 1")]
    data: Annotated[DataConfig, Field(description="a section with at least `train: FILE`")]
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Count = 1
    dtype: Literal["float32", "float64"] = "float32"
    out: Annotated[str, Field(min_length=1)] = "runs/train"
    """Folder for checkpoints, history and the potential."""

    def plan(self) -> TrainingPlan:
        """The training plan of this file."""
        choices = self.train.model_dump(exclude={"loss", "ema"})
        return TrainingPlan(
            **choices, ema_decay=self.train.ema, seed=self.seed, device=self.device, devices=self.devices
        )
