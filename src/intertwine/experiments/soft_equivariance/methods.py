"""Tasks of one form, every method, the same budget: free, hard, hard plus a rest, penalised; groups act on `dim`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from intertwine.experiments.soft_equivariance.tasks import Task
from intertwine.groups.group import Group
from intertwine.groups.linear import Similarity
from intertwine.learning.soft_equivariance import Binding, Hard, Residual, Soft, early, relaxed
from intertwine.learning.stacked_training import Course, Samples, squared_error, stacked, train_stack
from intertwine.learning.symmetry_breaking import symmetry_breaking
from intertwine.learning.weight_projection import WeightProjection
from intertwine.nn.soft_coupling import tensors
from intertwine.nn.soft_network import SoftNetwork

FREE, HARD, TRUE, RPP = "free", "hard: container", "hard: true group", "RPP"
PER, LOOSE, OURS = "PER", "PER, free start", "PER, gradient rule"


@dataclass(frozen=True)
class Grid:
    """What a method may choose from on the validation set: as many values for each of them."""

    strengths: tuple[float, ...] = (0.01, 1.0, 100.0)
    """Of penalties, and of the prior of RPP."""
    decays: tuple[float, ...] = (0.0, 2e-5, 2e-4)
    """Of weights, for methods without a strength."""
    base_decay: float = 2e-5
    """For methods with one."""


@dataclass(frozen=True)
class Plan:
    """How much is trained; the same for every method."""

    course: Course
    channels: int
    layers: int = 2
    grid: Grid = field(default_factory=Grid)


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
    """Of `symmetry_breaking`, for each seed and candidate; of the hard container model."""
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


Keep = Callable[[str, Callable[[], list[Fit]]], list[Fit]]
"""Fits of a method by its name: those kept from a run that was cut off, or what the function makes."""


def compare(tasks: Sequence[Task], plan: Plan, *, seed: int, keep: Keep) -> list[Fit]:
    """Train everything on tasks that differ in nothing but their numbers, all of them at once.

    The gradient rule reads the hard container model that is trained as a baseline anyway; the soft trainings of both
    rules begin at the same weights, near those of the container, and all trainings see the same batches. "free start"
    shows what the start is worth.
    """
    bench, grid = Bench(tasks, plan, seed), plan.grid
    even = bench.settings(grid.strengths)[:, None].expand(-1, len(bench.candidates))
    window = early(plan.course.steps)

    def true_groups() -> list[Fit]:
        """Of each task another, so one after the other."""
        groups = [[group for name, group in task.candidates.items() if name in task.true] for task in tasks]
        named = [(task, group[0]) for task, group in zip(tasks, groups) if len(group) == 1]
        alone = [(Bench([task], plan, seed), group) for task, group in named if group != task.container]
        return [fit for one, group in alone for fit in one.tune_decay(TRUE, Hard(one.projection(group)))]

    fits = keep(FREE, lambda: bench.tune_decay(FREE, Soft([], even[:, :0])))
    hard = keep(HARD, lambda: bench.tune_decay(HARD, Hard(bench.container)))
    fits = fits + hard + keep(TRUE, true_groups)
    fits += keep(RPP, lambda: bench.tune_strength(RPP, Residual(bench.container, even[:, 0])))

    scores = torch.tensor([each for fit in hard for each in fit.scores])
    trivial = [candidate.trivial for candidate in bench.candidates]
    found = relaxed(scores.clamp(min=1.0), trivial, power=2.0).repeat_interleave(len(grid.strengths), 0)
    rules: dict[str, Callable[[], Soft]] = {
        PER: lambda: Soft(bench.candidates, even, bench.container, tuning=window),
        LOOSE: lambda: Soft(bench.candidates, even, tuning=window),
        OURS: lambda: Soft(bench.candidates, even * found, bench.container),
    }
    for method, rule in rules.items():
        soft = keep(method, lambda method=method, rule=rule: bench.tune_strength(method, rule()))
        fits += [replace(fit, scores=of.scores) for fit, of in zip(soft, hard)]
    return fits


class Bench:
    """Models for all tasks, seeds and settings, in one stack, and what they are trained on."""

    def __init__(self, tasks: Sequence[Task], plan: Plan, seed: int):
        self.tasks, self.plan, self.seed = tasks, plan, seed
        self.seeds, self.many = len(tasks[0].train.x), len(plan.grid.strengths)
        self.models = _networks(tasks[0], plan, self.seeds, seed)
        self.index = torch.arange(len(tasks) * self.seeds).repeat_interleave(self.many)
        parts = [(task.train, task.valid, task.test) for task in tasks]
        self.train_set, self.valid, self.test = (
            Samples(torch.cat([each.x for each in part]), torch.cat([each.y for each in part])) for part in zip(*parts)
        )
        self.container = self.projection(tasks[0].container)
        self.candidates = [self.projection(group) for group in tasks[0].candidates.values()]

    def projection(self, group: Group) -> WeightProjection:
        """Of the models' weights."""
        return WeightProjection(self.models[0], group)

    def settings(self, values: tuple[float, ...]) -> Tensor:
        """One value for each model of the stack."""
        return torch.tensor(values).repeat(len(self.tasks) * self.seeds)

    def tune_decay(self, method: str, binding: Binding) -> list[Fit]:
        """Train with every decay of the weights."""
        decays = self.plan.grid.decays
        return self._train(method, binding, decays, self.settings(decays))

    def tune_strength(self, method: str, binding: Binding) -> list[Fit]:
        """Train with every strength, which the binding has."""
        return self._train(method, binding, self.plan.grid.strengths, self.plan.grid.base_decay)

    def _train(self, method: str, binding: Binding, settings: tuple[float, ...], decay: Tensor | float) -> list[Fit]:
        """Train the stack, choose a setting for every task, and measure."""
        found = train_stack(
            self.models[0], stacked(self.models * len(self.tasks), self.many), binding, self.train_set, self.valid,
            seeds=self.index, course=self.plan.course, decay=decay,
            generator=torch.Generator().manual_seed(self.seed),
        )  # fmt: skip
        shape = len(self.tasks), self.seeds, self.many
        with torch.no_grad():
            test = squared_error(self.models[0], found.weights, self.test, self.index).unflatten(0, shape)
        best = found.valid.unflatten(0, shape).mean(1).argmin(-1).tolist()
        fits = []
        for t, (task, chosen) in enumerate(zip(self.tasks, best)):
            models = [(t * self.seeds + s) * self.many + chosen for s in range(self.seeds)]
            strengths, scores = torch.zeros(0), []
            if isinstance(binding, Soft) and binding.projections:
                strengths = binding.strengths[models] / binding.strengths[models].amax(-1, keepdim=True)
            if method == HARD:
                scores = [self._scores(found.weights, model) for model in models]
            tried = tuple(test[t, :, chosen].tolist())
            shares = tuple(map(tuple, strengths.tolist()))
            names = tuple(task.candidates)
            fits.append(Fit(method, task.name, settings[chosen], tried, shares, tuple(scores), names, task.true))
        return fits

    def _scores(self, weights: dict[str, Tensor], model: int) -> tuple[float, ...]:
        own, row = {name: each[model] for name, each in weights.items()}, int(self.index[model])
        x, y = self.valid.x[row], self.valid.y[row]
        return tuple(symmetry_breaking(self.models[0], own, self.candidates, x, y).score.tolist())


def _networks(task: Task, plan: Plan, seeds: int, seed: int) -> list[SoftNetwork]:
    """Models that differ in nothing but their random weights; hidden tensors up to the largest order of the task."""
    group = Similarity(3)
    v, w = (tensors(group, *orders) for orders in task.orders)
    hidden = tuple(range(max(map(max, task.orders)) + 1))
    networks = []
    for number in range(seeds):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1000 * seed + number)
            networks.append(
                SoftNetwork(v, w, *task.channels, channels=plan.channels, layers=plan.layers, orders=hidden)
            )
    return networks
