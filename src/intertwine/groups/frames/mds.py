"""One coordinate system for every cloud, that of classical scaling, for O(d), SO(d), E(d), SE(d) acting on points."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from intertwine.groups.frames.frame import Frame, FrameError, full_precision
from intertwine.groups.frames.pca import PCAFrame
from intertwine.groups.frames.signs import SIGN_RULES, SignName


@dataclass(frozen=True)
class MDSFrame:
    r"""Principal axes with signs from an odd statistic: a frame of one element, so that one net pass is enough.

        z = (x - shift) V diag(sign),        sign by `signs.third_moment`, `signs.max_abs` or "average"

    z are the coordinates of classical multidimensional scaling of the distances (`nn.InvariantEmbedding`), here with
    the way back, so that outputs may be equivariant. SO and SE let the axis of least extent give way to a determinant
    of +1. "average" has all signs, which is `PCAFrame`.

    It jumps where a sign statistic crosses zero or eigenvalues cross. Where signs are undecided (a mirror plane, a
    centre) or eigenvalues repeat, `exact` is False.

    Args:
        group: "O", "SO", "E" or "SE".
        detach: axes are constants for autograd, the mean is not.

    Shapes: x `*batch point d`, mask `*batch point`, elements `*batch 1 d d`.

    Raises:
        FrameError: as `PCAFrame`.

    Example:
        >>> x = torch.randn(10, 3)
        >>> frame = MDSFrame("SE")(x)
        >>> frame.invert(x).pow(3).sum((0, 1))[1:] > 0
        tensor([True, True])

    Reference: Zhang et al., 2021, arXiv:2112.12345; the correspondence with frames is ours.
    """

    group: Literal["O", "SO", "E", "SE"] = "O"
    sign: SignName = "third_moment"
    detach: bool = True

    def __post_init__(self) -> None:
        if self.group not in ("O", "SO", "E", "SE"):
            raise FrameError(f'MDSFrame: expected group "O", "SO", "E" or "SE", came {self.group!r}.')
        if self.sign not in SIGN_RULES:
            raise FrameError(f"MDSFrame: expected sign of {', '.join(SIGN_RULES)}, came {self.sign!r}.")

    def __call__(self, x: Float[Tensor, "*batch point d"], mask: Bool[Tensor, "*batch point"] | None = None) -> Frame:
        """The frame of every cloud."""
        frame = PCAFrame(self.group, "perturb", detach=self.detach)(x, mask)
        if self.sign == "average":
            return frame
        one = frame.pick(torch.zeros_like(frame.gap, dtype=torch.long))
        with full_precision(one.elements):
            z = one.invert(x)[..., 0, :, :].detach()
            special = self.group in ("SO", "SE")
            # the axis of least extent comes first: with determinant +1 its sign follows from the others
            signs = SIGN_RULES[self.sign](z[..., 1:] if special else z, mask)
            values = signs.values
            if special:
                values = torch.cat([values.prod(-1, keepdim=True), values], -1)
            elements = one.elements * values[..., None, :]
        decided = signs.margin > 100 * torch.finfo(x.dtype).eps
        return replace(one, elements=elements, exact=one.exact & decided)
