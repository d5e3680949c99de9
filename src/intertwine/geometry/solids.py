"""Classes of solids made by rule, each drawn with proportions of its own; E(3) acts on their points and normals."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from intertwine.geometry.meshes import Mesh, sample_surface

ROUND = 32
"""Corners of a circle."""
STRETCH = torch.tensor([1.25, 1.0, 0.8])
"""Along the axes: without it most classes would be round, and have no axes of their own."""
Uniform = Callable[[float, float], float]
"""A number between two others."""
Outline = Sequence[tuple[float | int, float | int]]
"""Points of a plane."""


def revolution(profile: Outline, corners: int = ROUND) -> Mesh:
    """The surface that a profile of points (radius, height) sweeps around the z axis; first and last are not joined.

    Example:
        >>> cone = revolution([(0, 0), (1, 0), (0, 2)])
        >>> round(float(cone.areas.sum()) / (math.pi * (1 + 5**0.5)), 1)
        1.0
    """
    angles = torch.arange(corners) * (2 * math.pi / corners)
    circle = torch.stack([angles.cos(), angles.sin(), torch.ones(corners)], dim=-1)
    rings = torch.tensor([(radius, radius, height) for radius, height in profile]).unsqueeze(1) * circle
    return _grid(rings, closed=(False, True))


def tube(path: Float[Tensor, "point 3"], radius: float, *, closed: bool = False, corners: int = 8) -> Mesh:
    """The surface around a curve; its ends stay open.

    Example:
        >>> line = torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 0, 2]])
        >>> round(float(tube(line, 0.1, corners=64).areas.sum()) / (2 * math.pi * 0.1 * 2), 2)
        1.0
    """
    tangent = torch.stack(torch.gradient(path, dim=0)).squeeze(0)
    if closed:
        tangent = path.roll(-1, 0) - path.roll(1, 0)
    tangent = torch.nn.functional.normalize(tangent, dim=-1)
    # the axis that the curve follows least
    aside = torch.eye(3)[int(tangent.abs().sum(0).argmin())].expand_as(tangent)
    first = torch.nn.functional.normalize(torch.linalg.cross(aside, tangent), dim=-1)
    second = torch.linalg.cross(tangent, first)
    angles = torch.arange(corners) * (2 * math.pi / corners)
    ring = angles.cos()[None, :, None] * first[:, None] + angles.sin()[None, :, None] * second[:, None]
    return _grid(path[:, None] + radius * ring, closed=(closed, True))


def prism(outline: Outline, height: float, hub: tuple[float, float] = (0.0, 0.0)) -> Mesh:
    """An outline in the plane, raised: its corners counter-clockwise, all in sight of `hub`.

    Example:
        >>> box = prism([(-1, -1), (1, -1), (1, 1), (-1, 1)], 3.0)
        >>> float(box.areas.sum())
        32.0
    """
    n = len(outline)
    flat = torch.tensor([*outline, hub], dtype=torch.float32)
    low, high = (torch.cat([flat, torch.full((n + 1, 1), z)], dim=1) for z in (-height / 2, height / 2))
    i = torch.arange(n)
    j = (i + 1) % n
    hubs, up = torch.full((n,), n), n + 1
    faces = [(j, i, hubs), (i + up, j + up, hubs + up), (i, j, j + up), (i, j + up, i + up)]
    return Mesh(torch.cat([low, high]), torch.cat([torch.stack(each, dim=1) for each in faces]))


def _grid(points: Float[Tensor, "u v 3"], closed: tuple[bool, bool]) -> Mesh:
    """Two triangles for every cell of a grid of points."""
    u, v = points.shape[:2]
    index: Int[Tensor, "u v"] = torch.arange(u * v).reshape(u, v)
    index = torch.cat([index, index[:1]]) if closed[0] else index
    index = torch.cat([index, index[:, :1]], dim=1) if closed[1] else index
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = torch.stack([torch.stack([a, b, c], -1), torch.stack([a, c, d], -1)])
    return Mesh(points.reshape(-1, 3), faces.reshape(-1, 3))


def _arc(start: float, stop: float, points: int = 13) -> list[tuple[float, float]]:
    """(cos, sin) between two angles in units of pi."""
    steps = [math.pi * (start + (stop - start) * k / (points - 1)) for k in range(points)]
    return [(max(math.cos(each), 0.0), math.sin(each)) for each in steps]


def _block(r: Uniform) -> Mesh:
    return prism([(-1, -1), (1, -1), (1, 1), (-1, 1)], r(1.0, 1.8))


def _ellipsoid(r: Uniform) -> Mesh:
    return revolution(_arc(-0.5, 0.5))


def _cylinder(r: Uniform) -> Mesh:
    h = r(1.2, 1.9)
    return revolution([(0, -h), (0.9, -h), (0.9, h), (0, h)])


def _cone(r: Uniform) -> Mesh:
    tip, top = r(0.0, 0.25), r(1.0, 1.8)
    return revolution([(0, -0.7), (1, -0.7), (tip, top), (0, top)])


def _pyramid(r: Uniform) -> Mesh:
    tip, top = r(0.0, 0.25), r(1.0, 1.8)
    return revolution([(0, -0.7), (1.2, -0.7), (tip, top), (0, top)], corners=4)


def _torus(r: Uniform) -> Mesh:
    angles = torch.arange(ROUND) * (2 * math.pi / ROUND)
    circle = torch.stack([angles.cos(), angles.sin(), torch.zeros(ROUND)], dim=-1)
    return tube(circle, r(0.2, 0.4), closed=True, corners=12)


def _wedge(r: Uniform) -> Mesh:
    return prism([(-1, -0.6), (1, -0.6), (r(-0.8, -0.2), 0.8)], r(1.2, 2.2))


def _bracket(r: Uniform) -> Mesh:
    t, height = r(0.35, 0.6), r(0.6, 1.4)
    outline = [(-0.8, -0.8), (1.0, -0.8), (1.0, t - 0.8), (t - 0.8, t - 0.8), (t - 0.8, 1.2), (-0.8, 1.2)]
    return prism(outline, height, hub=(t / 2 - 0.8, t / 2 - 0.8))


def _bowl(r: Uniform) -> Mesh:
    inner = r(0.7, 0.85)
    outside = _arc(-0.5, r(-0.05, 0.1))
    inside = [(inner * x, inner * y) for x, y in outside[::-1]]
    return revolution(outside + inside)


def _hourglass(r: Uniform) -> Mesh:
    h, waist = r(0.9, 1.5), r(0.15, 0.4)
    return revolution([(0, -h), (0.9, -h), (waist, 0), (0.7, h), (0, h)])


def _spring(r: Uniform) -> Mesh:
    turns, height = r(1.6, 2.4), r(1.4, 2.2)
    t = torch.linspace(0, 1, 48)
    angle = 2 * math.pi * turns * t
    return tube(torch.stack([angle.cos(), angle.sin(), height * (t - 0.5)], dim=-1), 0.15)


def _star(r: Uniform) -> Mesh:
    inner = r(0.35, 0.55)
    radii = [1.2 if k % 2 == 0 else inner for k in range(10)]
    corners = [
        (radius * math.cos(math.pi * k / 5), radius * math.sin(math.pi * k / 5)) for k, radius in enumerate(radii)
    ]
    return prism(corners, r(0.4, 0.8))


SOLIDS: Mapping[str, Callable[[Uniform], Mesh]] = {
    "block": _block,
    "ellipsoid": _ellipsoid,
    "cylinder": _cylinder,
    "cone": _cone,
    "pyramid": _pyramid,
    "torus": _torus,
    "wedge": _wedge,
    "bracket": _bracket,
    "bowl": _bowl,
    "hourglass": _hourglass,
    "spring": _spring,
    "star": _star,
}
"""Every class, in the order of its labels."""


def solid(name: str, *, generator: torch.Generator | None = None) -> Mesh:
    """One solid of a class, its proportions drawn at random; stretched by `STRETCH`, give or take a tenth.

    Raises:
        ValueError: no such class.

    Example:
        >>> mesh = solid("torus", generator=torch.Generator().manual_seed(0))
        >>> mesh.vertices.shape
        torch.Size([384, 3])
    """
    if name not in SOLIDS:
        raise ValueError(f"solid: expected a name of {', '.join(SOLIDS)}, came {name!r}.")

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    mesh = SOLIDS[name](uniform)
    stretch = STRETCH * torch.tensor([uniform(0.9, 1.1) for _ in range(3)])
    return Mesh(mesh.vertices * stretch, mesh.faces)


def solid_clouds(
    count: int, points: int, *, classes: tuple[str, ...] = tuple(SOLIDS), generator: torch.Generator | None = None
) -> tuple[Float[Tensor, "cloud point 3"], Float[Tensor, "cloud point 3"], Int[Tensor, "cloud"]]:
    """Points, normals and labels of solids drawn in turn from the classes, each in the position it is made in.

    Example:
        >>> points, normals, labels = solid_clouds(14, 32)
        >>> points.shape, labels.tolist()
        (torch.Size([14, 32, 3]), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1])
    """
    labels = torch.arange(count) % len(classes)
    names = [classes[k % len(classes)] for k in range(count)]
    drawn = [sample_surface(solid(name, generator=generator), points, generator=generator) for name in names]
    return torch.stack([each[0] for each in drawn]), torch.stack([each[1] for each in drawn]), labels
