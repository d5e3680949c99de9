"""Frames of O(d), SO(d), E(d) and SE(d) whose average is continuous; the group acts on the points."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from intertwine.groups.frames.frame import Frame, FrameError, checked_points, full_precision
from intertwine.groups.frames.gram_schmidt import gram_schmidt
from intertwine.groups.frames.moments import centred, unit_size

LARGEST_COUNT = 4096
"""Most bases of one cloud."""


@dataclass(frozen=True)
class WeightedFrame:
    r"""A basis for every tuple of d - 1 points, with a weight that vanishes before the basis jumps. In space:

        axis 1 = x_i / |x_i|,    axis 2 = r_ij / |r_ij|,   r_ij = x_j - axis 1 (axis 1 . x_j),    the last completes
        weight_ij = |x_i|^p / sum_i |x_i|^p  *  |r_ij|^p / sum_j |r_ij|^p

    An axis jumps only where its x_i or r_ij is zero, and there it counts nothing. So, for a continuous net that reads
    this cloud alone:

    - its invariant average is continuous *everywhere*. Where all r_ij vanish (collinear clouds) or all x_i (one point)
      the weights do jump, but among bases in which the points have the same coordinates;
    - its equivariant average is continuous where the cloud, about its origin, has rank d - 1 or more;
    - no finite frame with equal weights can do either for d >= 2. `PCAFrame` jumps where eigenvalues cross.

    Exact, by construction, on all clouds: no eigenvalues, nothing degenerate, cubes and rings included. The price is
    its size: n^(d - 1) bases, n in the plane and n^2 in space, twice as many with reflections. For small clouds, or
    "stochastic".

    Args:
        group: "O", "SO", "E" or "SE".
        power: p. With 2 the average is once differentiable where a point crosses the origin; large powers concentrate
            the weight on the outermost points.
        detach: bases and weights are constants for autograd, the mean is not.

    Shapes: x `*batch point d`, mask `*batch point` (True where real), elements `*batch frame d d`.

    Raises:
        FrameError: an unknown option, points on a line (d = 1), too many points, coordinates that are not finite.

    Example:
        >>> frame = WeightedFrame("SE")(torch.randn(5, 3))
        >>> frame.elements.shape, frame.weights.sum().round()
        (torch.Size([25, 3, 3]), tensor(1.))

    Reference: Dym, Lawrence, Siegel, 2024, Equivariant frames and the impossibility of continuous canonicalization,
    arXiv:2402.16077; these weights, normalised point by point, are ours.
    """

    group: Literal["O", "SO", "E", "SE"] = "O"
    power: float = 2.0
    detach: bool = True

    def __post_init__(self) -> None:
        if self.group not in ("O", "SO", "E", "SE"):
            raise FrameError(f'WeightedFrame: expected group "O", "SO", "E" or "SE", came {self.group!r}.')
        if not self.power > 0:
            raise FrameError(f"WeightedFrame: expected a power above 0, came {self.power}.")

    def __call__(self, x: Float[Tensor, "*batch point d"], mask: Bool[Tensor, "*batch point"] | None = None) -> Frame:
        """The frame of every cloud."""
        points = checked_points("WeightedFrame", x, mask)
        count, d = points.shape[-2:]
        if d < 2 or count ** (d - 1) > LARGEST_COUNT:
            raise FrameError(
                f"WeightedFrame: expected d >= 2 and at most {LARGEST_COUNT} bases, came d = {d} and {count} points "
                f"with {count ** (d - 1)} bases. Give it fewer points, such as the farthest ones, or take PCAFrame."
            )
        with full_precision(points):
            if self.group in ("E", "SE"):
                about, shift = centred(points, mask)
            else:
                about, shift = points, torch.zeros_like(points[..., 0, :])
            cloud = unit_size(about.detach() if self.detach else about)
            real = torch.ones_like(x[..., 0], dtype=torch.bool) if mask is None else mask
            places = torch.arange(count, device=x.device)
            tuples = torch.cartesian_prod(*[places] * (d - 1)).reshape(-1, d - 1)
            elements, lengths = gram_schmidt(cloud[..., tuples, :].mT)
            weights = self._weights(lengths, real)
            if self.group in ("O", "E"):
                mirrored = torch.cat([elements[..., :-1], -elements[..., -1:]], -1)
                elements, weights = torch.cat([elements, mirrored], -3), torch.cat([weights, weights], -1) / 2
        gap = torch.full_like(shift[..., 0], torch.inf).detach()
        empty = ~real.any(-1)
        return Frame(elements, shift, weights, gap, empty, ~empty)

    def _weights(
        self, lengths: Float[Tensor, "*batch basis m"], real: Bool[Tensor, "*batch point"]
    ) -> Float[Tensor, "*batch basis"]:
        """Shares of length^p, for each point of the tuple among all points that could stand in its place."""
        count, m = real.shape[-1], lengths.shape[-1]
        weights = torch.ones_like(lengths[..., 0])
        for place in range(m):
            inner = count ** (m - 1 - place)
            length = lengths[..., place].unflatten(-1, (count**place, count, inner))
            here = real[..., None, :, None]
            share = torch.where(here & (length > 0), length, 0.0) ** self.power
            total = share.sum(-2, keepdim=True)
            alike = torch.where(here.any(-2, keepdim=True), here, True).to(length.dtype)
            alike = alike / alike.sum(-2, keepdim=True)
            share = torch.where(total > 0, share / torch.where(total > 0, total, 1.0), alike)
            weights = weights * share.flatten(-3)
        return weights
