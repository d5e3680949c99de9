"""Which points vote for the same centre: a mixture of round Gaussians on the votes of each cloud; E(d) moves both."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from intertwine.groups.frames.segments import PartError, number_parts, segment_mean

STEPS = (1.0, 0.3, 0.1, 0.0)
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
        # from a point amid the votes, or |y|^2 - 2 y c + |c|^2 loses all its digits far from the origin
        middle = _origin(y)
        near, centres = y - middle, self.centres - middle
        squared = near.square().sum(-1, keepdim=True) + centres.square().sum(-1).unsqueeze(-2) - 2 * near @ centres.mT
        normal = y.shape[-1] / 2 * math.log(2 * math.pi * self.width**2)
        there = self.weights > 0
        prior = torch.where(there, torch.where(there, self.weights, 1.0).log(), -math.inf)  # no gradient of log 0
        return prior.unsqueeze(-2) - squared.clamp(min=0) / (2 * self.width**2) - normal

    def log_likelihood(self, y: Float[Tensor, "*batch point d"]) -> Float[Tensor, "*batch"]:
        """sum_i log P(y_i)."""
        return self.log_joint(y).logsumexp(-1).sum(-1)

    def assignment(self, y: Float[Tensor, "*batch point d"]) -> Float[Tensor, "*batch point part"]:
        """Q_ij = P(part j | y_i), rows that sum to one."""
        return self.log_joint(y).softmax(-1)

    def repulsion(self) -> Float[Tensor, "*batch"]:
        """sum_{j != j'} weights_j weights_j' log KL_jj', where KL_jj' = |centres_j - centres_j'|^2 / (2 width^2)."""
        return _between(self.weights, _log_divergence(self.centres, self.weights > 0, self.width))

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
    if not strength:
        return Mixture(means, weights, mixture.width)
    width = mixture.width
    push = strength * width**2 / safe * _repulsion_gradient(means, weights)
    steps = torch.tensor(STEPS, dtype=y.dtype, device=y.device).reshape(-1, *[1] * means.dim())
    centres = torch.cat([means + steps * push, mixture.centres.unsqueeze(0)])
    priors = torch.stack([weights, mixture.weights])
    off = (counts * (centres - means).square().sum(-1)).sum(-1) / (2 * width**2)
    apart = _log_divergence(centres, present, width)
    values = torch.stack([torch.xlogy(counts, w).sum(-1) - off + strength * _between(w, apart) for w in priors])
    which = values.flatten(0, 1).argmax(0)
    prior, centre = which // len(centres), which % len(centres)
    return Mixture(_pick(centres, centre), _pick(priors, prior), width)


def merge_close(mixture: Mixture, distance: float) -> Mixture:
    """Every centre that has a heavier one closer than `distance` joins it, all at once; weighted means.

    A centre whose heavier neighbour joins another waits for the next time, so that no chain of neighbours collapses.
    Of equal weights the first counts as the heavier.
    """
    weights, centres = mixture.weights, mixture.centres
    apart = torch.cdist(centres, centres, compute_mode="donot_use_mm_for_euclid_dist")
    here = torch.arange(weights.shape[-1], device=weights.device)
    near = (apart < distance) & (weights.unsqueeze(-2) > 0) | (here[:, None] == here)
    target = torch.where(near, weights.unsqueeze(-2), -1.0).argmax(-1)
    stays = target.gather(-1, target) == target
    target = torch.where(stays, target, here)
    onto = torch.nn.functional.one_hot(target, len(here)).to(weights.dtype) * weights.unsqueeze(-1)
    total = onto.sum(-2)
    moved = onto.mT @ (centres - _origin(centres)) / torch.where(total > 0, total, 1.0).unsqueeze(-1)
    return Mixture(torch.where((total > 0).unsqueeze(-1), moved + _origin(centres), centres), total, mixture.width)


def _squared_distances(centres: Tensor) -> Tensor:
    """By differences: their logarithm is taken."""
    return torch.cdist(centres, centres, compute_mode="donot_use_mm_for_euclid_dist").square()


def _log_divergence(centres: Tensor, present: Tensor, width: float) -> Tensor:
    """log KL of every two parts that are there, zero on the diagonal; -inf where centres coincide."""
    pair = present.unsqueeze(-1) & present.unsqueeze(-2)
    pair = pair & ~torch.eye(pair.shape[-1], dtype=torch.bool, device=pair.device)
    divergence = _squared_distances(centres) / (2 * width**2)
    return torch.where(pair, divergence, 1.0).log()


def _between(weights: Tensor, log_divergence: Tensor) -> Tensor:
    """sum_jj' weights_j weights_j' log KL_jj'."""
    both = weights.unsqueeze(-1) * weights.unsqueeze(-2)
    return torch.where(both > 0, both * log_divergence, 0.0).sum((-2, -1))


def _repulsion_gradient(centres: Tensor, weights: Tensor) -> Tensor:
    """Derivative of the repulsion with respect to the centres: sum_j' 4 w_j w_j' (c_j - c_j') / |c_j - c_j'|^2."""
    squared = _squared_distances(centres)
    pull = 4 * weights.unsqueeze(-1) * weights.unsqueeze(-2) / torch.where(squared > 0, squared, torch.inf)
    middle = _origin(centres)
    return pull.sum(-1, keepdim=True) * (centres - middle) - pull @ (centres - middle)


def _pick(candidates: Tensor, which: Tensor) -> Tensor:
    """For every cloud the candidate of its number; the candidates are the first axis."""
    shape = which.shape + (1,) * (candidates.dim() - 1 - which.dim())
    index = which.reshape(1, *shape).expand(1, *candidates.shape[1:])
    return candidates.gather(0, index).squeeze(0)


def _origin(y: Tensor) -> Tensor:
    """A point amid the others: sums are taken from here, so that distance from zero costs no digits."""
    return y.mean(-2, keepdim=True)
