"""One group element for every sample, acting on what lies behind the sample axes; the group is that of the action."""

import torch
from torch import Tensor

from intertwine.groups.frames.frame import FrameError, full_precision
from intertwine.groups.representation import Action, Representation


def act_aligned(rep: Action | None, g: Tensor, x: Tensor, leading: int) -> Tensor:
    """act(g, x) with the axes of g and x aligned, at least in float32; features of one row may lack their row axis.

    Args:
        rep: None leaves x alone.
        leading: how many axes in front count samples and elements, the same in g and x.

    Raises:
        FrameError: x has no axis behind those in front.

    Example:
        >>> from intertwine.groups import SO, LastAxis, Standard
        >>> g = SO(3).sample(5)
        >>> act_aligned(LastAxis(Standard(SO(3))), g, torch.randn(5, 20, 3), 1).shape
        torch.Size([5, 20, 3])
    """
    if rep is None:
        return x
    bare = x.dim() == leading + 1
    if bare:
        x = x.unsqueeze(-1 if isinstance(rep, Representation) else -2)
    if x.dim() < leading + 2:
        raise FrameError(f"FrameAverage: expected features behind the batch axes, came shape {tuple(x.shape)}.")
    g = g.reshape(*g.shape[:leading], *[1] * (x.dim() - leading - 2), *g.shape[leading:])
    with full_precision(x):
        moved = rep.act(g, x.to(torch.promote_types(x.dtype, torch.float32)))
    return moved.squeeze(-1 if isinstance(rep, Representation) else -2) if bare else moved
