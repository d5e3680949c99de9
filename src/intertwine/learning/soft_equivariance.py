"""Ways to bind the weights of a soft model to symmetries: penalised, hard, or hard plus a rest; groups act on `dim`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.learning.weight_projection import WeightProjection

REST = "rest of "
"""Prefix of the second parameter of a weight that is hard plus a rest."""


class Binding(ABC):
    """What makes weights of parameters, and what a training pays for them; stacks of models in front of every axis."""

    @abstractmethod
    def start(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Parameters to train, from those of the bare model."""

    @abstractmethod
    def weights(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the model computes with."""

    @abstractmethod
    def penalty(self, parameters: Mapping[str, Tensor], step: int) -> Float[Tensor, "*stack"]:
        """What is added to the loss at a step."""


@dataclass(frozen=True)
class Tuning:
    """When and how strongly strengths are set by themselves."""

    begin: int
    """First step of the window in which penalties are watched."""
    end: int
    """Step at which the strengths change, once."""
    power: Float[Tensor, "*stack 1"] | float = 2.0
    """Zero for the models of a stack whose strengths stay."""


def early(steps: int, power: Float[Tensor, "*stack 1"] | float = 2.0) -> Tuning:
    """Watch from a fifth to a quarter of a training, then set the strengths.

    Example:
        >>> early(100)
        Tuning(begin=20, end=25, power=2.0)
    """
    begin = steps // 5
    return Tuning(begin, max(begin + 1, steps // 4), power)


@dataclass
class Soft(Binding):
    r"""Free weights, with a penalty for each candidate group: PER, projection-based equivariance regularisation.

        loss + sum over g of  strength_g R_g,        R_g = sum over soft weights of  |W - P_g W|^2 / 2

    Strengths `[*stack, group]` of zero give free weights. With a `tuning` they change once (`relaxed`), from the least
    penalty of each group in the window of steps. `start` projects the weights onto those of `container` and adds
    `residual` times the free ones: penalties that begin at the size of free weights measure those, and not the data.

    Example:
        >>> from intertwine.groups.classical import O
        >>> from intertwine.nn.soft_coupling import tensors
        >>> from intertwine.nn.soft_linear import SoftLinear
        >>> layer = SoftLinear(tensors(O(3), 0, 1), tensors(O(3), 1), 2, 2)
        >>> soft = Soft([WeightProjection(layer, O(3))], strengths=torch.tensor([10.0]))
        >>> bool(soft.penalty(dict(layer.named_parameters()), step=0) > 0)
        True

    Reference: Kim, Lee, Yang, Lee, 2023, arXiv:2306.00356, sections 3 and 4; the start is ours.
    """

    projections: Sequence[WeightProjection]
    strengths: Float[Tensor, "*stack group"]
    container: WeightProjection | None = None
    """None starts from free weights."""
    residual: float = 1e-3
    tuning: Tuning | None = None
    least: Tensor | None = field(default=None, init=False)
    """Least penalty of each group seen in the window."""

    def start(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Near the symmetric weights, or free."""
        if self.container is None:
            return dict(parameters)
        bound = self.container(parameters)
        return {name: bound[name] + self.residual * (each - bound[name]) for name, each in parameters.items()}

    def weights(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The parameters."""
        return dict(parameters)

    def penalty(self, parameters: Mapping[str, Tensor], step: int) -> Float[Tensor, "*stack"]:
        """All groups, each with its strength."""
        if not self.projections:
            return torch.zeros(())
        each = self.penalties(parameters)
        if self.tuning is not None and self.tuning.begin <= step < self.tuning.end:
            seen = each.detach()
            self.least = seen if self.least is None else torch.minimum(self.least, seen)
        if self.tuning is not None and step == self.tuning.end and self.least is not None:
            trivial = [projection.trivial for projection in self.projections]
            self.strengths = self.strengths * relaxed(self.least, trivial, power=self.tuning.power)
        return (self.strengths * each).sum(-1)

    def penalties(self, parameters: Mapping[str, Tensor]) -> Float[Tensor, "*stack group"]:
        """R of every group."""
        return torch.stack([projection.penalty(parameters) for projection in self.projections], -1)


@dataclass
class Hard(Binding):
    """Weights that commute with a group exactly, W = P U: the equivariant network (EMLP), as a baseline.

    Example:
        >>> from intertwine.groups.classical import O
        >>> from intertwine.nn.soft_coupling import tensors
        >>> from intertwine.nn.soft_linear import SoftLinear
        >>> layer = SoftLinear(tensors(O(3), 1), tensors(O(3), 0), 2, 2)
        >>> Hard(WeightProjection(layer, O(3))).weights(dict(layer.named_parameters()))["weight"].any()
        tensor(False)
    """

    projection: WeightProjection

    def start(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The parameters."""
        return dict(parameters)

    def weights(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The parameters, projected."""
        return self.projection(parameters)

    def penalty(self, parameters: Mapping[str, Tensor], step: int) -> Float[Tensor, "*stack"]:
        """Nothing."""
        return torch.zeros(())


@dataclass
class Residual(Binding):
    r"""An equivariant weight plus a free rest that is paid for, W = P U + R: residual pathway priors (RPP).

        loss + strength sum over soft weights of  |R|^2 / 2

    Example:
        >>> from intertwine.groups.classical import O
        >>> from intertwine.nn.soft_coupling import tensors
        >>> from intertwine.nn.soft_linear import SoftLinear
        >>> layer = SoftLinear(tensors(O(3), 1), tensors(O(3), 1), 2, 2)
        >>> mixed = Residual(WeightProjection(layer, O(3)), strengths=torch.tensor(1.0))
        >>> list(mixed.start(dict(layer.named_parameters())))
        ['weight', 'bias', 'rest of weight', 'rest of bias']

    Reference: Finzi, Benton, Wilson, 2021, Residual Pathway Priors for Soft Equivariance Constraints, arXiv:2112.01388.
    """

    projection: WeightProjection
    strengths: Float[Tensor, "*stack"]
    residual: float = 1e-3
    """Size of the rest at the start, in units of free weights."""

    def start(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The parameters, and a small rest."""
        bound = self.projection(parameters)
        rest = {f"{REST}{n}": self.residual * (parameters[n] - bound[n]) for n in self.projection.names}
        return {**parameters, **rest}

    def weights(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Projected parameters plus the rest."""
        own = {name: each for name, each in parameters.items() if not name.startswith(REST)}
        rest = {name.removeprefix(REST): each for name, each in parameters.items() if name.startswith(REST)}
        return {name: each + rest[name] if name in rest else each for name, each in self.projection(own).items()}

    def penalty(self, parameters: Mapping[str, Tensor], step: int) -> Float[Tensor, "*stack"]:
        """The rest."""
        stack = self.strengths.dim()
        rest = [each for name, each in parameters.items() if name.startswith(REST)]
        return self.strengths * sum(each.square().flatten(stack).sum(-1) for each in rest) / 2


def relaxed(
    broken: Float[Tensor, "*stack group"], trivial: Sequence[bool], *, power: Tensor | float
) -> Float[Tensor, "*stack group"]:
    r"""Factors that relax groups by how much they are broken, in units of the group that is broken least.

        factor_g = ( min over g' of broken_g'  /  broken_g )^power

    Groups with which everything commutes do not compete and get factor zero: not to be broken is no merit of theirs.
    Values that are zero count as the smallest positive number.

    Example:
        >>> relaxed(torch.tensor([0.1, 0.2, 0.0]), [False, False, True], power=2.0)
        tensor([1.0000, 0.2500, 0.0000])

    Reference: Kim, Lee, Yang, Lee, 2023, arXiv:2306.00356, section 4 (automatic tuning); zeros and groups that bind
    nothing are our addition.
    """
    competes = ~torch.tensor(trivial, device=broken.device)
    broken = broken.clamp(min=torch.finfo(broken.dtype).tiny)
    least = broken.masked_fill(~competes, torch.inf).min(-1, keepdim=True).values
    return torch.where(competes, (least / broken) ** power, 0.0)
