"""Tasks whose symmetries are known: inertia, cosines, bodies in motion; O(3) and scalings act on `dim`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from intertwine.experiments.soft_equivariance import mocap
from intertwine.groups.classical import O
from intertwine.groups.group import Group
from intertwine.groups.linear import Scaling, Similarity
from intertwine.groups.subgroup import FixedAxis
from intertwine.learning.stacked_training import Samples

AXES: Mapping[str, Group] = {f"O(2) about {name}": FixedAxis(3, axis) for axis, name in enumerate("xyz")}
TURN_OR_SCALE: Mapping[str, Group] = {"O(3)": O(3), "scaling": Scaling(3)}
POINTS = 5


@dataclass(frozen=True)
class Task:
    """A regression with candidate groups, of which some are symmetries."""

    name: str
    orders: tuple[tuple[int, ...], tuple[int, ...]]
    """Of the tensors that come in and go out."""
    channels: tuple[int, int]
    container: Group
    candidates: Mapping[str, Group]
    true: tuple[str, ...]
    """Candidates that are symmetries."""
    train: Samples
    valid: Samples
    test: Samples


def inertia(axis: int, strength: float, *, seeds: int, samples: int, generator: torch.Generator) -> Task:
    r"""Inertia of five point masses with one entry too large: O(2) about an axis holds, O(3) only up to `strength`.

        y = I + strength (e^T I e) e e^T,      I = sum m (|r|^2 - r r^T)

    Reference: Kim, Lee, Yang, Lee, 2023, arXiv:2306.00356, section 5.1; inputs standard normal, masses softplus of it.
    """
    name = "xyz"[axis]
    e = torch.eye(3)[axis]

    def draw(count: int) -> Samples:
        m = torch.nn.functional.softplus(torch.randn(seeds, count, POINTS, generator=generator))
        r = torch.randn(seeds, count, 3, POINTS, generator=generator)
        whole = (m * r.square().sum(-2)).sum(-1)[..., None, None] * torch.eye(3)
        whole = whole - torch.einsum("snk,snik,snjk->snij", m, r, r)
        y = whole + strength * (whole @ e)[..., axis, None, None] * torch.outer(e, e)
        return Samples(torch.cat([m[..., None, :], r], -2), y.flatten(-2)[..., None])

    parts = _unit([draw(samples), draw(samples), draw(samples)])
    return Task(
        f"inertia {name} {strength:g}", ((0, 1), (2,)), (POINTS, 1), O(3), AXES, (f"O(2) about {name}",), *parts
    )


def cosines(keeps: tuple[str, ...], strength: float, *, seeds: int, samples: int, generator: torch.Generator) -> Task:
    r"""Mean cosine of consecutive vectors, minus something that breaks what is not to be kept.

        y = mean cos(r_i, r_i+1)  -  strength * mean |r|  -  strength * sum |x| / sum |y|

    The second term breaks scaling, the third, a ratio of coordinates, breaks O(3).

    Reference: Kim, Lee, Yang, Lee, 2023, arXiv:2306.00356, section 5.2.
    """

    def draw(count: int) -> Samples:
        r = torch.randn(seeds, count, 3, POINTS, generator=generator)
        r = r * torch.exp(0.5 * torch.randn(seeds, count, 1, 1, generator=generator))
        length = r.norm(dim=-2)
        y = ((r[..., 1:] * r[..., :-1]).sum(-2) / (length[..., 1:] * length[..., :-1])).mean(-1)
        if "scaling" not in keeps:
            y = y - strength * length.mean(-1)
        if "O(3)" not in keeps:
            y = y - strength * r[..., 0, :].abs().sum(-1) / r[..., 1, :].abs().sum(-1).clamp(min=0.1 * length.sum(-1))
        return Samples(r, y[..., None, None])

    parts = _unit([draw(samples), draw(samples), draw(samples)])
    name = f"cosines, kept: {' and '.join(keeps) or 'nothing'}"
    return Task(name, ((1,), (0,)), (POINTS, 1), Similarity(3), TURN_OR_SCALE, keeps, *parts)


def bodies(data: Path | None, *, seeds: int, samples: int, generator: torch.Generator) -> Task:
    """Where the joints of a moving body are a third of a second later; gravity points along -y.

    Recorded bodies from a folder, split by recording; thrown points take their place without one.
    """
    sets = mocap.windows(data, seeds=seeds, samples=samples, generator=generator)
    parts = _unit([Samples(x, y) for x, y in sets])
    channels = parts[0].x.shape[-1], parts[0].y.shape[-1]
    name = "thrown points" if data is None else "bodies"
    return Task(name, ((1,), (1,)), channels, O(3), AXES, ("O(2) about y",), *parts)


def _unit(parts: list[Samples]) -> tuple[Samples, Samples, Samples]:
    """Targets of mean square one over the training set: one factor for all, which every group allows."""
    size = parts[0].y.square().mean().sqrt()
    train, valid, test = (Samples(each.x, each.y / size) for each in parts)
    return train, valid, test
