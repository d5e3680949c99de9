"""The training loop: any model, any objective, stopped and resumed at any step without a trace. No group acts here."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypedDict

from torch import Tensor, nn

from intertwine.training.distributed import close_at_exit, copy_from_first
from intertwine.training.history import History
from intertwine.training.interruption import stop_requests
from intertwine.training.loggers import LoggerName, make_loggers, require_loggers
from intertwine.training.optimizer import matrices_decay
from intertwine.training.plan import TrainingPlan
from intertwine.training.progress import Progress, make_progress
from intertwine.training.randomness import own_randomness
from intertwine.training.run import Objective, Run, SecondStage, Validation
from intertwine.training.sampler import EpochSampler
from intertwine.training.state import RunState
from intertwine.training.weights import weights


class RunOptions(TypedDict, total=False):
    """Where `fit` keeps a run and how it shows it: what functions that call `fit` hand on."""

    folder: Path | str | None
    resume: bool
    progress: Progress | None
    log: Collection[LoggerName]


def fit(
    model: nn.Module,
    objective: Objective,
    train_items: Sequence[Any],
    collate: Callable[[list[Any]], Any],
    plan: TrainingPlan,
    *,
    validate: Validation | None = None,
    second_stage: SecondStage | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    log: Collection[LoggerName] = (),
    decays: Callable[[str, Tensor], bool] = matrices_decay,
) -> History:
    """Train `model` in place and leave in it the averaged weights of its best validation.

    For each step: the loss of `objective(model, collate(items))` is differentiated, its gradient clipped, the optimizer
    stepped, and the weights averaged. The averaged weights are the ones that `validate` sees and that the model carries
    at the end; without `validate`, those after the last step.

    With a `folder`, `history.json` grows by a row an epoch and `checkpoints/` holds the newest two checkpoints. A run
    killed at any moment and resumed takes the very steps it would have taken: weights, optimizer, averages, order of
    the items and random numbers (torch, numpy, `random`) all come back. On the CPU the result is equal bit by bit, but
    where `plan.max_seconds` ends a run before its epochs: a schedule that follows the clock, and the last step, are
    those of the machine.

    Control-C or SIGTERM finishes the step, keeps a checkpoint and raises `Interrupted`.

    With several processes each takes its share of every batch. What the objective returns are means over the whole
    batch, of which each process knows its part, so the loss does not depend on the number of processes; `validate` runs
    on all of them.

    Args:
        objective: `(model, batch)` to a dictionary of terms, the same names every time. A scalar is a mean over the
            items of the batch, and the one called "loss" is the loss. A `Mean` runs over other entries, such as atoms
            or the labels that are there, and adds its weight times itself to the loss. Every term is averaged into the
            history.
        collate: list of items to the batch that `objective` takes, something with `.to(device)` or a collection of
            such things.
        validate: model to a dictionary of numbers with the key "loss", lower is better.
        second_stage: objective and validation from `plan.swa_start` on, if not the same.
        resume: continue the run in `folder` if there is one.
        log: where to show the history besides, in `folder`/log: "csv", "tensorboard", "wandb".
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
    if log and folder is None:
        raise ValueError(f"fit: log = {list(log)} needs a `folder` to write to.")
    require_loggers(log)
    fabric = _launch(plan)
    rank = fabric.global_rank
    if progress is None or rank > 0:
        progress = make_progress(quiet=rank > 0)
    stages = [SecondStage(objective, validate), second_stage or SecondStage(objective, validate)]
    with own_randomness(plan.seed + 1_000_003 * rank), stop_requests() as stop:
        copy_from_first(weights(fabric.to_device(model)).values())
        sampler = EpochSampler(
            len(train_items), batch_size=plan.batch_size, seed=plan.seed, rank=rank, world=fabric.world_size
        )
        state = RunState(model, plan, items=len(train_items), steps_per_epoch=sampler.steps, decays=decays)
        run = Run(fabric, state, sampler, stages, train_items, collate, folder, progress, stop)
        run.begin(resume)
        if log and rank == 0:
            run.loggers = make_loggers(log, Path(folder or ""), state.history)
        try:
            while not run.finished:
                run.train_epoch()
                run.end_epoch()
        finally:
            progress.close()
    run.carry_best()
    return state.history


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
