"""Frames of O(d), SO(d), E(d) and SE(d) from principal axes; the group acts on the points, `[*batch, point, d]`."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from intertwine.groups.frames.anchored import anchored_elements
from intertwine.groups.frames.eigen import symmetric_eigen
from intertwine.groups.frames.frame import DegenerateFrame, Frame, FrameError, checked_points, full_precision
from intertwine.groups.frames.moments import centred, covariance, unit_size

TOLERANCE = {torch.float64: 1e-4, torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 3e-2}
"""Relative gap, by type of the input. Rounding turns eigenvectors by about its size over the gap: above, by less than
1e-12 in float64 and 1e-4 in float32."""
TIE = {torch.float64: 1e-10, torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 3e-2}
"""Relative difference of radii below which two points are equally far out: rounding of moved copies, no more."""
LARGEST_DIMENSION = 8
"""2^d elements are too many beyond."""


@dataclass(frozen=True)
class PCAFrame:
    r"""Principal axes with all choices of signs: 2^d elements for O(d) and E(d), half of them for SO(d) and SE(d).

        C = sum_p (x_p - shift) (x_p - shift)^T = V diag(value) V^T,      elements = { V diag(+-1, ..., +-1) }

    E and SE put the origin at the mean of the points; O and SO keep it. SO and SE keep the elements of determinant +1.

    Axes whose eigenvalue is zero (planar or collinear clouds, one point) carry no coordinates, so their choice does not
    show in invariants and vectors of a net that reads this cloud alone; two or more of them do show in tensors of
    higher rank and beside further inputs. What breaks the frame are *repeated non-zero* eigenvalues (cube, ring,
    square box): any rotation of the axes among them is a basis as good. `degenerate` says what then happens:

    - "average": bases built on the points themselves: the outermost points of the eigenspace, all where several are
      equally far out (see `anchored`). Finite and exact for every cloud whose ties stay within `anchored.LIMIT` bases;
      beyond, an even choice of them, and `exact` is False. The frame is then larger for the whole batch.
    - "perturb": C gets a tenth of sum |x|^2 x x^T, which moves along with the points. Size and cost stay. It separates
      eigenvalues that agree by chance; on clouds that are symmetric themselves it cannot, and `exact` is False.
    - "error": raises DegenerateFrame.

    Under torch.compile sizes cannot depend on values: "average" only flags (`exact` False) and "error" raises
    torch's own assertion.

    Args:
        group: "O", "SO", "E" or "SE".
        tolerance: relative gap up to which two eigenvalues count as one; by the type of x where left out.
        detach: axes are constants for autograd, the mean is not. False gives true gradients of the averaged function,
            kept finite near degeneracy; bases on outermost points stay constants.

    Shapes: x `*batch point d`, mask `*batch point` (True where real), elements `*batch frame d d`.

    Raises:
        FrameError: an unknown option, a wrong shape, no points, coordinates that are not finite.
        DegenerateFrame: with "error", a repeated non-zero eigenvalue.

    Example:
        >>> x = torch.randn(4, 20, 3)
        >>> frame = PCAFrame("SO")(x)
        >>> frame.elements.shape, torch.linalg.det(frame.elements[0]).round()
        (torch.Size([4, 4, 3, 3]), tensor([1., 1., 1., 1.]))
        >>> cube = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)
        >>> frame = PCAFrame("O")(cube)
        >>> frame.elements.shape, bool(frame.degenerate), bool(frame.exact)
        (torch.Size([48, 3, 3]), True, True)

    Reference: Puny et al., 2022, arXiv:2110.03336, section 3.1.
    """

    group: Literal["O", "SO", "E", "SE"] = "O"
    degenerate: Literal["average", "perturb", "error"] = "average"
    tolerance: float | None = None
    detach: bool = True

    def __post_init__(self) -> None:
        for name, allowed in (("group", ("O", "SO", "E", "SE")), ("degenerate", ("average", "perturb", "error"))):
            if getattr(self, name) not in allowed:
                raise FrameError(f"PCAFrame: expected {name} among {allowed}, came {getattr(self, name)!r}.")
        if self.tolerance is not None and not 0 < self.tolerance < 1:
            raise FrameError(f"PCAFrame: expected a tolerance between 0 and 1, came {self.tolerance}.")

    def __call__(self, x: Float[Tensor, "*batch point d"], mask: Bool[Tensor, "*batch point"] | None = None) -> Frame:
        """The frame of every cloud."""
        points = checked_points("PCAFrame", x, mask)
        if x.shape[-1] > LARGEST_DIMENSION:
            raise FrameError(f"PCAFrame: expected d <= {LARGEST_DIMENSION}, came points of dimension {x.shape[-1]}.")
        special = self.group in ("SO", "SE")
        with full_precision(points):
            if self.group in ("E", "SE"):
                about, shift = centred(points, mask)
            else:
                about, shift = points, torch.zeros_like(points[..., 0, :])
            cloud = unit_size(about.detach() if self.detach else about)
            # far from the origin, rounding of the coordinates is larger beside the extent of the cloud
            extent = about.detach().abs().amax((-2, -1)).clamp_min(torch.finfo(about.dtype).tiny)
            far = (points.detach().abs().amax((-2, -1)) / extent).clamp(1.0, 1e6)
            rounding = far * torch.finfo(x.dtype).eps
            tolerance = far * (TOLERANCE[x.dtype] if self.tolerance is None else self.tolerance)
            matrix = covariance(cloud)
            floor = 10 * torch.finfo(points.dtype).eps
            value, axes = symmetric_eigen(matrix, floor)
            steps = relative_steps(value, empty_axes(cloud, axes, rounding))
            gap = smallest(steps)
            degenerate = gap <= tolerance
            exact = ~degenerate
            static = torch.compiler.is_compiling()
            found = static or bool(degenerate.any())
            if found and self.degenerate == "error":
                self._refuse(gap, degenerate)
            if found and self.degenerate == "perturb":
                nudged = matrix + 0.1 * covariance(cloud, cloud.square().sum(-1, keepdim=True))
                value, axes = symmetric_eigen(torch.where(degenerate[..., None, None], nudged, matrix), floor)
                exact = smallest(relative_steps(value, empty_axes(cloud, axes, rounding))) > tolerance
            elements = with_signs(axes, special)
            weights = elements.new_full(elements.shape[:-2], 1 / elements.shape[-3])
            if found and self.degenerate == "average" and not static:
                joined = steps <= tolerance[..., None]
                elements, weights, exact = anchored_elements(
                    cloud.detach(), axes.detach(), joined, far * TIE[x.dtype], elements, special
                )
        if mask is not None:  # a cloud without points says nothing about where it is
            degenerate, exact = degenerate | ~mask.any(-1), exact & mask.any(-1)
        return Frame(elements, shift, weights, gap, degenerate, exact)

    def _refuse(self, gap: Tensor, degenerate: Tensor) -> None:
        if torch.compiler.is_compiling():
            torch._assert_async(~degenerate.any(), "PCAFrame: repeated non-zero eigenvalues")
            return
        where = degenerate.nonzero()[0].tolist()
        raise DegenerateFrame(
            f"PCAFrame: expected principal axes that differ, came a relative gap of {float(gap[tuple(where)]):.1e} "
            f"between non-zero eigenvalues, at batch index {where}: the cloud is symmetric, like a cube or a ring. "
            f'Try degenerate="average".'
        )


def empty_axes(
    cloud: Float[Tensor, "*batch point d"], axes: Float[Tensor, "*batch d d"], rounding: Float[Tensor, "*batch"]
) -> Bool[Tensor, "*batch d"]:
    """Axes along which every coordinate is rounding: judged by coordinates, finer than an eigenvalue can tell."""
    return (cloud.detach() @ axes.detach()).abs().amax(-2) <= 30 * rounding[..., None]


def relative_steps(value: Float[Tensor, "*batch d"], empty: Bool[Tensor, "*batch d"]) -> Float[Tensor, "*batch pairs"]:
    """Differences of neighbouring eigenvalues over the largest; infinite beside an empty axis. A constant for autograd.

    Example:
        >>> relative_steps(torch.tensor([0.0, 0.25, 0.75]), torch.tensor([True, False, False])).round(decimals=3)
        tensor([   inf, 0.6670])
    """
    value = value.detach()
    largest = value[..., -1:].clamp_min(torch.finfo(value.dtype).tiny)
    return (value.diff(dim=-1).abs() / largest).masked_fill(empty[..., :-1] | empty[..., 1:], torch.inf)


def smallest(steps: Float[Tensor, "*batch pairs"]) -> Float[Tensor, "*batch"]:
    """The smallest step, infinite where there is none."""
    return torch.nn.functional.pad(steps, (0, 1), value=torch.inf).amin(-1)


def with_signs(axes: Float[Tensor, "*batch d d"], special: bool) -> Float[Tensor, "*batch frame d d"]:
    """The axes with all signs, or for `special` those of determinant +1.

    Example:
        >>> with_signs(torch.eye(2), special=True)
        tensor([[[ 1.,  0.],
                 [ 0.,  1.]],
        <BLANKLINE>
                [[-1., -0.],
                 [-0., -1.]]])
    """
    d = axes.shape[-1]
    free = d - 1 if special else d
    bits = torch.arange(2**free, device=axes.device)[:, None] >> torch.arange(free, device=axes.device) & 1
    signs = (1 - 2 * bits).to(axes.dtype)
    if special:  # an even number of flips, after one that makes the determinant positive
        signs = torch.cat([signs, signs.prod(-1, keepdim=True)], -1)
        flip = torch.linalg.det(axes.detach()).sign()[..., None, None]
        axes = torch.cat([axes[..., :1] * flip, axes[..., 1:]], -1)
    return axes[..., None, :, :] * signs[:, None, :]
