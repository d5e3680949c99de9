"""A frame for every point from its nearest neighbours; the group acts on the points, `[*batch, point, d]`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from intertwine.groups.frames.frame import Frame, FrameError, checked_points, full_precision


class Neighbourhoods(NamedTuple):
    """Clouds around every point: `*batch point near d`, which of their points are real, and where ties were cut.

    `cut` is True where the last point inside and the first outside are equally far, so that order decides.
    """

    points: Float[Tensor, "*batch point near d"]
    mask: Bool[Tensor, "*batch point near"]
    cut: Bool[Tensor, "*batch point"]


def neighbourhoods(
    x: Float[Tensor, "*batch point d"], count: int, mask: Bool[Tensor, "*batch point"] | None = None
) -> Neighbourhoods:
    """The `count` nearest points of every point, itself the first. O(n^2).

    Each is a cloud that moves along with all of them, so any frame and `FrameAverage` act on it.

    Raises:
        FrameError: a count below one, or a malformed cloud.

    Example:
        >>> near = neighbourhoods(torch.tensor([[0.0], [1.0], [3.0]]), 2)
        >>> near.points[2, :, 0], near.cut
        (tensor([3., 1.]), tensor([False, False, False]))
    """
    points = checked_points("neighbourhoods", x, mask)
    if count < 1:
        raise FrameError(f"neighbourhoods: expected a count of 1, 2, ..., came {count}.")
    n = points.shape[-2]
    with full_precision(points), torch.no_grad():
        distance = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
        distance = distance - torch.eye(n, dtype=distance.dtype, device=distance.device)  # itself first
        if mask is not None:
            distance = distance.masked_fill(~mask[..., None, :], torch.inf)
        near, index = distance.topk(min(count + 1, n), largest=False)
    inside = min(count, n)
    if n > count:
        cut = near[..., count] - near[..., count - 1] <= 100 * torch.finfo(x.dtype).eps * near[..., count]
        cut = cut & near[..., count].isfinite()
    else:
        cut = torch.zeros_like(near[..., 0], dtype=torch.bool)
    index = index[..., :inside]
    clouds = points[..., None, :, :].expand(*points.shape[:-1], *points.shape[-2:])
    chosen = clouds.gather(-2, index[..., None].expand(*index.shape, points.shape[-1]))
    real = near[..., :inside].isfinite()
    if mask is not None:
        real = real & mask[..., None]
    return Neighbourhoods(chosen, real, cut)


@dataclass(frozen=True)
class LocalFrame:
    """The frame of every neighbourhood, by any frame function of clouds: batch axes `[*batch, point]`.

    Exact where that is exact and no tie was cut. To run a net on neighbourhoods in their own coordinates, hand
    `neighbourhoods(x, count).points` to a `FrameAverage` of the net.

    Args:
        frame: of one cloud, such as `PCAFrame("SE")`.
        count: points of a neighbourhood.

    Example:
        >>> from intertwine.groups.frames.pca import PCAFrame
        >>> LocalFrame(PCAFrame("SE"), 8)(torch.randn(2, 20, 3)).elements.shape
        torch.Size([2, 20, 4, 3, 3])

    Reference: Puny et al., 2022, arXiv:2110.03336, the local variant of section 4.
    """

    frame: Callable[..., Frame]
    count: int

    def __call__(self, x: Float[Tensor, "*batch point d"], mask: Bool[Tensor, "*batch point"] | None = None) -> Frame:
        """The frame of every point."""
        near = neighbourhoods(x, self.count, mask)
        frame = self.frame(near.points.to(x.dtype), near.mask)
        return replace(frame, exact=frame.exact & ~near.cut)
