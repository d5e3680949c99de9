"""Which of some candidate symmetries do data have? A search by two rules, with a report; groups act on `dim`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.groups.error import equivariance_error
from intertwine.groups.group import Group
from intertwine.groups.representation import Representation
from intertwine.groups.subgroup import restrict
from intertwine.learning.soft_equivariance import Hard, Soft, early, relaxed
from intertwine.learning.stacked_training import Course, Samples, predict, stacked, train_stack
from intertwine.learning.symmetry_breaking import Breaking, symmetry_breaking
from intertwine.learning.weight_projection import WeightProjection

RULES = "gradient", "penalty"
"""Ours, by `symmetry_breaking` before the soft training; and the paper's, by the least penalty in a window of it."""
BROKEN = 8.0
"""Score above which a symmetry counts as broken. Noise in a single direction passes it once in some thousand times."""


@dataclass(frozen=True)
class SymmetryReport:
    """What a search found, by both rules; tables below are `[rule, group]`, rules in the order of `RULES`.

    Example:
        >>> report = find_symmetries(model, data, groups, v=v, w=w, container=O(3))     # doctest: +SKIP
        >>> print(report, report.kept, report.plot("strengths.png"))                    # doctest: +SKIP
    """

    groups: tuple[str, ...]
    breaking: Breaking
    """Of every group, at the symmetric model."""
    steps: tuple[int, ...]
    strengths: Float[Tensor, "step rule group"]
    penalties: Float[Tensor, "step rule group"]
    errors: Float[Tensor, "rule group"]
    """`equivariance_error` of the models that were trained softly."""
    valid: Float[Tensor, "rule"]
    """Their mean squared error on samples kept aside."""
    symmetric: float
    """That of the model which commutes with the container exactly."""

    @property
    def kept(self) -> tuple[str, ...]:
        """Groups that the data do not break as far as the gradient can tell."""
        return tuple(name for name, score in zip(self.groups, self.breaking.score.tolist()) if score < BROKEN)

    def __str__(self) -> str:
        """A table, one line a group."""
        lines = [f"{'group':<14}{'score':>8}  {'strength':>21}  {'equivariance error':>21}"]
        lines += [f"{'':<14}{'':>8}  {RULES[0]:>10} {RULES[1]:>10}  {RULES[0]:>10} {RULES[1]:>10}"]
        for i, name in enumerate(self.groups):
            strengths = " ".join(f"{value:>10.2g}" for value in self.strengths[-1, :, i].tolist())
            errors = " ".join(f"{value:>10.2g}" for value in self.errors[:, i].tolist())
            lines.append(f"{name:<14}{float(self.breaking.score[i]):>8.1f}  {strengths}  {errors}")
        return "\n".join([*lines, f"kept (score below {BROKEN:g}): {', '.join(self.kept) or 'none'}"])

    def plot(self, path: Path | str) -> Path:
        """Draw strengths and penalties over the training, one column a rule."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 6), layout="constrained")
        axes = figure.subplots(2, len(RULES), sharex=True, sharey="row")
        for column, rule in enumerate(RULES):
            for row, (values, label) in enumerate([(self.strengths, "strength"), (self.penalties, "penalty")]):
                for i, name in enumerate(self.groups):
                    shown = values[:, column, i].clamp(min=1e-12)
                    axes[row, column].plot(self.steps, shown, label=name)
                axes[row, column].set(yscale="log", ylabel=label)
            axes[0, column].set_title(f"rule: {rule}")
            axes[1, column].set_xlabel("step")
        axes[0, 0].legend()
        figure.savefig(path, dpi=120)
        return Path(path)


def find_symmetries(
    model: nn.Module,
    data: tuple[Tensor, Tensor],
    groups: Mapping[str, Group],
    *,
    v: Representation,
    w: Representation,
    container: Group,
    strength: float = 1.0,
    course: Course = Course(600),
    generator: torch.Generator | None = None,
) -> SymmetryReport:
    r"""Train a model that commutes with a container group, test each candidate, then train softly with what was found.

    Two rules set the strengths of the soft training: "gradient", strength * relaxed(breaking), from its first step; and
    "penalty", the paper's, once after a quarter of it. Both start from the symmetric model. A third of the samples is
    kept aside for the test and for choosing weights.

    What it is not: proof. A candidate is kept when these samples, seen by this model, do not break it.

    Args:
        model: with layers `SoftLinear`; everything else in it commutes with `container`.
        data: inputs `[sample, dim_v, channel]` and targets `[sample, dim_w, channel]`, of size about one.
        groups: candidates by name, subgroups of `container`.
        v, w: what the group of the model's layers does to input and result.
        container: a group that holds all candidates, for example O(3); a subgroup of that of the layers, or it.

    Raises ValueError for no candidates or numbers of inputs and targets that differ, and what its parts raise.

    Example:
        >>> from intertwine.groups.classical import O
        >>> from intertwine.groups.subgroup import FixedAxis
        >>> from intertwine.nn.soft_coupling import tensors
        >>> from intertwine.nn.soft_network import SoftNetwork
        >>> v = w = tensors(O(3), 1)
        >>> x = torch.randn(768, 3, 2)
        >>> falls = x.sum(-1, keepdim=True) - torch.tensor([0.0, 0.0, 1.0])[:, None]
        >>> model = SoftNetwork(v, w, 2, 1, channels=2, layers=1, orders=(0, 1))
        >>> axes = {name: FixedAxis(3, axis) for axis, name in enumerate("xyz")}
        >>> find_symmetries(model, (x, falls), axes, v=v, w=w, container=O(3), course=Course(40)).kept
        ('z',)

    Reference: Kim, Lee, Yang, Lee, 2023, arXiv:2306.00356, section 4, for "penalty"; "gradient" is ours.
    """
    x, y = data
    if not groups:
        raise ValueError("find_symmetries: expected at least one candidate in groups, came none.")
    if len(x) != len(y):
        raise ValueError(
            f"find_symmetries: expected as many targets as inputs, came {len(x)} inputs, {len(y)} targets."
        )
    cut, seeds = len(x) - len(x) // 3, torch.zeros(1, dtype=torch.int64)
    train, valid = Samples(x[None, :cut], y[None, :cut]), Samples(x[None, cut:], y[None, cut:])
    whole, candidates = WeightProjection(model, container), [WeightProjection(model, g) for g in groups.values()]
    common = {"course": course, "generator": generator}

    hard = train_stack(model, stacked([model]), Hard(whole), train, valid, seeds=seeds, **common)
    weights = {name: each[0] for name, each in hard.weights.items()}
    breaking = symmetry_breaking(model, weights, candidates, x[cut:], y[cut:])

    trivial = [each.trivial for each in candidates]
    found = relaxed(breaking.broken.to(x.dtype), trivial, power=2.0)
    strengths = strength * torch.stack([found, torch.ones_like(found)])
    power = torch.tensor([[0.0], [2.0]])
    soft = Soft(candidates, strengths, whole, tuning=early(course.steps, power))
    steps, seen = [], []

    def watch(step: int, parameters: Mapping[str, Tensor]) -> None:
        steps.append(step)
        with torch.no_grad():
            seen.append((soft.strengths, soft.penalties(parameters)))

    pair = seeds.expand(len(RULES))
    start = {name: each.expand(len(RULES), *each.shape) for name, each in weights.items()}
    fitted = train_stack(model, start, soft, train, valid, seeds=pair, watch=watch, **common)
    errors = torch.tensor(
        [[_error(model, fitted.weights, rule, x[cut:], v, w, g) for g in groups.values()] for rule in (0, 1)]
    )
    return SymmetryReport(
        groups=tuple(groups),
        breaking=breaking,
        steps=tuple(steps),
        strengths=torch.stack([each for each, _ in seen]),
        penalties=torch.stack([each for _, each in seen]),
        errors=errors,
        valid=fitted.valid,
        symmetric=float(hard.valid[0]),
    )


def _error(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    rule: int,
    x: Tensor,
    v: Representation,
    w: Representation,
    g: Group,
) -> float:
    own = {name: each[rule : rule + 1] for name, each in weights.items()}

    def one(x: Tensor) -> Tensor:
        with torch.no_grad():
            return predict(model, own, x[None])[0]

    draw = torch.Generator().manual_seed(0)
    return equivariance_error(one, [x], [restrict(v, g)], restrict(w, g), g, generator=draw)
