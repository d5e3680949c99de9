"""What a training run is told before it starts: one frozen record, kept in every checkpoint. No group acts here."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainingPlan:
    """The choices of a run that are not the model, the data or the objective.

    Two runs with equal plan, model and items take the same steps. A resumed run must bring the plan it was started
    with, apart from the fields in `FREE_ON_RESUME`.

    Example:
        >>> TrainingPlan(epochs=20, schedule="cosine", ema_decay=0.99).batch_size
        8
    """

    epochs: int = 100
    batch_size: int = 8
    """Items in one step over all processes together; the last batch of an epoch may be smaller."""
    learning_rate: float = 1e-2
    optimizer: Literal["adam", "adamw"] = "adam"
    """Adam adds weight decay to the gradient, AdamW to the step."""
    amsgrad: bool = False
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    warmup_steps: int = 0
    """Steps in which the learning rate climbs linearly, under every schedule."""
    final_learning_rate: float = 0.01
    """Where cosine ends, and below which plateau does not go, as a fraction of `learning_rate`."""
    plateau_factor: float = 0.5
    plateau_patience: int = 5
    """Validations without improvement before the plateau schedule cuts the learning rate."""
    ema_decay: float = 0.99
    """Weight of the past in the average of the weights; 0 turns averaging off."""
    swa_start: int | None = None
    """Epochs after which the second stage begins: all weights from there on are averaged equally, at a constant
    learning rate. The best validation is sought in this stage only, and `patience` counts in it only. It begins no
    later than after the same share of `max_seconds`."""
    swa_learning_rate: float = 0.1
    """Learning rate of the second stage, as a fraction of `learning_rate`."""
    clip_norm: float | None = 10.0
    """Longest total gradient that is let through unscaled."""
    patience: int | None = None
    """Epochs without improvement before the run stops; None trains to the end."""
    seed: int = 0
    """Of the order of the items and of every random number drawn while training."""
    validate_every: int = 1
    """Epochs between validations; the last epoch is always validated."""
    checkpoint_every: int = 1
    """Epochs between checkpoints; the last epoch is always kept."""
    checkpoint_seconds: float | None = None
    """Keep a checkpoint in mid-epoch as well, when the last one is older than this."""
    max_seconds: float | None = None
    """Stop, validated and with the best weights, after this much training time. The cosine ends with the time or with
    the epochs, whichever come first. Where the time comes first the steps depend on the speed of the machine, so that
    two runs are not equal bit by bit; a resumed run goes on from the time that was used."""
    device: str = "cpu"
    """Fabric's accelerator: "cpu", "cuda", "mps" or "auto"."""
    devices: int = 1
    """Processes, one a device; more than one starts data-parallel training."""
    precision: Literal["true", "bf16-mixed"] = "true"
    """"true" computes in the dtype of the model; "bf16-mixed" runs matrix products in bfloat16."""

    def __post_init__(self):
        for name in ("epochs", "batch_size", "validate_every", "checkpoint_every", "devices"):
            if getattr(self, name) < 1:
                raise ValueError(f"TrainingPlan: {name} must be at least 1, got {getattr(self, name)}.")
        for name in ("warmup_steps", "plateau_patience", "weight_decay"):
            if getattr(self, name) < 0:
                raise ValueError(f"TrainingPlan: {name} must not be negative, got {getattr(self, name)}.")
        for name in (
            "learning_rate",
            "swa_learning_rate",
            "clip_norm",
            "patience",
            "checkpoint_seconds",
            "max_seconds",
        ):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"TrainingPlan: {name} must be positive, got {value}.")
        if self.swa_start is not None and not 1 <= self.swa_start < self.epochs:
            raise ValueError(
                f"TrainingPlan: swa_start must be at least 1 and below epochs = {self.epochs}, got {self.swa_start}."
            )
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"TrainingPlan: ema_decay must be in [0, 1), got {self.ema_decay}. 0 turns averaging off.")
        if not 0 < self.plateau_factor < 1:
            raise ValueError(f"TrainingPlan: plateau_factor must be in (0, 1), got {self.plateau_factor}.")
        if not 0 <= self.final_learning_rate <= 1:
            raise ValueError(
                f"TrainingPlan: final_learning_rate is a fraction of learning_rate in [0, 1], "
                f"got {self.final_learning_rate}."
            )


FREE_ON_RESUME = frozenset(
    {"epochs", "patience", "max_seconds", "checkpoint_every", "checkpoint_seconds", "device", "devices"}
)
"""Fields of the plan that may change when a run is resumed."""
