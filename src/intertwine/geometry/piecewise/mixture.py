"""Which points vote for the same centre: a mixture of round Gaussians on the votes of each cloud; E(d) moves both."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from intertwine.groups.frames.segments import PartError, number_parts, segment_mean

STEPS = (1.0, 0.5, 0.25, 0.125, 0.0)
"""Lengths that are tried for the push of the repulsion."""


@dataclass(frozen=True)
class Mixture:
    """Gaussians of one width: P(y) = sum_j weights_j N(y; centres_j, width^2 I). A weight of zero: no such part."""

    centres: Float[Tensor, "*batch part d"]
    weights: Float[Tensor, "*batch part"]
    """Not negative, sum 1."""
    width: float
    """In the unit of the points."""

    def log_joint(self, y: Float[Tensor, "*batch point d"]) -> Float[Tensor, "*batch point part"]:
        """log(weights_j N(y_i; centres_j, width^2))."""
        # differences, not |y|^2 - 2 y c + |c|^2, which loses all digits far from the origin
        squared = (y.unsqueeze(-2) - self.centres.unsqueeze(-3)).square().sum(-1)
        normal = y.shape[-1] / 2 * math.log(2 * math.pi * self.width**2)
        there = self.weights > 0
        prior = torch.where(there, torch.where(there, self.weights, 1.0).log(), -math.inf)  # no gradient of log 0
        return prior.unsqueeze(-2) - squared / (2 * self.width**2) - normal

    def log_likelihood(self, y: Float[Tensor, "*batch point d"]) -> Float[Tensor, "*batch"]:
        """sum_i log P(y_i)."""
        return self.log_joint(y).logsumexp(-1).sum(-1)

    def assignment(self, y: Float[Tensor, "*batch point d"]) -> Float[Tensor, "*batch point part"]:
        """Q_ij = P(part j | y_i), rows that sum to one."""
        return self.log_joint(y).softmax(-1)

    def repulsion(self) -> Float[Tensor, "*batch"]:
        """sum_{j != j'} weights_j weights_j' log KL_jj', where KL_jj' = |centres_j - centres_j'|^2 / (2 width^2)."""
        apart = self.centres.unsqueeze(-2) - self.centres.unsqueeze(-3)
        both = self.weights.unsqueeze(-1) * self.weights.unsqueeze(-2)
        both = both * ~torch.eye(both.shape[-1], dtype=torch.bool, device=both.device)
        divergence = apart.square().sum(-1) / (2 * self.width**2)
        return torch.where(both > 0, both * torch.where(both > 0, divergence, 1.0).log(), 0.0).sum((-2, -1))

    def objective(self, y: Float[Tensor, "*batch point d"], strength: float) -> Float[Tensor, "*batch"]:
        """log_likelihood + strength * repulsion, which is to be large."""
        return self.log_likelihood(y) + strength * self.repulsion()


def start_from_parts(
    y: Float[Tensor, "*batch point d"], part: Int[Tensor, "*batch point"], parts: int, width: float
) -> Mixture:
    """One Gaussian for every part of a partition, at the mean of its votes: where EM begins.

    Example:
        >>> start = start_from_parts(torch.tensor([[0.0], [2.0], [9.0]]), torch.tensor([0, 0, 2]), 3, 1.0)
        >>> start.centres[:, 0], start.weights
        (tensor([1., 0., 9.]), tensor([0.6667, 0.0000, 0.3333]))
    """
    number, count = number_parts(part, parts)
    batch = y.shape[:-2]
    centres = segment_mean(y.detach().reshape(-1, y.shape[-1]), number, count).reshape(*batch, parts, -1)
    sizes = torch.bincount(number, minlength=count).reshape(*batch, parts)
    return Mixture(centres, sizes.to(y.dtype) / y.shape[-2], width)


def fit_mixture(
    y: Float[Tensor, "*batch point d"], start: Mixture, *, steps: int, strength: float = 0.0, merge: float = 0.0
) -> Mixture:
    r"""Modified expectation maximisation: EM steps, each followed by joining centres that are close.

        maximise   sum_i log P(y_i)  +  strength * sum_{j != j'} weights_j weights_j' log KL_jj'

    Without repulsion and merging the likelihood never falls; without merging the objective never falls. Fewer and fewer
    parts are left: this is what makes the partition coarser from layer to layer. Carries no gradient: see `implicit`.

    Args:
        strength: of the repulsion (tau of the paper).
        merge: distance in units of the width below which a centre joins a heavier one; 0 joins nothing.

    Raises PartError for votes that are not finite or a width that is not positive.

    Example:
        >>> y = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
        >>> start = start_from_parts(y, torch.tensor([0, 1, 2, 3]), 4, width=0.5)
        >>> fitted = fit_mixture(y, start, steps=5, merge=1.0)
        >>> int((fitted.weights > 0).sum()), fitted.assignment(y).argmax(-1).tolist()
        (2, [0, 0, 2, 2])

    Reference: Atzmon et al., 2024, arXiv:2402.08529 (partition prediction by a modified EM).
    """
    if not bool(y.isfinite().all()):
        raise PartError(
            "fit_mixture: expected finite votes, came some that are not; look at the network that made them."
        )
    if not (start.width > 0 and steps >= 1):
        raise PartError(f"fit_mixture: expected width > 0 and steps >= 1, came {start.width} and {steps}.")
    mixture = start
    with torch.no_grad():
        for _ in range(steps):
            mixture = em_step(y, mixture, strength)
            if merge > 0:
                mixture = merge_close(mixture, merge * mixture.width)
    return mixture


def em_step(y: Float[Tensor, "*batch point d"], mixture: Mixture, strength: float = 0.0) -> Mixture:
    r"""One step of EM; with `strength`, the best of a few pushes apart from where EM would go.

        Q = assignment(y),   n_j = sum_i Q_ij,   m_j = sum_i Q_ij y_i / n_j,   weights_j = n_j / n
        surrogate = sum_j n_j ( log weights_j - |centres_j - m_j|^2 / (2 width^2) ) + strength repulsion

    The surrogate lies below the objective and touches it at the old mixture, which is among the candidates: so the
    objective cannot fall. Candidates cost O(part^2), not O(point part).
    """
    q = mixture.assignment(y)
    counts = q.sum(-2)
    present = (mixture.weights > 0) & (counts > 0)
    safe = torch.where(present, counts, 1.0).unsqueeze(-1)
    means = torch.where(present.unsqueeze(-1), (q.mT @ (y - _origin(y))) / safe + _origin(y), mixture.centres)
    weights = torch.where(present, counts, 0.0) / counts.sum(-1, keepdim=True)
    best = Mixture(means, weights, mixture.width)
    if not strength:
        return best
    push = strength * mixture.width**2 / safe * _repulsion_gradient(best)
    old = mixture
    candidates = [Mixture(means + t * push, w, old.width) for t in STEPS for w in (weights, mixture.weights)] + [old]
    values = torch.stack([_surrogate(c, means, counts) + strength * c.repulsion() for c in candidates])
    choice = values.argmax(0)
    pick = torch.arange(len(candidates), device=y.device).reshape(-1, *[1] * choice.dim()) == choice
    centres = sum(torch.where(p[..., None, None], c.centres, 0.0) for p, c in zip(pick, candidates))
    chosen = sum(torch.where(p[..., None], c.weights, 0.0) for p, c in zip(pick, candidates))
    return Mixture(torch.as_tensor(centres), torch.as_tensor(chosen), mixture.width)


def merge_close(mixture: Mixture, distance: float) -> Mixture:
    """Every centre that has a heavier one closer than `distance` joins it, all at once; weighted means.

    A centre whose heavier neighbour joins another waits for the next time, so that no chain of neighbours collapses.
    Of equal weights the first counts as the heavier.
    """
    weights, centres = mixture.weights, mixture.centres
    apart = (centres.unsqueeze(-2) - centres.unsqueeze(-3)).square().sum(-1).sqrt()
    here = torch.arange(weights.shape[-1], device=weights.device)
    near = (apart < distance) & (weights.unsqueeze(-2) > 0) | (here[:, None] == here)
    target = torch.where(near, weights.unsqueeze(-2), -1.0).argmax(-1)
    stays = target.gather(-1, target) == target
    target = torch.where(stays, target, here)
    onto = torch.nn.functional.one_hot(target, len(here)).to(weights.dtype) * weights.unsqueeze(-1)
    total = onto.sum(-2)
    moved = onto.mT @ (centres - _origin(centres)) / torch.where(total > 0, total, 1.0).unsqueeze(-1)
    return Mixture(torch.where((total > 0).unsqueeze(-1), moved + _origin(centres), centres), total, mixture.width)


def _surrogate(mixture: Mixture, means: Tensor, counts: Tensor) -> Tensor:
    squared = (mixture.centres - means).square().sum(-1) / (2 * mixture.width**2)
    return (torch.xlogy(counts, mixture.weights) - counts * squared).sum(-1)


def _repulsion_gradient(mixture: Mixture) -> Tensor:
    """Derivative of `repulsion` with respect to the centres."""
    apart = mixture.centres.unsqueeze(-2) - mixture.centres.unsqueeze(-3)
    squared = apart.square().sum(-1, keepdim=True)
    both = (mixture.weights.unsqueeze(-1) * mixture.weights.unsqueeze(-2)).unsqueeze(-1)
    return (4 * both * apart / torch.where(squared > 0, squared, 1.0)).sum(-2)


def _origin(y: Tensor) -> Tensor:
    """A point amid the others: sums are taken from here, so that distance from zero costs no digits."""
    return y.mean(-2, keepdim=True)
