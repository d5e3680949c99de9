"""The training loop: any model, any objective, stopped and resumed at any step without a trace. No group acts here."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from intertwine.training.checkpoint import CheckpointError, read_checkpoint, steps, write_step
from intertwine.training.distributed import (
    close_at_exit,
    copy_from_first,
    gather_states,
    numbers_from_first,
    sum_gradients,
    wait_for_all,
)
from intertwine.training.ema import ExponentialAverage
from intertwine.training.history import History
from intertwine.training.interruption import Interrupted, StopRequest, stop_requests
from intertwine.training.optimizer import make_optimizer, matrices_decay, optimizer_tensors, restore_optimizer
from intertwine.training.plan import FREE_ON_RESUME, TrainingPlan
from intertwine.training.progress import Progress, make_progress
from intertwine.training.randomness import own_randomness, random_states, restore_random_states
from intertwine.training.sampler import EpochSampler
from intertwine.training.schedule import make_schedule
from intertwine.training.weights import load_weights, snapshot, weights

Objective = Callable[[nn.Module, Any], Mapping[str, Tensor]]
KIND = "training"


class NumericalError(ArithmeticError):
    """A computation left the finite numbers. One line: what, where in the run, what to try."""


def fit(
    model: nn.Module,
    objective: Objective,
    train_items: Sequence[Any],
    collate: Callable[[list[Any]], Any],
    plan: TrainingPlan,
    *,
    validate: Callable[[nn.Module], Mapping[str, float]] | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    decays: Callable[[str, Tensor], bool] = matrices_decay,
) -> History:
    """Train `model` in place and leave in it the averaged weights of its best validation.

    For each step: `objective(model, collate(items))["loss"]` is differentiated, its gradient clipped, the optimizer
    stepped, and the weights averaged. The averaged weights are the ones that `validate` sees and that the model carries
    at the end; without `validate`, those after the last step.

    With a `folder`, `history.json` grows by a row an epoch and `checkpoints/` holds the newest two checkpoints. A run
    killed at any moment and resumed takes the very steps it would have taken: weights, optimizer, averages, order of
    the items and random numbers (torch, numpy, `random`) all come back. On the CPU the result is equal bit by bit.

    Control-C or SIGTERM finishes the step, keeps a checkpoint and raises `Interrupted`.

    With several processes each takes its share of every batch. Gradients are averaged by number of items, so a loss
    that is a mean over items does not depend on the number of processes; `validate` runs on all of them.

    Args:
        objective: `(model, batch)` to a dictionary of scalars with the key "loss"; every entry is averaged into the
            history.
        collate: list of items to the batch that `objective` takes, something with `.to(device)` or a collection of
            such things.
        validate: model to a dictionary of numbers with the key "loss", lower is better.
        resume: continue the run in `folder` if there is one.
        decays: which parameters `plan.weight_decay` applies to.

    Raises:
        NumericalError: the loss, another entry or the gradient is not finite; earlier checkpoints stay.
        CheckpointError: the checkpoint is damaged or belongs to another run; or `folder` holds a run and `resume` is
            False.
        Interrupted: stopped from outside.

    Example:
        >>> from intertwine.training.progress import Quiet
        >>> model = nn.Linear(1, 1)
        >>> points = [torch.tensor([x, 2 * x]) for x in torch.linspace(-1, 1, 8)]
        >>> def objective(model, batch):
        ...     return {"loss": (model(batch[:, :1]) - batch[:, 1:]).square().mean()}
        >>> plan = TrainingPlan(epochs=40, batch_size=4, learning_rate=0.1)
        >>> history = fit(model, objective, points, torch.stack, plan, progress=Quiet())
        >>> history.rows[-1]["loss"] < 1e-3
        True
    """
    if plan.patience is not None and validate is None:
        raise ValueError("fit: plan.patience needs `validate`, which says when the model has stopped improving.")
    fabric = _launch(plan)
    rank = fabric.global_rank
    if progress is None or rank > 0:
        progress = make_progress(quiet=rank > 0)
    with own_randomness(plan.seed + 1_000_003 * rank), stop_requests() as stop:
        run = _Run(fabric, model, objective, train_items, collate, plan, validate, folder, progress, decays, stop)
        run.begin(resume)
        try:
            while not run.finished:
                run.train_epoch()
                run.end_epoch()
        finally:
            progress.close()
    run.carry_best()
    return run.history


def _launch(plan: TrainingPlan) -> Any:
    from lightning_fabric import Fabric  # a second to import; only training needs it

    fabric = Fabric(
        accelerator=plan.device,
        devices=plan.devices,
        strategy="ddp" if plan.devices > 1 else "auto",
        precision="bf16-mixed" if plan.precision == "bf16-mixed" else "32-true",
    )
    fabric.launch()
    close_at_exit()
    return fabric


@dataclass
class _Standing:
    """Where a run stands, as plain numbers."""

    epoch: int = 0
    """Complete epochs."""
    position: int = 0
    """Batches done in the present one."""
    step: int = 0
    """Steps done in all."""
    items: int = 0
    """Items seen in the present epoch."""
    sums: dict[str, float] = field(default_factory=dict)
    """Sums over those items of what the objective returned."""
    seconds: float = 0.0
    best_loss: float | None = None
    best_epoch: int = 0


class _Run:
    """One run: everything that a checkpoint has to hold, and the four things that happen to it."""

    def __init__(self, fabric, model, objective, items, collate, plan, validate, folder, progress, decays, stop):
        self.fabric = fabric
        self.model = fabric.to_device(model)
        self.objective = objective
        self.items = items
        self.collate = collate
        self.plan: TrainingPlan = plan
        self.validate = validate
        self.folder = None if folder is None else Path(folder)
        self.progress: Progress = progress
        self.stop: StopRequest = stop
        self.sampler = EpochSampler(
            len(items), batch_size=plan.batch_size, seed=plan.seed, rank=fabric.global_rank, world=fabric.world_size
        )
        copy_from_first(weights(model).values())
        self.optimizer = make_optimizer(model, plan, decays)
        self.parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self.schedule = make_schedule(plan, plan.epochs * self.sampler.steps)
        self.average = ExponentialAverage(model, plan.ema_decay) if plan.ema_decay > 0 else None
        self.best: dict[str, Tensor] | None = None
        self.history = History()
        self.standing = _Standing()
        self.started = self.saved = time.monotonic()
        self.seconds_before = 0.0

    # ---- the four things

    def begin(self, resume: bool) -> None:
        """Start anew, or where the newest checkpoint in the folder ends."""
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            found = steps(self.folder / "checkpoints")
            if found and not resume:
                raise CheckpointError(f"{self.folder}: holds a run already. Resume it, or choose another folder.")
            if found:
                self._restore(found[-1])
        self.started = self.saved = time.monotonic()
        self.seconds_before = self.standing.seconds
        self.model.train()
        self.progress.start(epochs=self.plan.epochs, steps=self.sampler.steps, done=self.standing.step)
        if self.standing.step:
            end = "already complete" if self.finished else f"resumed in epoch {self.standing.epoch + 1}"
            self.progress.say(f"{end}, after step {self.standing.step}")

    def train_epoch(self) -> None:
        """Take the steps that are left of the present epoch, or until the time is up."""
        standing = self.standing
        for batch in self.sampler.batches(standing.epoch, standing.position):
            asked, due, late = self._step(batch)
            if asked:
                where = f"checkpoint saved: {self._save()}" if self.folder else "no folder was given: nothing saved"
                raise Interrupted(f"stopped after step {standing.step}; {where}")
            if due and self.folder:
                self._save()
            if late:
                return

    def end_epoch(self) -> None:
        """Validate, write the row of the history, keep a checkpoint."""
        standing, plan = self.standing, self.plan
        self._clock()
        row = {
            "epoch": standing.epoch + 1,
            "step": standing.step,
            "seconds": round(standing.seconds, 3),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            **{name: total / standing.items for name, total in standing.sums.items()},
        }
        standing.epoch += 1
        standing.position = standing.items = 0
        standing.sums = {}
        if self.validate is not None and (standing.epoch % plan.validate_every == 0 or self.finished):
            row.update({f"valid_{name}": value for name, value in self._validated().items()})
        if self.validate is None or "valid_loss" in row:
            self.schedule.observe(row.get("valid_loss", row["loss"]))
        self.history.rows.append(row)
        self.progress.epoch(row)
        if self.folder and self.fabric.global_rank == 0:
            self.history.save(self.folder / "history.json")
        if self.folder and (standing.epoch % plan.checkpoint_every == 0 or self.finished):
            self._save()

    def carry_best(self) -> None:
        """Put the weights worth keeping into the model: best validated, else last averaged, else last."""
        if self.best is not None:
            load_weights(self.model, self.best)
        elif self.average is not None:
            load_weights(self.model, self.average.average)
        self.model.eval()

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, the validation stopped improving, or the time is up."""
        standing, plan = self.standing, self.plan
        waited = plan.patience is not None and standing.epoch - standing.best_epoch >= plan.patience
        late = plan.max_seconds is not None and standing.seconds >= plan.max_seconds
        return standing.epoch >= plan.epochs or waited or late

    # ---- how

    def _step(self, batch: list[int]) -> list[bool]:
        """One optimizer step. Was a stop asked for, is a checkpoint due, is the time up, on any process?"""
        standing, plan = self.standing, self.plan
        length = self.sampler.batch_length(standing.position)
        share = len(batch) / length
        # A process without items in a short last batch takes any item with weight zero: all must talk alike.
        items = [self.items[index] for index in batch or [0]]
        for group in self.optimizer.param_groups:
            group["lr"] = plan.learning_rate * self.schedule.factor(standing.step)
        self.optimizer.zero_grad(set_to_none=True)
        with self.fabric.autocast():
            terms = self.objective(self.model, self.fabric.to_device(self.collate(items)))
        terms["loss"].backward()
        values = torch.stack([term.detach().to(torch.float64) for term in terms.values()]).tolist()
        numbers = [share * value for value in values] + [float(flag) for flag in self._flags()]
        *means, asked, due, late = sum_gradients(self.parameters, share, numbers)
        self._check_finite(dict(zip(terms, means)))
        self._clip()
        self.optimizer.step()
        if self.average is not None:
            self.average.update()
        standing.step += 1
        standing.position += 1
        standing.items += length
        for name, mean in zip(terms, means):
            standing.sums[name] = standing.sums.get(name, 0.0) + mean * length
        self.progress.step(standing.step, means[list(terms).index("loss")])
        return [asked > 0, due > 0, late > 0]

    def _clip(self) -> None:
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        length = norm.item()
        self._check_finite({"gradient": length})
        if self.plan.clip_norm is not None and length > self.plan.clip_norm:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self.plan.clip_norm, norm)

    def _check_finite(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                kept = steps(self.folder / "checkpoints") if self.folder else []
                last = f" The last good checkpoint is {kept[-1]}." if kept else ""
                raise NumericalError(
                    f"{name} became {value} in epoch {self.standing.epoch + 1}, after step {self.standing.step}."
                    f"{last} Try a lower learning rate or a smaller clip_norm, and check the labels."
                )

    def _validated(self) -> dict[str, float]:
        """The numbers of the validation under averaged weights, which are kept when they are the best so far."""
        self.model.eval()
        with self.average.swapped_in() if self.average is not None else nullcontext():
            values = {name: float(value) for name, value in self.validate(self.model).items()}
            values = numbers_from_first(values, self.fabric.device)
            self._check_finite({f"validation {name}": value for name, value in values.items()})
            if self.standing.best_loss is None or values["loss"] < self.standing.best_loss:
                self.standing.best_loss, self.standing.best_epoch = values["loss"], self.standing.epoch
                self.best = snapshot(self.model)
        self.model.train()
        return values

    def _flags(self) -> tuple[bool, bool, bool]:
        plan = self.plan
        due = plan.checkpoint_seconds is not None and time.monotonic() - self.saved > plan.checkpoint_seconds
        late = plan.max_seconds is not None and self._clock() >= plan.max_seconds
        return self.stop.asked, due, late

    def _clock(self) -> float:
        self.standing.seconds = self.seconds_before + time.monotonic() - self.started
        return self.standing.seconds

    def _save(self) -> Path:
        assert self.folder is not None
        self._clock()
        random = gather_states(random_states(), self.fabric.device)
        root = self.folder / "checkpoints"
        if self.fabric.global_rank == 0:
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
                "items": len(self.items),
                "standing": asdict(self.standing),
                "schedule": self.schedule.state(),
                "average_updates": self.average.updates if self.average is not None else 0,
                "history": self.history.rows,
            }
            write_step(root, self.standing.step, tensors, values, kind=KIND)
        wait_for_all()
        self.saved = time.monotonic()
        return steps(root)[-1]

    def _restore(self, path: Path) -> None:
        checkpoint = read_checkpoint(path, kind=KIND)
        values, origin = checkpoint.values, str(path)
        try:
            self._check_same_run(values, origin)
            self.standing = _Standing(**values["standing"])
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
            self.average.restore(checkpoint.part("average"), updates, origin=origin)
        best = checkpoint.part("best")
        self.best = {name: tensor.to(self.fabric.device) for name, tensor in best.items()} or None
        random = checkpoint.part(f"random{self.fabric.global_rank}")
        if random:  # a process more than last time keeps its fresh seed
            restore_random_states(random, origin=origin)

    def _check_same_run(self, values: dict, origin: str) -> None:
        if values["items"] != len(self.items):
            raise CheckpointError(
                f"{origin}: this run trained on {values['items']} items, now there are {len(self.items)}. "
                "Resume with the same data, or choose another folder."
            )
        now = asdict(self.plan)
        for name, was in values["plan"].items():
            if name not in FREE_ON_RESUME and now.get(name) != was:
                raise CheckpointError(
                    f"{origin}: this run has {name} = {was}, the plan now says {now.get(name)}. "
                    "Resume with the same plan, or choose another folder."
                )
