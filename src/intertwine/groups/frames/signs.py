"""Which way an axis points: reflections (+-1)^q flip the last axis of coordinates; adds the rules that choose."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

SignName = Literal["third_moment", "max_abs", "average"]


@dataclass(frozen=True)
class Signs:
    """One choice of signs for every axis, or all of them.

    Example:
        >>> signs = third_moment(torch.tensor([[-2.0], [1.0], [1.0]]))
        >>> signs.values, round(float(signs.margin), 2)
        (tensor([[-1.]]), 0.6)
    """

    values: Float[Tensor, "*batch choice q"]
    """+1 or -1."""
    margin: Float[Tensor, "*batch"]
    """How far the least decided axis is from a tie, 0 to 1; 1 where nothing has to be decided. Below about 1e-3 a small
    change of the points may flip an axis."""


SignRule = Callable[[Float[Tensor, "*batch point q"], Bool[Tensor, "*batch point"] | None], Signs]


def third_moment(z: Float[Tensor, "*batch point q"], mask: Bool[Tensor, "*batch point"] | None = None) -> Signs:
    """The heavy tail of every axis points up: sum_i z_i^3 > 0.

    An odd statistic that no order of the points changes. Zero on shapes with a mirror plane: see `Signs.margin`.
    """
    z = _real(z, mask)
    cubes = z**3
    return _decided(cubes.sum(-2), cubes.abs().sum(-2), z)


def max_abs(z: Float[Tensor, "*batch point q"], mask: Bool[Tensor, "*batch point"] | None = None) -> Signs:
    """The point farthest out on every axis lies on its positive side: max_i z_i > max_i -z_i.

    Decided by two points, so noise flips it sooner than `third_moment`.

    Example:
        >>> max_abs(torch.tensor([[-2.0], [1.0], [1.0]])).values
        tensor([[-1.]])
    """
    z = _real(z, mask)
    up, down = z.amax(-2), -z.amin(-2)
    return _decided(up - down, torch.maximum(up, down), z)


def average(z: Float[Tensor, "*batch point q"], mask: Bool[Tensor, "*batch point"] | None = None) -> Signs:
    """All 2^q choices, to average over: nothing is decided, so nothing can flip.

    Example:
        >>> average(torch.randn(5, 3)).values.shape
        torch.Size([8, 3])
    """
    choices = torch.tensor(list(product((1.0, -1.0), repeat=z.shape[-1])), dtype=z.dtype, device=z.device)
    batch = z.shape[:-2]
    return Signs(choices.expand(*batch, *choices.shape), torch.ones(batch, dtype=z.dtype, device=z.device))


SIGN_RULES: Mapping[SignName, SignRule] = {"third_moment": third_moment, "max_abs": max_abs, "average": average}


def _real(z: Tensor, mask: Tensor | None) -> Tensor:
    return z if mask is None else torch.where(mask.unsqueeze(-1), z, 0.0)


def _decided(statistic: Tensor, largest: Tensor, z: Tensor) -> Signs:
    """Signs of an odd statistic, and its size over the largest it can be, on axes that the points reach at all."""
    reach = z.detach().abs().amax(-2)
    flat = reach <= 100 * torch.finfo(z.dtype).eps * reach.amax(-1, keepdim=True)
    share = statistic.abs() / torch.where(flat, 1.0, largest)
    margin = torch.where(flat, 1.0, share).amin(-1)
    return Signs(torch.where(statistic < 0, -1.0, 1.0).to(z.dtype).unsqueeze(-2), margin.detach())
