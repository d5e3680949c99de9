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

    where the maximum is over both clouds. The bound cannot fail unless the network has an error; it is not tight.

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
        bound = (here + inherited.reshape(bound.shape)).clamp(max=1)
    return bound


def surely_exact(before: Reading, after: Reading, true: Int[Tensor, "*batch point"]) -> Bool[Tensor, "*batch point"]:
    """Points whose features must follow the motion: the partitions themselves in place of their probabilities.

    At least those that `not_covered` leaves at zero.
    """
    exact = torch.ones_like(true, dtype=torch.bool)
    for part, other in zip(before.parts, after.parts):
        number, count = number_parts(part, int(part.max()) + 1)
        spoilt = torch.zeros(count, device=true.device).scatter_reduce(0, number, (~exact).float().flatten(), "amax")
        exact = pure_points(part, true) & same_points(part, other) & (spoilt[number] == 0).reshape(true.shape)
    return exact
