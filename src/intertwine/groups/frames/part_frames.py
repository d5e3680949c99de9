"""Frames of parts: E(d) acts on each part of a cloud by itself; adds PCA frames of ragged parts in one sparse pass."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from intertwine.groups.frames.pca import TOLERANCE, relative_steps, smallest, with_signs
from intertwine.groups.frames.segments import PartError, check_points, segment_max, segment_mean, segment_sum


@dataclass(frozen=True)
class PartFrames:
    r"""For every part the few ways to bring it into position.

        inside_f,i = (x_i - shift_p) elements_p,f,      p = part(i)

    The columns of `elements` are the axes of the part. Averaging what a network says over the frames makes it exactly
    equivariant under a motion of each part.

    Shapes: elements `part frame d d`, shift and spread `part d`, gap and size `part`.
    """

    elements: Float[Tensor, "part frame d d"]
    """Columns are the axes: orthogonal, of length one, or zero for an axis that the points do not determine."""
    shift: Float[Tensor, "part d"]
    spread: Float[Tensor, "part d"]
    """Standard deviation of the points along each axis: length, width and depth of the part. Never undetermined."""
    gap: Float[Tensor, "part"]
    """Smallest gap between two non-zero variances over the largest; infinite where no two are non-zero."""
    size: Int[Tensor, "part"]
    """Points in each part; 0 for one that is empty."""
    degenerate: Bool[Tensor, "part"]
    """Axes that turn into each other at the slightest change of the points: `gap` below the tolerance."""

    def invert(self, x: Float[Tensor, "node d"], part: Int[Tensor, "node"]) -> Float[Tensor, "frame node d"]:
        """Points as seen in the frames of their parts."""
        return self.invert_vectors((x - self.shift[part]).unsqueeze(-1), part).squeeze(-1)

    def invert_vectors(
        self, v: Float[Tensor, "node d channel"], part: Int[Tensor, "node"]
    ) -> Float[Tensor, "frame node d channel"]:
        """Vectors as seen in the frames of their parts: turned, not shifted."""
        return self.elements.transpose(0, 1)[:, part].mT @ v

    def apply_vectors(
        self, v: Float[Tensor, "frame node d channel"], part: Int[Tensor, "node"]
    ) -> Float[Tensor, "frame node d channel"]:
        """Back from the frames into space."""
        return self.elements.transpose(0, 1)[:, part] @ v

    def one_of(self, generator: torch.Generator | None = None) -> "PartFrames":
        """A single frame of each part, drawn at random: cheap steps of training, not exact."""
        parts, frames = self.elements.shape[:2]
        source = generator.device if generator is not None else None
        choice = torch.randint(frames, (parts,), generator=generator, device=source).to(self.elements.device)
        elements = self.elements[torch.arange(parts, device=choice.device), choice].unsqueeze(1)
        return PartFrames(elements, self.shift, self.spread, self.gap, self.size, self.degenerate)


FrameOfParts = Callable[[Tensor, Tensor, int, Tensor | None], PartFrames]
"""What gives frames to parts: points, the part of each, the number of parts, weights of the points or None."""


@dataclass(frozen=True)
class PartPCA:
    r"""The principal axes of every part, with all their signs.

        shift_p = mean_i x_i,    C_p = mean_i (x_i - shift_p)(x_i - shift_p)^T = V diag(variances) V^T
        elements_p = { V diag(signs) }       all 2^d signs for "E", those of determinant one for "SE"

    All parts of all clouds are done at once by sums over the points: O(points d^2 + parts d^3), whatever the number of
    parts. Frames carry no gradient.

    Exact for every part, also where axes are not determined, if the full set of signs is averaged: such axes are zero.
    They are the two axes across points on a line and all three of a single point or an empty part, where points have
    no coordinates anyway, and those of equal variances above zero (a cube, a ring). A network sees of a cube what it
    is given beside coordinates, such as distances from the centre. Parts with equal variances are flagged; "keep"
    leaves them axes that are arbitrary. `tolerance` is where variances count as equal, `TOLERANCE` if None: rounding is
    amplified by 1 / gap.

    Raises PartError for points that are not finite, for part numbers out of range, and with "error" for a degenerate
    part.

    Example:
        >>> x, part = torch.randn(10, 3), torch.tensor([0] * 5 + [1] * 4 + [3])
        >>> frames = PartPCA("SE")(x, part, 4)
        >>> frames.elements.shape, frames.size.tolist()
        (torch.Size([4, 4, 3, 3]), [5, 4, 0, 1])

    Reference: Puny et al., 2022, arXiv:2110.03336, section 3; one frame a part: Atzmon et al., 2024, arXiv:2402.08529.
    """

    group: Literal["E", "SE"] = "SE"
    degenerate: Literal["project", "keep", "error"] = "project"
    tolerance: float | None = None

    def __post_init__(self) -> None:
        if self.group not in ("E", "SE"):
            raise PartError(f"PartPCA: expected group 'E' or 'SE', came {self.group!r}.")
        if self.degenerate not in ("project", "keep", "error"):
            raise PartError(f"PartPCA: expected degenerate 'project', 'keep' or 'error', came {self.degenerate!r}.")

    def __call__(
        self,
        x: Float[Tensor, "node d"],
        part: Int[Tensor, "node"],
        parts: int,
        weight: Float[Tensor, "node"] | None = None,
    ) -> PartFrames:
        """Frames of all parts; with `weight` from 0 to 1, points that belong to a part only so far."""
        check_points(x, part, parts)
        points = x.detach().double()  # small matrices: digits here cost nothing, and 1 / gap takes some
        size, shift, covariance = moments(points, part, parts, weight)
        variances, axes = torch.linalg.eigh(covariance)
        inside = ((points - shift[part]).unsqueeze(-2) @ axes[part]).squeeze(-2)
        reach = segment_max(inside.abs(), part, parts)
        rounding = torch.finfo(x.dtype).eps * torch.maximum(segment_max(points.abs(), part, parts), reach)
        empty = reach <= 30 * rounding.amax(-1, keepdim=True)
        steps = relative_steps(variances, empty)
        gap = smallest(steps)
        tolerance = TOLERANCE[x.dtype] if self.tolerance is None else self.tolerance
        degenerate = gap < tolerance
        if self.degenerate == "error" and bool(degenerate.any()):
            worst = int(gap.argmin())
            raise PartError(
                f"PartPCA: part {worst} has two equal variances (relative gap {float(gap[worst]):.1e}, tolerance "
                f"{tolerance:g}), so its axes are not determined. Take degenerate='project', or cut the part finer."
            )
        loose = empty & (empty.sum(-1, keepdim=True) > 1)
        if self.degenerate == "project":
            close = steps < tolerance
            loose = loose | functional.pad(close, (0, 1)) | functional.pad(close, (1, 0))
        elements = with_signs(axes, special=self.group == "SE") * ~loose[:, None, None, :]
        # from coordinates, because a root of small variances loses half their digits; loose axes share theirs
        square = weighted_mean(inside.square(), part, parts, weight)
        shared = (square * loose).sum(-1, keepdim=True) / loose.sum(-1, keepdim=True).clamp(min=1)
        spread = torch.where(loose, shared, square).sqrt()
        elements, shift, spread, gap = (each.to(x.dtype) for each in (elements, shift, spread, gap))
        return PartFrames(elements, shift, spread, gap, size, degenerate)


@dataclass(frozen=True)
class Upright:
    """The axes of space for every part, moved to its centre: commutes with shifts of each part and nothing more.

    What a network without frames sees; the negative control and the baseline of `PartPCA`.

    Example:
        >>> Upright()(torch.randn(4, 3), torch.zeros(4, dtype=torch.int64), 1).elements.shape
        torch.Size([1, 1, 3, 3])
    """

    def __call__(
        self,
        x: Float[Tensor, "node d"],
        part: Int[Tensor, "node"],
        parts: int,
        weight: Float[Tensor, "node"] | None = None,
    ) -> PartFrames:
        """Unit matrices and centres."""
        check_points(x, part, parts)
        size, shift, covariance = moments(x.detach(), part, parts, weight)
        spread = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
        unit = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device).expand(parts, 1, -1, -1)
        return PartFrames(unit, shift, spread, x.new_full((parts,), math.inf), size, torch.zeros_like(size).bool())


def moments(
    x: Float[Tensor, "node d"], part: Int[Tensor, "node"], parts: int, weight: Float[Tensor, "node"] | None = None
) -> tuple[Int[Tensor, "part"], Float[Tensor, "part d"], Float[Tensor, "part d d"]]:
    """Number of points, mean and covariance of every part; zeros for an empty one, or one without weight."""
    mean = weighted_mean(x, part, parts, weight)
    apart = x - mean[part]
    covariance = weighted_mean(apart.unsqueeze(-1) * apart.unsqueeze(-2), part, parts, weight)
    return torch.bincount(part, minlength=parts), mean, covariance


def weighted_mean(
    x: Float[Tensor, "node *rest"], part: Int[Tensor, "node"], parts: int, weight: Float[Tensor, "node"] | None
) -> Float[Tensor, "part *rest"]:
    """Mean over the points of each part as far as they belong to it; zero for a part without weight."""
    if weight is None:
        return segment_mean(x, part, parts)
    weight = weight.detach().to(x.dtype).reshape(-1, *[1] * (x.dim() - 1))
    total = segment_sum(weight, part, parts)
    return segment_sum(weight * x, part, parts) / torch.where(total > 0, total, 1.0)
