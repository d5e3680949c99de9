"""One element of a frame, chosen by a fixed rule that moves along with the points; O(d) or E(d) acts on them."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from intertwine.groups.frames.frame import Frame, full_precision
from intertwine.groups.frames.moments import unit_size


def canonical(
    frame: Frame, x: Float[Tensor, "*batch point d"], mask: Bool[Tensor, "*batch point"] | None = None
) -> Frame:
    r"""The frame reduced to the element along whose axes the points have the heaviest tails.

        best = argmax_k  sum_i  m_ki / (i + 1),      m_ki = mean_p ( (x_p - shift) . axis_ki )^3

    With all signs to choose from, every axis points to its heavy tail, as `signs.third_moment` has it; with those of
    determinant +1, the axis where this matters least gives way. One net call instead of 2^d, at a price: it jumps
    where third moments cross zero, and on clouds with a mirror plane or a centre nothing is decided. There `exact` is
    False, unless both choices are the same element.

    Example:
        >>> from intertwine.groups.frames.pca import PCAFrame
        >>> x = torch.randn(4, 20, 3)
        >>> frame = canonical(PCAFrame("SE")(x), x)
        >>> frame.elements.shape
        torch.Size([4, 1, 3, 3])
    """
    with full_precision(frame.elements):
        centred = x.detach().to(frame.elements.dtype) - frame.shift.detach()[..., None, :]
        if mask is not None:
            centred = centred.masked_fill(~mask[..., None], 0.0)
        cloud = unit_size(centred)
        d = cloud.shape[-1]
        pairs = (cloud[..., :, None] * cloud[..., None, :]).flatten(-2)
        third = (pairs.mT @ cloud).unflatten(-2, (d, d))[..., None, :, :, :]
        axes = frame.elements.detach()
        along = torch.einsum("...abc,...ai,...bi,...ci->...i", third, axes, axes, axes)
        weight = 1 / torch.arange(1, d + 1, dtype=axes.dtype, device=axes.device)
        score = (along * weight).sum(-1).masked_fill(frame.weights == 0, -torch.inf)
        best = score.argmax(-1)

        size = cloud.norm(dim=-1).pow(3).sum(-1)
        bound = 100 * torch.finfo(x.dtype).eps * size
        rivals = score >= (score.amax(-1) - bound)[..., None]
        chosen = frame.pick(best)
        same = (frame.elements - chosen.elements).abs().amax((-1, -2)) < 1e-3
    return replace(chosen, exact=frame.exact & (~rivals | same).all(-1))
