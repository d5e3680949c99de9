"""Random positions of clouds, for augmentation and for tests: SO(3), or the turns about z, act on points."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.groups.haar import haar_special_orthogonal

Turns = Literal["I", "z", "SO(3)"]
"""As in the literature on rotated clouds: none, about the vertical axis, all."""


def random_turns(
    turns: Turns, count: int, *, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
) -> Float[Tensor, "count 3 3"]:
    """Uniform rotation matrices of a kind.

    Example:
        >>> random_turns("z", 2)[:, 2]
        tensor([[0., 0., 1.],
                [0., 0., 1.]])
    """
    dtype = dtype or torch.get_default_dtype()
    if turns == "SO(3)":
        return haar_special_orthogonal(3, count, generator=generator, dtype=dtype)
    result = torch.eye(3, dtype=dtype).repeat(count, 1, 1)
    if turns == "z":
        angle = (2 * math.pi * torch.rand(count, generator=generator, dtype=torch.float64)).to(dtype)
        result[:, 0, 0] = result[:, 1, 1] = angle.cos()
        result[:, 1, 0] = angle.sin()
        result[:, 0, 1] = -angle.sin()
    return result


def turned(
    x: Float[Tensor, "cloud point 3"], turns: Turns, *, generator: torch.Generator | None = None
) -> Float[Tensor, "cloud point 3"]:
    """Every cloud turned by a rotation of its own.

    Example:
        >>> x = torch.randn(5, 10, 3)
        >>> torch.allclose(turned(x, "SO(3)").norm(dim=-1), x.norm(dim=-1), atol=1e-5)
        True
    """
    rotations = random_turns(turns, len(x), generator=generator, dtype=x.dtype).to(x.device)
    return x @ rotations.mT


def jittered(
    x: Float[Tensor, "cloud point 3"], size: float, *, generator: torch.Generator | None = None
) -> Float[Tensor, "cloud point 3"]:
    """Every coordinate moved by a Gaussian number of this standard deviation.

    Example:
        >>> x = torch.zeros(1, 1000, 3)
        >>> round(float(jittered(x, 0.1).std()), 1)
        0.1
    """
    return x + size * torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
