"""A coordinate system for every cloud, chosen by a small trained net; O(d), SO(d), E(d) or SE(d) acts on the points."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from intertwine.groups.frames.frame import Frame, FrameError, checked_points, full_precision
from intertwine.groups.frames.gram_schmidt import gram_schmidt
from intertwine.groups.frames.moments import centred


class LearnedFrame(nn.Module):
    r"""A learned canonicaliser: a frame of one element, its axes from equivariant vectors by Gram-Schmidt.

        r_p = |x_p - shift|,     v = mean_p  a(r_p) (x_p - shift)
        v_k = mean_p  b_k( r_p, |v|, v . (x_p - shift) )  (x_p - shift),      element = gram_schmidt(v_1, v_2, ...)

    a and b are small MLPs of invariants, so the vectors turn along with the cloud and so does the element, whatever
    the weights; training finds coordinate systems that suit the net behind. O and E take d vectors, SO and SE d - 1
    and a last axis of determinant +1. O(n) in the number of points.

    Gradients reach the weights through the axes. `gap` is the smallest part of a vector that the ones before do not
    span; where it vanishes (symmetric, planar or collinear clouds, about whose symmetry no net can decide),
    `degenerate` is True and `exact` False.

    Shapes: x `*batch point d`, mask `*batch point` (True where real), elements `*batch 1 d d`.

    Raises:
        FrameError: an unknown group, points of another dimension, no points, coordinates that are not finite.

    Example:
        >>> frame = LearnedFrame("SE")
        >>> frame(torch.randn(4, 20, 3)).elements.shape
        torch.Size([4, 1, 3, 3])

    Reference: Kaba et al., 2023, Equivariance with learned canonicalization functions, arXiv:2211.06489; this net is
    ours.
    """

    def __init__(
        self,
        group: Literal["O", "SO", "E", "SE"] = "O",
        dimension: int = 3,
        *,
        hidden: int = 16,
        tolerance: float = 1e-4,
    ):
        super().__init__()
        if group not in ("O", "SO", "E", "SE"):
            raise FrameError(f'LearnedFrame: expected group "O", "SO", "E" or "SE", came {group!r}.')
        if dimension < 2:
            raise FrameError(f"LearnedFrame: expected dimension 2, 3, ..., came {dimension}.")
        self.group, self.dimension, self.tolerance = group, dimension, tolerance
        count = dimension if group in ("O", "E") else dimension - 1
        self.first = nn.Sequential(nn.Linear(1, hidden), nn.SiLU(), nn.Linear(hidden, 1))
        self.second = nn.Sequential(nn.Linear(3, hidden), nn.SiLU(), nn.Linear(hidden, count))

    def forward(self, x: Float[Tensor, "*batch point d"], mask: Bool[Tensor, "*batch point"] | None = None) -> Frame:
        """The frame of every cloud."""
        points = checked_points("LearnedFrame", x, mask)
        if x.shape[-1] != self.dimension:
            raise FrameError(f"LearnedFrame: expected points of dimension {self.dimension}, came {x.shape[-1]}.")
        weights = next(self.parameters())
        with full_precision(points):
            if self.group in ("E", "SE"):
                about, shift = centred(points, mask)
            else:
                about, shift = points, torch.zeros_like(points[..., 0, :])
            # in units of the cloud, so that size does not matter; a padded point is zero and pulls nowhere
            size = about.square().sum((-2, -1)).sqrt().clamp_min(torch.finfo(points.dtype).tiny)
            count = points.shape[-2] if mask is None else mask.sum(-1).clamp_min(1)
            cloud = (about / (size / torch.as_tensor(count).to(size).sqrt())[..., None, None]).to(weights.dtype)
            radius = torch.linalg.vector_norm(cloud, dim=-1, keepdim=True)
            vector = (self.first(radius) * cloud).sum(-2, keepdim=True) / _per_cloud(count, cloud)
            along = (cloud * vector).sum(-1, keepdim=True)
            length = torch.linalg.vector_norm(vector, dim=-1, keepdim=True).expand_as(along)
            invariants = torch.cat([radius, length, along], -1)
            vectors = cloud.mT @ self.second(invariants) / _per_cloud(count, cloud)
            elements, left = gram_schmidt(vectors)
            gap = (left / torch.linalg.vector_norm(vectors, dim=-2).clamp_min(1e-30)).amin(-1).detach()
        elements = elements.to(points.dtype).unsqueeze(-3)
        degenerate = ~(gap > self.tolerance)
        return Frame(elements, shift, torch.ones_like(elements[..., 0, 0]), gap.to(points), degenerate, ~degenerate)


def _per_cloud(count: int | Tensor, cloud: Tensor) -> Tensor:
    return torch.as_tensor(count).to(cloud)[..., None, None]
