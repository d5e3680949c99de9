"""How far a network that finds its parts can be from piecewise equivariant: a bound from its own uncertainty."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from intertwine.geometry.piecewise.network import Reading
from intertwine.geometry.piecewise.refinement import pure_points, same_points
from intertwine.groups.frames.segments import number_parts

# log(1 - Q) of a certain row would be -inf, and differences of sums of it nan
FLOOR = 1e-30


def bad_part(q: Float[Tensor, "*batch point part"], true: Int[Tensor, "*batch point"]) -> Float[Tensor, "*batch point"]:
    r"""lambda: probability that the part of a point, in a partition drawn from Q, also has points of another true part.

        lambda_i = sum_j Q_ij ( 1 - prod over m with true_m != true_i of (1 - Q_mj) )

    Exact for rows drawn independently, in O(points parts).

    Example:
        >>> q = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
        >>> bad_part(q, torch.tensor([0, 1]))
        tensor([0.5000, 0.5000])
    """
    stays_out = (1 - q.double()).clamp(min=FLOOR).log()
    labels = torch.nn.functional.one_hot(true, int(true.max()) + 1).double()
    of_label = labels.mT @ stays_out
    others = of_label.sum(-2, keepdim=True) - of_label
    return (q * (1 - (labels @ others).exp())).sum(-1).clamp(0, 1).to(q.dtype)


def unsure_part(q: Float[Tensor, "*batch point part"]) -> Float[Tensor, "*batch point"]:
    r"""delta: probability that a drawn partition does not give a point the very part that arg-max gives it.

        delta_i = 1 - prod_m ( Q_mj where m is in part j, else 1 - Q_mj ),      j = argmax Q_i

    Zero for all points exactly if every row of Q is certain.

    Example:
        >>> unsure_part(torch.tensor([[1.0, 0.0], [0.75, 0.25], [0.0, 1.0]]))
        tensor([0.2500, 0.2500, 0.2500])
    """
    chosen = q.argmax(-1)
    inside = torch.nn.functional.one_hot(chosen, q.shape[-1]).bool()
    agrees = torch.where(inside, q, 1 - q).double().clamp(min=FLOOR).log().sum(-2, keepdim=True).exp()
    return (1 - agrees.expand(q.shape).gather(-1, chosen.unsqueeze(-1)).squeeze(-1)).clamp(0, 1).to(q.dtype)


def not_covered(before: Reading, after: Reading, true: Int[Tensor, "*batch point"]) -> Float[Tensor, "*batch point"]:
    r"""Bound on the probability that the features of a point do not follow the motion of its part exactly.

        b_i = min(1, lambda_i + delta_i + changed_i + max over the part of i of b in the layer before)

    If the part that arg-max gives is bad, then every partition drawn from Q that gives the same part is: so
    [bad] <= lambda + delta. A part that is not bad, has the same points before and after, and got exact features, gets
    exact features again. Hence for a motion g of the true parts and features f

        mean_i |f(g x)_i - g f(x)_i|  <=  2 max_i |f_i| mean_i b_i

    where the maximum is over both clouds. Where parts that touch tell each other what they are, b_i is also one if who
    touches the part of i changed, and at least that of every part it hears of. The bound cannot fail unless the network
    has an error; it is not tight.

    Args:
        before, after: readings of x and g x.

    Reference: after the theorem of Atzmon et al., 2024, arXiv:2402.08529 (lambda + delta); stated here for each point
    and with the term for partitions that change, without which it does not hold for a partition found from x.
    """
    bound = torch.zeros_like(before.scalars[..., 0])
    for layer, (part, other) in enumerate(zip(before.parts, after.parts)):
        number, count = number_parts(part, int(part.max()) + 1)
        inherited = bound.new_zeros(count).scatter_reduce(0, number, bound.flatten(), "amax")[number]
        here = (~same_points(part, other)).to(bound.dtype)
        if layer and before.mixtures:
            q = before.mixtures[layer - 1].assignment(before.votes[layer - 1])
            here = here + bad_part(q, true) + unsure_part(q)
        else:
            here = here + (~pure_points(part, true)).to(bound.dtype)
        bound = _heard((here + inherited.reshape(bound.shape)).clamp(max=1), before, after, layer)
    return bound


def surely_exact(before: Reading, after: Reading, true: Int[Tensor, "*batch point"]) -> Bool[Tensor, "*batch point"]:
    """Points whose features must follow the motion: the partitions themselves in place of their probabilities.

    At least those that `not_covered` leaves at zero.
    """
    exact = torch.ones_like(true, dtype=torch.bool)
    for layer, (part, other) in enumerate(zip(before.parts, after.parts)):
        number, count = number_parts(part, int(part.max()) + 1)
        spoilt = torch.zeros(count, device=true.device).scatter_reduce(0, number, (~exact).float().flatten(), "amax")
        exact = pure_points(part, true) & same_points(part, other) & (spoilt[number] == 0).reshape(true.shape)
        exact = _heard((~exact).to(before.scalars.dtype), before, after, layer) == 0
    return exact


def _heard(off: Tensor, before: Reading, after: Reading, layer: int) -> Tensor:
    """The largest of `off` among the parts that a part hears of; one where who touches it changed."""
    if not before.touch:
        return off
    part, touch = before.parts[layer], before.touch[layer]
    here, there = (_between_points(reading.touch[layer], reading.parts[layer]) for reading in (before, after))
    same = same_points(part, after.parts[layer]).unsqueeze(-2)
    changed = ((here != there) | (here + there > 0) & ~same).any(-1)
    off = (off + changed).clamp(max=1)
    worst = off.new_zeros(touch.shape[:-1]).scatter_reduce(-1, part, off, "amax")
    for _ in range(before.rounds):
        worst = torch.maximum(worst, torch.where(touch > 0, worst.unsqueeze(-2), 0.0).amax(-1))
    return worst.gather(-1, part)


def _between_points(touch: Float[Tensor, "*batch part part"], part: Int[Tensor, "*batch point"]) -> Tensor:
    """Contacts of the parts of every two points."""
    rows = touch.gather(-2, part.unsqueeze(-1).expand(*part.shape, touch.shape[-1]))
    return rows.gather(-1, part.unsqueeze(-2).expand(*part.shape, part.shape[-1]))
