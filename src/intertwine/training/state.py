"""Everything a run must not forget, written to checkpoints and read back to the bit. No group acts here."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from intertwine.training.checkpoint import CheckpointError, read_checkpoint, steps, write_step
from intertwine.training.distributed import gather_states, process_number, wait_for_all
from intertwine.training.ema import ExponentialAverage
from intertwine.training.history import History
from intertwine.training.optimizer import make_optimizer, optimizer_tensors, restore_optimizer
from intertwine.training.plan import FREE_ON_RESUME, TrainingPlan
from intertwine.training.randomness import random_states, restore_random_states
from intertwine.training.schedule import make_schedule
from intertwine.training.weights import load_weights, weights

KIND = "training"


@dataclass
class Standing:
    """Where a run stands, as plain numbers."""

    epoch: int = 0
    """Complete epochs."""
    position: int = 0
    """Batches done in the present one."""
    step: int = 0
    """Steps done in all."""
    sums: dict[str, float] = field(default_factory=dict)
    """Sums over the entries seen in the present epoch, one for each term of the objective."""
    counts: dict[str, float] = field(default_factory=dict)
    """How many entries those are."""
    seconds: float = 0.0
    best_loss: float | None = None
    best_epoch: int = 0
    second_stage: bool = False


def checkpoint_to_resume(folder: Path, resume: bool) -> Path | None:
    """The newest checkpoint of the run in a folder; None where there is no run.

    Raises:
        CheckpointError: there is one, and nobody asked to resume it.
    """
    found = steps(folder / "checkpoints")
    if found and not resume:
        raise CheckpointError(f"{folder}: holds a run already. Resume it, or choose another folder.")
    return found[-1] if found else None


class RunState:
    """Weights, optimizer, schedule, averages, random numbers, standing and history of one run.

    Args:
        items: number of training items, which a resumed run must bring again.
        steps_per_epoch: optimizer steps in an epoch.
        decays: which parameters `plan.weight_decay` applies to.
    """

    def __init__(
        self,
        model: nn.Module,
        plan: TrainingPlan,
        *,
        items: int,
        steps_per_epoch: int,
        decays: Callable[[str, Tensor], bool],
    ):
        self.model = model
        self.plan = plan
        self.items = items
        self.optimizer = make_optimizer(model, plan, decays)
        self.parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        first_stage = plan.epochs if plan.swa_start is None else plan.swa_start
        self.schedule = make_schedule(plan, first_stage * steps_per_epoch)
        averaged = plan.ema_decay > 0 or plan.swa_start is not None
        self.average = ExponentialAverage(model, plan.ema_decay) if averaged else None
        self.best: dict[str, Tensor] | None = None
        self.history = History()
        self.standing = Standing()

    def enter_second_stage(self) -> None:
        """Average equally from here on, and look for the best validation anew: the loss may be another one."""
        assert self.average is not None
        self.average.weigh_equally()
        self.best = None
        self.standing.best_loss, self.standing.best_epoch = None, self.standing.epoch
        self.standing.second_stage = True

    def save(self, root: Path, device: torch.device) -> Path:
        """Keep a checkpoint below `root`; all processes must call it, the first one writes."""
        random = gather_states(random_states(), device)
        if process_number() == 0:
            tensors = {f"model.{name}": tensor for name, tensor in weights(self.model).items()}
            tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer_tensors(self.optimizer).items()}
            if self.average is not None:
                tensors |= {f"average.{name}": tensor for name, tensor in self.average.average.items()}
            if self.best is not None:
                tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
            for rank, states in enumerate(random):
                tensors |= {f"random{rank}.{name}": state for name, state in states.items()}
            values = {
                "plan": asdict(self.plan),
                "items": self.items,
                "standing": asdict(self.standing),
                "schedule": self.schedule.state(),
                "average_updates": self.average.updates if self.average is not None else 0,
                "history": self.history.rows,
            }
            write_step(root, self.standing.step, tensors, values, kind=KIND)
        wait_for_all()
        return steps(root)[-1]

    def restore(self, path: Path, device: torch.device) -> None:
        """Continue from a checkpoint.

        Raises:
            CheckpointError: it is damaged, of another release, or belongs to another run.
        """
        checkpoint = read_checkpoint(path, kind=KIND)
        values, origin = checkpoint.values, str(path)
        try:
            self._check_same_run(values, origin)
            self.standing = Standing(**values["standing"])
            self.history = History(values["history"])
            self.schedule.restore(values["schedule"])
            updates = values["average_updates"]
        except (KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{origin}: written by another release ({error}). Install that release, or start the run again."
            ) from None
        load_weights(self.model, checkpoint.part("model"), origin=origin)
        restore_optimizer(self.optimizer, checkpoint.part("optimizer"), origin=origin)
        if self.average is not None:
            equal = self.standing.second_stage
            self.average.restore(checkpoint.part("average"), updates, equal=equal, origin=origin)
        best = checkpoint.part("best")
        self.best = {name: tensor.to(device) for name, tensor in best.items()} or None
        random = checkpoint.part(f"random{process_number()}")
        if random:  # a process more than last time keeps its fresh seed
            restore_random_states(random, origin=origin)

    def _check_same_run(self, values: dict, origin: str) -> None:
        if values["items"] != self.items:
            raise CheckpointError(
                f"{origin}: this run trained on {values['items']} items, now there are {self.items}. "
                "Resume with the same data, or choose another folder."
            )
        now = asdict(self.plan)
        for name, was in values["plan"].items():
            if name not in FREE_ON_RESUME and now.get(name) != was:
                raise CheckpointError(
                    f"{origin}: this run has {name} = {was}, the plan now says {now.get(name)}. "
                    "Resume with the same plan, or choose another folder."
                )
