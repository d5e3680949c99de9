"""A few elements of a group for every input, which move along with it; the group acts on the points of the input."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from intertwine.groups.euclidean import SE, E, homogeneous
from intertwine.groups.finite import Permutation
from intertwine.groups.group import Group


class FrameError(ValueError):
    """No frame can be made of this input: the line names what is wrong with it."""


class DegenerateFrame(FrameError):
    """The axes of an input are not determined by it: two eigenvalues agree, and the policy was to refuse."""


@dataclass(frozen=True)
class Frame:
    r"""Elements of O(d), SO(d), E(d) or SE(d) with weights, chosen by an input x: the value of a frame function.

        F(x) = { g_k },    g_k z = elements_k z + shift,    F(g x) = g F(x) as sets with weights

    A frame function is any callable `(x, mask=None) -> Frame`; with the last property, averaging any map over F(x)
    commutes with the group exactly. The columns of an element are the axes of one coordinate system.

    Attributes:
        elements: orthogonal matrices; for the symmetric group S_n permutation matrices, with d = n.
        shift: origin of the coordinate systems, zero for groups that keep the origin.
        weights: how much each element counts, sum 1. Elements of weight 0 fill up smaller sets.
        gap: smallest difference of two non-zero eigenvalues over the largest one; infinite where there is no pair.
        degenerate: where the gap is within the tolerance, so that the policy of the frame function was applied.
        exact: where F(g x) = g F(x) holds to rounding. Where not, the elements rest on an arbitrary choice.

    Example:
        >>> from intertwine.groups.frames.pca import PCAFrame
        >>> x = torch.randn(10, 50, 3)
        >>> frame = PCAFrame("E")(x)
        >>> z = frame.invert(x)
        >>> z.shape, torch.allclose(frame.apply(z)[:, 3], x, atol=1e-5)
        (torch.Size([10, 8, 50, 3]), True)

    Reference: Puny et al., 2022, arXiv:2110.03336, definition 1.
    """

    elements: Float[Tensor, "*batch frame d d"]
    shift: Float[Tensor, "*batch d"]
    weights: Float[Tensor, "*batch frame"]
    gap: Float[Tensor, "*batch"]
    degenerate: Bool[Tensor, "*batch"]
    exact: Bool[Tensor, "*batch"]

    def invert(self, x: Float[Tensor, "*batch point d"]) -> Float[Tensor, "*batch frame point d"]:
        """Coordinates of the points in every system: g_k^-1 x = (x - shift) elements_k, at least in float32."""
        with full_precision(self.elements):
            centred = x.to(self.elements.dtype) - self.shift[..., None, :]
            return centred[..., None, :, :] @ self.elements

    def apply(self, z: Float[Tensor, "*batch frame point d"]) -> Float[Tensor, "*batch frame point d"]:
        """Points back from every system: g_k z = z elements_k^T + shift."""
        with full_precision(self.elements):
            return z.to(self.elements.dtype) @ self.elements.mT + self.shift[..., None, None, :]

    def members(self, group: Group) -> Tensor:
        """The elements as `group` writes its own, `[*batch, frame, *element_shape]`: motions for E and SE, places for
        permutations, matrices for all others.

        Example:
            >>> from intertwine.groups.frames.pca import PCAFrame
            >>> PCAFrame("E")(torch.randn(5, 3)).members(E(3)).shape
            torch.Size([8, 4, 4])
        """
        if isinstance(group, E | SE):
            shift = self.shift[..., None, :].expand(self.elements.shape[:-1])
            return homogeneous(self.elements, shift)
        if isinstance(group, Permutation):
            return self.elements.argmax(-2)
        return self.elements

    def pick(self, index: Tensor) -> "Frame":
        """The frame with only the element `index`, an integer `[*batch]`, at weight 1.

        Example:
            >>> from intertwine.groups.frames.pca import PCAFrame
            >>> PCAFrame("O")(torch.randn(2, 5, 3)).pick(torch.tensor([0, 7])).elements.shape
            torch.Size([2, 1, 3, 3])
        """
        d = self.elements.shape[-1]
        elements = self.elements.gather(-3, index[..., None, None, None].expand(*index.shape, 1, d, d))
        weights = torch.ones_like(self.weights[..., :1])
        return Frame(elements, self.shift, weights, self.gap, self.degenerate, self.exact)

    def check(self) -> None:
        """Raise FrameError where elements are not orthogonal or weights do not sum to one; a test of new frames."""
        d = self.elements.shape[-1]
        unit = torch.eye(d, dtype=self.elements.dtype, device=self.elements.device)
        bound = 1e3 * torch.finfo(self.elements.dtype).eps
        error = (self.elements.mT @ self.elements - unit).abs().amax() if self.elements.numel() else unit.new_zeros(())
        if not error <= bound:
            raise FrameError(f"Frame: expected orthogonal elements, came an error of {float(error):.1e}.")
        error = (self.weights.sum(-1) - 1).abs().amax() if self.weights.numel() else unit.new_zeros(())
        if not error <= bound:
            raise FrameError(f"Frame: expected weights that sum to one, came an error of {float(error):.1e}.")


def full_precision(x: Tensor) -> torch.autocast:
    """Autocast off: coordinates and axes are computed in the precision they come in."""
    return torch.autocast(x.device.type, enabled=False)


def checked_points(
    name: str, x: Float[Tensor, "*batch point d"], mask: Bool[Tensor, "*batch point"] | None
) -> Float[Tensor, "*batch point d"]:
    """Points in float32 or better with zeros in place of padding.

    Raises FrameError for a wrong shape or type, no points at all, and, outside torch.compile, for coordinates that are
    not finite.

    Example:
        >>> checked_points("PCAFrame", torch.ones(1, 2, 3).half(), torch.tensor([[True, False]]))
        tensor([[[1., 1., 1.],
                 [0., 0., 0.]]])
    """
    if x.dim() < 2 or not x.is_floating_point() or x.shape[-1] < 1:
        raise FrameError(
            f"{name}: expected points [*batch, point, d] of floating type, came {x.dtype} of shape {tuple(x.shape)}."
        )
    if x.shape[-2] == 0:
        raise FrameError(f"{name}: expected at least one point, came shape {tuple(x.shape)}.")
    if mask is not None:
        if mask.dtype != torch.bool or mask.shape != x.shape[:-1]:
            raise FrameError(
                f"{name}: expected a boolean mask of shape {tuple(x.shape[:-1])}, True where a point is real, "
                f"came {mask.dtype} of shape {tuple(mask.shape)}."
            )
        x = x.masked_fill(~mask[..., None], 0.0)
    if not torch.compiler.is_compiling() and not x.isfinite().all():
        where = (~x.isfinite()).nonzero()[0].tolist()
        raise FrameError(f"{name}: expected finite coordinates, came {x[tuple(where)].item()} at index {where}.")
    return x.to(torch.promote_types(x.dtype, torch.float32))
