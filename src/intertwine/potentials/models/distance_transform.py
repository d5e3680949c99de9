"""Distances in units of the atoms that meet, before a radial basis sees them; invariant, no group acts here."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

TransformName = Literal["agnesi", "soft"]


class Agnesi(nn.Module):
    r"""A bell over the distance: near one for atoms that touch, near zero far away.

        seen = 1 / (1 + a t^q / (1 + t^(q - p))),        t = r / r0,  r0: mean of the two covalent radii

    Args:
        radii: covalent radius of every species, Angstrom.

    Shapes: r `edge` in Angstrom, elements of the two ends `edge`, result `edge`.

    Example:
        >>> transform = Agnesi([0.31, 0.66])
        >>> near, far = transform(torch.tensor([0.3, 3.0]), torch.tensor([0, 0]), torch.tensor([1, 1]))
        >>> bool(near > 0.8 > 0.2 > far)
        True

    Reference: Witt et al., 2023, J. Chem. Phys. 159, 164101, section on radial transformations.
    """

    def __init__(self, radii: Sequence[float]):
        super().__init__()
        self.radii = nn.Parameter(torch.tensor(radii), requires_grad=False)
        self.a, self.q, self.p = (nn.Parameter(torch.tensor(each)) for each in (1.0805, 0.9183, 4.5791))

    def forward(
        self, r: Float[Tensor, "edge"], one: Int[Tensor, "edge"], two: Int[Tensor, "edge"]
    ) -> Float[Tensor, "edge"]:
        """Transform."""
        t = 2 * r / (self.radii.index_select(0, one) + self.radii.index_select(0, two))
        return 1 / (1 + self.a * t**self.q / (1 + t ** (self.q - self.p)))


class Soft(nn.Module):
    r"""The distance itself, but for atoms nearer than a bond, which all look alike.

        seen = near + (r - near) (1 + tanh( alpha (r - middle) / (far - near) )) / 2
        near = 3/4 r0,  far = 4/3 r0,  middle = (near + far) / 2,      r0: sum of the two covalent radii

    Args:
        radii: covalent radius of every species, Angstrom.

    Shapes: r `edge` in Angstrom, elements of the two ends `edge`, result `edge`.

    Example:
        >>> transform = Soft([0.31, 0.66])
        >>> near, far = transform(torch.tensor([0.1, 3.0]), torch.tensor([0, 0]), torch.tensor([1, 1]))
        >>> round(float(near), 2), round(float(far), 2)
        (0.73, 3.0)
    """

    def __init__(self, radii: Sequence[float]):
        super().__init__()
        self.radii = nn.Parameter(torch.tensor(radii), requires_grad=False)
        self.alpha = nn.Parameter(torch.tensor(4.0))

    def forward(
        self, r: Float[Tensor, "edge"], one: Int[Tensor, "edge"], two: Int[Tensor, "edge"]
    ) -> Float[Tensor, "edge"]:
        """Transform."""
        r0 = self.radii.index_select(0, one) + self.radii.index_select(0, two)
        near, far = 3 / 4 * r0, 4 / 3 * r0
        switch = (1 + torch.tanh(self.alpha * (r - (near + far) / 2) / (far - near))) / 2
        return near + (r - near) * switch


TRANSFORMS: dict[TransformName, type[nn.Module]] = {"agnesi": Agnesi, "soft": Soft}
"""By the names that hyperparameters use."""
