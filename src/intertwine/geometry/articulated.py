"""Bodies of rigid links on joints, made by a formula: SE(3) moves every link; adds their poses and clouds of points."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from intertwine.groups.actions import Points
from intertwine.groups.euclidean import SE, homogeneous
from intertwine.groups.frames.segments import number_parts, segment_mean
from intertwine.groups.haar import standard_normal
from intertwine.groups.piecewise import Piecewise


@dataclass(frozen=True)
class Clouds:
    """Clouds of points whose rigid parts are known."""

    points: Float[Tensor, "cloud point 3"]
    part: Int[Tensor, "cloud point"]
    """Which rigid part a point is on; what moves as one has one number."""
    label: Int[Tensor, "cloud point"]
    """What the part is, to be told from its shape. Several parts may be of a kind."""
    subject: Int[Tensor, "cloud"]
    """Whose body it is, or a zero."""

    def __len__(self) -> int:
        return len(self.points)

    def take(self, index: Int[Tensor, "chosen"]) -> "Clouds":
        """Some of the clouds."""
        return Clouds(self.points[index], self.part[index], self.label[index], self.subject[index])

    def to(self, *args: Any, **kwargs: Any) -> "Clouds":
        """On another device, as of `Tensor.to`."""
        parts = (self.points, self.part, self.label, self.subject)
        return Clouds(*(each.to(*args, **kwargs) for each in parts))

    def moved(self, g: Float[Tensor, "part 4 4"]) -> "Clouds":
        """Every part of every cloud moved by an element of SE(3) or E(3) of its own."""
        action = Piecewise(Points(SE(3)), self.part, len(g))
        return replace(self, points=action.act(g, self.points))


def scattered(
    clouds: Clouds, *, angle: float, shift: float, still: int | None = None, generator: torch.Generator
) -> tuple[Clouds, Float[Tensor, "cloud point 3 3"]]:
    """Every part of every cloud turned about its own centre by up to `angle`, and shifted by about `shift`.

    Also returns how each point was turned. The part `still`, such as a floor, stays where it is.

    Example:
        >>> draw = torch.Generator().manual_seed(0)
        >>> clouds = mannequins(proportions(MANNEQUIN, 3, 0.1, generator=draw), points=64, angle=0.3, generator=draw)
        >>> torch.equal(scattered(clouds, angle=1.0, shift=0.1, generator=draw)[0].part, clouds.part)
        True
    """
    parts = int(clouds.part.max()) + 1
    turn = turns(len(clouds), parts, angle=angle, generator=generator)
    move = shift * torch.randn(len(clouds), parts, 3, generator=generator)
    if still is not None:
        turn[:, still], move[:, still] = torch.eye(3, dtype=turn.dtype), 0.0
    number, count = number_parts(clouds.part, parts)
    centre = segment_mean(clouds.points.flatten(0, 1), number, count)[number].unflatten(0, clouds.part.shape)
    of_point = turn.to(clouds.points.dtype).flatten(0, 1)[number].unflatten(0, clouds.part.shape)
    step = move.to(clouds.points.dtype).flatten(0, 1)[number].unflatten(0, clouds.part.shape)
    turned = (of_point @ (clouds.points - centre).unsqueeze(-1)).squeeze(-1) + centre + step
    return replace(clouds, points=turned), of_point


@dataclass(frozen=True)
class Skeleton:
    """Links of a body, parents first.

    A link is a box, or a capsule along its third axis, about its own centre. Joints are given in half-sizes, so that
    bodies of other proportions hang together.
    """

    names: tuple[str, ...]
    capsule: tuple[bool, ...]
    half_sizes: tuple[tuple[float, float, float], ...]
    """In metres. A capsule has its radius twice, then half its whole length."""
    parents: tuple[int, ...]
    """-1 for the root."""
    at_parent: tuple[tuple[float, float, float], ...]
    """Joint in half-sizes of the parent."""
    at_link: tuple[tuple[float, float, float], ...]
    """The same joint in half-sizes of the link."""
    hangs: tuple[bool, ...]
    """Links that point down at rest."""

    def __len__(self) -> int:
        return len(self.names)


MANNEQUIN = Skeleton(
    names=("torso", "head", "upper arm", "forearm", "thigh", "shin"),
    capsule=(False, True, True, False, True, False),
    half_sizes=(
        (0.20, 0.12, 0.28),
        (0.12, 0.12, 0.15),
        (0.07, 0.07, 0.18),
        (0.06, 0.03, 0.16),
        (0.10, 0.10, 0.22),
        (0.05, 0.10, 0.20),
    ),
    parents=(-1, 0, 0, 2, 0, 4),
    at_parent=(
        (0.0, 0.0, 0.0),
        (0.0, 0.0, 1.35),
        (1.9, 0.0, 0.85),
        (0.0, 0.0, 1.6),
        (0.5, 0.0, -1.35),
        (0.0, 0.0, 1.6),
    ),
    at_link=((0.0, 0.0, 0.0), *((0.0, 0.0, -1.6),) * 5),
    hangs=(False, False, True, False, True, False),
)
"""Torso, head, an arm and a leg, with a gap at every joint as in a puppet on strings; every link has a shape of its
own, so that it can be told wherever it is."""


def proportions(
    skeleton: Skeleton, count: int, spread: float, *, generator: torch.Generator
) -> Float[Tensor, "body link 3"]:
    """Half-sizes of random bodies: each size times exp(spread z), z normal; a capsule stays round.

    Example:
        >>> proportions(MANNEQUIN, 2, 0.1, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([2, 6, 3])
    """
    base = torch.tensor(skeleton.half_sizes)
    factor = (spread * standard_normal(count, len(skeleton), 3, generator=generator)).exp().float()
    rounded = torch.cat([factor[..., :1], factor[..., :1], factor[..., 2:]], -1)
    return base * torch.where(torch.tensor(skeleton.capsule)[:, None], rounded, factor)


def turns(*shape: int, angle: float, generator: torch.Generator) -> Float[Tensor, "*shape 3 3"]:
    """Rotations in float64 by up to `angle` radians, evenly, about axes that are uniform on the sphere.

    Example:
        >>> q = turns(4, angle=0.1, generator=torch.Generator().manual_seed(0))
        >>> bool((q.diagonal(dim1=-2, dim2=-1).sum(-1) > 2.98).all())
        True
    """
    axis = standard_normal(*shape, 3, generator=generator)
    axis = axis / axis.norm(dim=-1, keepdim=True)
    size = angle * torch.rand(*shape, 1, generator=generator, dtype=torch.float64)
    x, y, z = (size * axis).unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    return torch.linalg.matrix_exp(skew)


def pose(
    skeleton: Skeleton, half_sizes: Float[Tensor, "body link 3"], joints: Float[Tensor, "body link 3 3"]
) -> Float[Tensor, "body link 4 4"]:
    r"""Where every link is, from how every joint is turned: g_link = g_parent (joint) turn (joint)^-1.

    Example:
        >>> size = proportions(MANNEQUIN, 2, 0.0, generator=torch.Generator())
        >>> pose(MANNEQUIN, size, torch.eye(3).expand(2, 6, 3, 3)).shape
        torch.Size([2, 6, 4, 4])
    """
    motions: list[Tensor] = []
    for link, parent in enumerate(skeleton.parents):
        out = torch.tensor(skeleton.at_link[link], dtype=half_sizes.dtype) * half_sizes[:, link]
        local = homogeneous(joints[:, link], -(joints[:, link] @ out.unsqueeze(-1)).squeeze(-1))
        if parent < 0:
            motions.append(local)
            continue
        joint = torch.tensor(skeleton.at_parent[link], dtype=half_sizes.dtype) * half_sizes[:, parent]
        step = homogeneous(torch.eye(3, dtype=joint.dtype).expand(len(joint), 3, 3), joint)
        motions.append(motions[parent] @ step @ local)
    return torch.stack(motions, 1)


def surface(
    half_sizes: Float[Tensor, "*batch 3"], capsule: Bool[Tensor, "*batch"], *, generator: torch.Generator
) -> Float[Tensor, "*batch 3"]:
    """A uniform point on the surface of a box, or of a capsule along the third axis, for every row."""
    shape = half_sizes.shape[:-1]
    u = 2 * torch.rand(*shape, 3, generator=generator) - 1
    faces = torch.stack([half_sizes[..., 1] * half_sizes[..., 2], half_sizes[..., 0] * half_sizes[..., 2],
                         half_sizes[..., 0] * half_sizes[..., 1]], -1)  # fmt: skip
    axis = _choose(faces, generator)
    sign = torch.where(torch.rand(shape, generator=generator) < 0.5, -1.0, 1.0)
    on_box = torch.where(torch.nn.functional.one_hot(axis, 3).bool(), sign.unsqueeze(-1), u) * half_sizes

    radius, straight = half_sizes[..., 0], (half_sizes[..., 2] - half_sizes[..., 0]).clamp(min=0)
    ball = standard_normal(*shape, 3, generator=generator).float()
    ball = ball / ball.norm(dim=-1, keepdim=True)
    on_side = torch.rand(shape, generator=generator) * (straight + radius) < straight
    around = ball[..., :2] / ball[..., :2].norm(dim=-1, keepdim=True)
    height = torch.where(on_side, u[..., 2] * straight, ball[..., 2] * radius + straight * ball[..., 2].sign())
    ring = torch.where(on_side.unsqueeze(-1), around, ball[..., :2]) * radius.unsqueeze(-1)
    on_capsule = torch.cat([ring, height.unsqueeze(-1)], -1)
    return torch.where(capsule.unsqueeze(-1), on_capsule, on_box)


def areas(half_sizes: Float[Tensor, "*batch 3"], capsule: Bool[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Surface of boxes and capsules."""
    a, b, c = half_sizes.unbind(-1)
    return torch.where(capsule, 4 * torch.pi * a * torch.maximum(c, a), 8 * (a * b + b * c + a * c))


def mannequins(
    half_sizes: Float[Tensor, "body link 3"],
    *,
    points: int,
    angle: float,
    generator: torch.Generator,
    skeleton: Skeleton = MANNEQUIN,
) -> Clouds:
    """A cloud of every body, evenly over its surface, each joint turned by up to `angle` radians, the root too.

    Parts and labels are the links; `subject` is the row of `half_sizes`.

    Example:
        >>> draw = torch.Generator().manual_seed(0)
        >>> clouds = mannequins(proportions(MANNEQUIN, 3, 0.1, generator=draw), points=64, angle=0.3, generator=draw)
        >>> clouds.points.shape, int(clouds.part.max())
        (torch.Size([3, 64, 3]), 5)
    """
    bodies, links = half_sizes.shape[:2]
    capsule = torch.tensor(skeleton.capsule)
    joints = turns(bodies, links, angle=angle, generator=generator).float() @ _rest(skeleton)
    motions = pose(skeleton, half_sizes, joints)
    area = areas(half_sizes, capsule.expand(bodies, -1))
    part = _choose(area.unsqueeze(1).expand(-1, points, -1), generator)
    row = torch.arange(bodies).unsqueeze(-1)
    local = surface(half_sizes[row, part], capsule[part], generator=generator)
    placed = Points(SE(3)).act(motions[row, part], local.unsqueeze(-2)).squeeze(-2)
    return Clouds(placed, part, part, torch.arange(bodies))


def _rest(skeleton: Skeleton) -> Float[Tensor, "link 3 3"]:
    """Joints at rest."""
    down = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    return torch.stack([down if hangs else torch.eye(3) for hangs in skeleton.hangs])


def _choose(weights: Float[Tensor, "*batch kind"], generator: torch.Generator) -> Int[Tensor, "*batch"]:
    """One of the kinds for every row, as often as its weight says."""
    edges = weights.cumsum(-1)
    draw = torch.rand(*weights.shape[:-1], 1, generator=generator) * edges[..., -1:]
    return (draw > edges[..., :-1]).sum(-1)
