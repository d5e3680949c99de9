"""One run of training: its steps, epochs, checkpoints and what it carries at the end. No group acts here."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from intertwine.training.checkpoint import steps
from intertwine.training.distributed import numbers_from_first, sum_gradients
from intertwine.training.interruption import Interrupted, StopRequest
from intertwine.training.loggers import RowLogger
from intertwine.training.means import Mean, as_means, contributions, global_counts, weighted_sum
from intertwine.training.plan import TrainingPlan
from intertwine.training.progress import Progress
from intertwine.training.sampler import EpochSampler
from intertwine.training.state import RunState, checkpoint_to_resume
from intertwine.training.weights import load_weights, snapshot

Objective = Callable[[nn.Module, Any], Mapping[str, Tensor | Mean]]
Validation = Callable[[nn.Module], Mapping[str, float]]


class NumericalError(ArithmeticError):
    """A computation left the finite numbers. One line: what, where in the run, what to try."""


@dataclass(frozen=True)
class SecondStage:
    """What a run aims at from `plan.swa_start` on."""

    objective: Objective
    validate: Validation | None = None


class Run:
    """The four things that happen to the state of a run, and how."""

    def __init__(self, fabric, state, sampler, stages, items, collate, folder, progress, stop):
        self.fabric = fabric
        self.state: RunState = state
        self.model: nn.Module = state.model
        self.plan: TrainingPlan = state.plan
        self.sampler: EpochSampler = sampler
        self.stages: list[SecondStage] = stages
        self.items = items
        self.collate = collate
        self.folder = None if folder is None else Path(folder)
        self.progress: Progress = progress
        self.stop: StopRequest = stop
        self.loggers: list[RowLogger] = []
        self.started = self.saved = time.monotonic()
        self.seconds_before = 0.0
        self.used = 0.0
        """Seconds since the start at the end of the last step, by the clock of the first process, known to all."""

    # ---- the four things

    def begin(self, resume: bool) -> None:
        """Start anew, or where the newest checkpoint in the folder ends."""
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            newest = checkpoint_to_resume(self.folder, resume)
            if newest is not None:
                self.state.restore(newest, self.fabric.device)
        standing = self.state.standing
        self.started = self.saved = time.monotonic()
        self.seconds_before = self.used = standing.seconds
        self.model.train()
        left = None if self.plan.max_seconds is None else max(self.plan.max_seconds - standing.seconds, 0.0)
        self.progress.start(epochs=self.plan.epochs, steps=self.sampler.steps, done=standing.step, seconds=left)
        if standing.step:
            end = "already complete" if self.finished else f"resumed in epoch {standing.epoch + 1}"
            self.progress.say(f"{end}, after step {standing.step}")

    def train_epoch(self) -> None:
        """Take the steps that are left of the present epoch, or until the time is up."""
        standing, start = self.state.standing, self.plan.swa_start
        due = start is not None and (standing.epoch >= start or self.share >= 1) and standing.position == 0
        if due and not standing.second_stage:
            self.state.enter_second_stage()
            self.progress.say(f"second stage from epoch {standing.epoch + 1}: equal average, constant learning rate")
        for batch in self.sampler.batches(standing.epoch, standing.position):
            asked, due = self._step(batch)
            if asked:
                where = f"checkpoint saved: {self._save()}" if self.folder else "no folder was given: nothing saved"
                raise Interrupted(f"stopped after step {standing.step}; {where}")
            if due and self.folder:
                self._save()
            if self.late:
                return

    def end_epoch(self) -> None:
        """Validate, write the row of the history, keep a checkpoint."""
        state, standing, plan = self.state, self.state.standing, self.plan
        self._clock()
        row = {
            "epoch": standing.epoch + 1,
            "step": standing.step,
            "seconds": round(standing.seconds, 3),
            # not the optimizer's, which knows no rate yet when a run resumes after the last step of an epoch
            "learning_rate": self.learning_rate(standing.step - 1),
            **{name: total / standing.counts[name] for name, total in standing.sums.items() if standing.counts[name]},
        }
        standing.epoch += 1
        standing.position = 0
        standing.sums, standing.counts = {}, {}
        validate = self.stage.validate
        if validate is not None and (standing.epoch % plan.validate_every == 0 or self.finished):
            row.update({f"valid_{name}": value for name, value in self._validated(validate).items()})
        if validate is None or "valid_loss" in row:
            state.schedule.observe(row.get("valid_loss", row["loss"]))
        state.history.rows.append(row)
        self.progress.epoch(row)
        for logger in self.loggers:
            logger.show(row)
        if self.folder and self.fabric.global_rank == 0:
            state.history.save(self.folder / "history.json")
        if self.folder and (standing.epoch % plan.checkpoint_every == 0 or self.finished):
            self._save()

    def carry_best(self) -> None:
        """Put the weights worth keeping into the model: best validated, else last averaged, else last."""
        if self.state.best is not None:
            load_weights(self.model, self.state.best)
        elif self.state.average is not None:
            load_weights(self.model, self.state.average.average)
        self.model.eval()

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, the validation stopped improving, or the time is up."""
        standing, plan = self.state.standing, self.plan
        waiting = plan.patience is not None and (plan.swa_start is None or standing.second_stage)
        waited = waiting and standing.epoch - standing.best_epoch >= (plan.patience or 0)
        return standing.epoch >= plan.epochs or waited or self.late

    @property
    def stage(self) -> SecondStage:
        """Objective and validation of the present stage."""
        return self.stages[self.state.standing.second_stage]

    @property
    def late(self) -> bool:
        """Whether the time is up."""
        return self.plan.max_seconds is not None and self.used >= self.plan.max_seconds

    @property
    def share(self) -> float:
        """How much of the time of the first stage is used; 0 where nothing limits it."""
        plan = self.plan
        if plan.max_seconds is None:
            return 0.0
        return self.used / plan.max_seconds * (1 if plan.swa_start is None else plan.epochs / plan.swa_start)

    def learning_rate(self, step: int) -> float:
        """That of a step of the present epoch."""
        second = self.state.standing.second_stage
        factor = self.plan.swa_learning_rate if second else self.state.schedule.factor(step, self.share)
        return self.plan.learning_rate * factor

    # ---- how

    def _step(self, batch: list[int]) -> list[bool]:
        """One optimizer step. Was a stop asked for, is a checkpoint due, on any process?"""
        state, standing = self.state, self.state.standing
        # A process without items in a short last batch takes any item and counts it zero times: all must talk alike.
        items = [self.items[index] for index in batch or [0]]
        for group in state.optimizer.param_groups:
            group["lr"] = self.learning_rate(standing.step)
        state.optimizer.zero_grad(set_to_none=True)
        with self.fabric.autocast():
            terms = self.stage.objective(self.model, self.fabric.to_device(self.collate(items)))
        means = as_means(terms, len(batch))
        counts = global_counts(means)
        parts = contributions(means, counts)
        loss = weighted_sum(means, parts)
        loss.backward(inputs=state.parameters)  # and not by positions, whose gradients nobody reads
        numbers = torch.stack([part.detach().to(torch.float64) for part in [loss, *parts]]).tolist()
        clock = self._clock() if self.fabric.global_rank == 0 else 0.0
        *values, asked, due, self.used = sum_gradients(state.parameters, [*numbers, *map(float, self._flags()), clock])
        found = dict(zip(["loss", *means], values))
        self._check_finite(found)
        self._clip()
        state.optimizer.step()
        if state.average is not None:
            state.average.update()
        standing.step += 1
        standing.position += 1
        length = self.sampler.batch_length(standing.position - 1)
        for name, count in {"loss": length, **dict(zip(means, counts.tolist()))}.items():
            standing.sums[name] = standing.sums.get(name, 0.0) + found[name] * count
            standing.counts[name] = standing.counts.get(name, 0.0) + count
        self.progress.step(standing.step, found["loss"])
        return [asked > 0, due > 0]

    def _clip(self) -> None:
        gradients = [parameter.grad for parameter in self.state.parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        length = norm.item()
        self._check_finite({"gradient": length})
        if self.plan.clip_norm is not None and length > self.plan.clip_norm:
            torch.nn.utils.clip_grads_with_norm_(self.state.parameters, self.plan.clip_norm, norm)

    def _check_finite(self, values: Mapping[str, float]) -> None:
        standing = self.state.standing
        for name, value in values.items():
            if not math.isfinite(value):
                kept = steps(self.folder / "checkpoints") if self.folder else []
                last = f" The last good checkpoint is {kept[-1]}." if kept else ""
                raise NumericalError(
                    f"{name} became {value} in epoch {standing.epoch + 1}, after step {standing.step}."
                    f"{last} Try a lower learning rate or a smaller clip_norm, and check the labels."
                )

    def _validated(self, validate: Validation) -> dict[str, float]:
        """The numbers of the validation under averaged weights, which are kept when they are the best so far."""
        state, standing = self.state, self.state.standing
        self.model.eval()
        with state.average.swapped_in() if state.average is not None else nullcontext():
            values = {name: float(value) for name, value in validate(self.model).items()}
            values = numbers_from_first(values, self.fabric.device)
            self._check_finite({f"validation {name}": value for name, value in values.items()})
            if standing.best_loss is None or values["loss"] < standing.best_loss:
                standing.best_loss, standing.best_epoch = values["loss"], standing.epoch
                state.best = snapshot(self.model)
        self.model.train()
        return values

    def _flags(self) -> tuple[bool, bool]:
        limit = self.plan.checkpoint_seconds
        return self.stop.asked, limit is not None and time.monotonic() - self.saved > limit

    def _clock(self) -> float:
        self.state.standing.seconds = self.seconds_before + time.monotonic() - self.started
        return self.state.standing.seconds

    def _save(self) -> Path:
        assert self.folder is not None
        self._clock()
        path = self.state.save(self.folder / "checkpoints", self.fabric.device)
        self.saved = time.monotonic()
        return path
