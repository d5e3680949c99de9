"""One task, every method, the same budget: free, hard, hard plus a rest, and penalised weights; groups act on `dim`."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from intertwine.experiments.experiment import Stage
from intertwine.experiments.soft_equivariance_tasks import Task
from intertwine.groups.linear import Similarity
from intertwine.learning.soft_equivariance import Binding, Hard, Residual, Soft, early, relaxed
from intertwine.learning.stacked_training import Course, squared_error, stacked, train_stack
from intertwine.learning.symmetry_breaking import symmetry_breaking
from intertwine.learning.weight_projection import WeightProjection
from intertwine.nn.soft_coupling import tensors
from intertwine.nn.soft_network import SoftNetwork

FREE, HARD, TRUE, RPP = "free", "hard: container", "hard: true group", "RPP"
PER, LOOSE, OURS = "PER", "PER, free start", "PER, gradient rule"


@dataclass(frozen=True)
class Grid:
    """What a method may choose from on the validation set: as many values for each of them."""

    strengths: tuple[float, ...] = (0.01, 0.1, 1.0, 100.0)
    """Of penalties, and of the prior of RPP."""
    decays: tuple[float, ...] = (0.0, 2e-5, 2e-4, 2e-3)
    """Of weights, for methods without a strength."""
    base_decay: float = 2e-5
    """For methods with one."""


@dataclass(frozen=True)
class Fit:
    """One method on one task: the setting that was best on the validation sets, with all its seeds."""

    method: str
    task: str
    setting: float
    test: tuple[float, ...]
    """Mean squared error of each seed, in units of the mean square of the targets."""
    strengths: tuple[tuple[float, ...], ...] = ()
    """Final ones of each seed and candidate, as shares of the largest."""
    scores: tuple[tuple[float, ...], ...] = ()
    """Of `symmetry_breaking`, for each seed and candidate."""
    candidates: tuple[str, ...] = ()
    true: tuple[str, ...] = ()

    @property
    def ordered(self) -> tuple[bool, ...]:
        """Of each seed, whether every true symmetry ended with a larger strength than every other candidate."""
        holds = [name in self.true for name in self.candidates]
        return tuple(
            min(s for s, true in zip(each, holds) if true) > max(s for s, true in zip(each, holds) if not true)
            for each in self.strengths
            if any(holds) and not all(holds)
        )


def compare(
    task: Task, *, channels: int, layers: int, course: Course, grid: Grid, seed: int, progress: Stage
) -> list[Fit]:
    """Train everything on one task.

    The gradient rule reads the hard container model that is trained as a baseline anyway; the soft trainings of both
    rules begin at the same weights, near those of the container, and take the same steps. "free start" shows what the
    start is worth.
    """
    seeds = len(task.train.x)
    model, *others = _networks(task, channels, layers, seeds, seed)
    models, each, many = [model, *others], torch.arange(seeds), len(grid.strengths)
    index = each.repeat_interleave(many)
    draw = torch.Generator().manual_seed(seed)
    container = WeightProjection(model, task.container)
    candidates = [WeightProjection(model, group) for group in task.candidates.values()]
    decays, strengths = (torch.tensor(values).repeat(seeds) for values in (grid.decays, grid.strengths))
    done: list[Fit] = []

    def fit(method: str, binding: Binding, decay: Tensor | float, settings: tuple[float, ...]) -> tuple[Fit, dict, int]:
        progress(f"{task.name}: {method}", len(done), 7)
        found = train_stack(
            model, stacked(models, many), binding, task.train, task.valid,
            seeds=index, course=course, decay=decay, generator=draw,
        )  # fmt: skip
        with torch.no_grad():
            test = squared_error(model, found.weights, task.test, index).unflatten(0, (seeds, many))
        best = int(found.valid.unflatten(0, (seeds, many)).mean(0).argmin())
        done.append(Fit(method, task.name, settings[best], tuple(test[:, best].tolist())))
        return done[-1], found.weights, best

    fit(FREE, Soft([], torch.zeros(len(index), 0)), decays, grid.decays)
    _, weights, best = fit(HARD, Hard(container), decays, grid.decays)
    true = [group for name, group in task.candidates.items() if name in task.true]
    if len(true) == 1 and true[0] != task.container:
        fit(TRUE, Hard(WeightProjection(model, true[0])), decays, grid.decays)
    fit(RPP, Residual(container, strengths), grid.base_decay, grid.strengths)

    hard = [{name: each[many * s + best] for name, each in weights.items()} for s in range(seeds)]
    tests = [symmetry_breaking(model, hard[s], candidates, task.valid.x[s], task.valid.y[s]) for s in range(seeds)]
    trivial = [candidate.trivial for candidate in candidates]
    gradient = torch.stack([relaxed(test.broken.float(), trivial, power=2.0) for test in tests])
    window = early(course.steps)
    even = strengths[:, None].expand(-1, len(candidates))
    rules: list[tuple[str, Callable[[], Soft]]] = [
        (PER, lambda: Soft(candidates, even, container, tuning=window)),
        (LOOSE, lambda: Soft(candidates, even, tuning=window)),
        (OURS, lambda: Soft(candidates, even * gradient.repeat_interleave(many, 0), container)),
    ]
    for method, make in rules:
        soft = make()
        found, _, best = fit(method, soft, grid.base_decay, grid.strengths)
        final = soft.strengths.unflatten(0, (seeds, many))[:, best]
        shares = tuple(map(tuple, (final / final.max(-1, keepdim=True).values).tolist()))
        scores = tuple(tuple(test.score.tolist()) for test in tests)
        done[-1] = replace(found, strengths=shares, scores=scores, candidates=tuple(task.candidates), true=task.true)
    return done


def _networks(task: Task, channels: int, layers: int, seeds: int, seed: int) -> list[SoftNetwork]:
    """Models that differ in nothing but their random weights."""
    group = Similarity(3)
    v, w = (tensors(group, *orders) for orders in task.orders)
    networks = []
    for number in range(seeds):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1000 * seed + number)
            networks.append(SoftNetwork(v, w, *task.channels, channels=channels, layers=layers))
    return networks
