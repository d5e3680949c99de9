"""Rooms of furniture and scans of table tops, read from files: pieces that SE(3) moves one by one over a floor."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from intertwine.geometry.array_file import read_arrays
from intertwine.geometry.articulated import Clouds

PIECES = ("chair", "table", "sofa", "bed", "cabinet", "lamp")
"""Classes of furniture that stand in rooms; the floor is label 0, these follow."""


class RoomError(ValueError):
    """A file that holds no furniture or no scans, as its README describes, or too few points."""


@dataclass(frozen=True)
class Furniture:
    """Points on the surfaces of models, each standing on the floor about its own axis; Z up, metres or so."""

    points: Float[Tensor, "model sample 3"]
    label: Int[Tensor, "model"]
    """Place in `PIECES`, plus one."""


def load_furniture(file: Path | str) -> Furniture:
    """Read `kenney_furniture.npz`, the classes in `PIECES`.

    Raises RoomError for a file without what its README names, ArrayFileError for one that cannot be read.

    Example:
        >>> furniture = load_furniture("furniture/kenney_furniture.npz")  # doctest: +SKIP
    """
    data = read_arrays(file)
    try:
        classes, points, label = [str(c) for c in data["class_names"]], data["points"], data["label"]
    except (KeyError, ValueError) as error:
        raise RoomError(f"{file}: expected the models of kenney_furniture.npz: {error}") from error
    number = {classes.index(piece): place + 1 for place, piece in enumerate(PIECES)}
    chosen = np.isin(label, list(number))
    upright = torch.tensor(points[chosen].astype(np.float32))[..., [2, 0, 1]]  # Y up to Z up
    low, high = upright.amin(1, keepdim=True), upright.amax(1, keepdim=True)
    middle = torch.cat([(low + high)[..., :2] / 2, low[..., 2:]], -1)
    return Furniture(upright - middle, torch.tensor([number[int(each)] for each in label[chosen]]))


def rooms(
    furniture: Furniture,
    count: int,
    *,
    pieces: int,
    points: int,
    turn: float,
    generator: torch.Generator,
    side: float = 2.0,
) -> Clouds:
    """Rooms with some models of furniture on a square floor, each on a place of its own, turned by up to `turn`.

    The floor is part 0; the pieces are the other parts. Sizes vary by a tenth in each direction. A third of the points
    is floor, the pieces share the rest.

    Raises RoomError for more pieces than there are places (9).
    """
    if not 1 <= pieces <= 9 or points < 3 * (pieces + 1):
        raise RoomError(f"rooms: expected 1 to 9 pieces and 3 points for each, came {pieces} and {points} points.")

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    share = points * 2 // (3 * pieces)
    model = torch.randint(len(furniture.label), (count, pieces), generator=generator)
    sample = torch.randint(furniture.points.shape[1], (count, pieces, share), generator=generator)
    shape = furniture.points[model.unsqueeze(-1), sample] * (0.9 + 0.2 * rand(count, pieces, 1, 3))
    angle = turn * (2 * rand(count, pieces) - 1)
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    spin = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], -1).unflatten(-1, (3, 3))
    grid = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0]) * side / 3] * 2)
    place = grid[rand(count, 9).argsort(-1)[:, :pieces]] + 0.05 * side * (rand(count, pieces, 2) - 0.5)
    stand = torch.cat([place, torch.zeros(count, pieces, 1)], -1)
    stood = shape @ spin.mT + stand.unsqueeze(-2)
    rest = points - share * pieces
    floor = torch.cat([side * (rand(count, rest, 2) - 0.5), torch.zeros(count, rest, 1)], -1)
    part = torch.arange(1, pieces + 1).repeat_interleave(share).expand(count, -1)
    part = torch.cat([torch.zeros(count, rest, dtype=torch.int64), part], -1)
    kinds = torch.cat([torch.zeros(count, 1, dtype=torch.int64), furniture.label[model]], -1)
    cloud = torch.cat([floor, stood.flatten(1, 2)], 1)
    return Clouds(cloud, part, kinds.gather(-1, part), torch.zeros(count, dtype=torch.int64))


def load_scans(file: Path | str, *, points: int, generator: torch.Generator) -> tuple[Clouds, Clouds]:
    """Table-top scans of `mosd_4096.npz`, to learn from and to test on: label 0 is the table, 1 an object.

    Thinned to as many points, half of them of objects where there are so many: of the scans four fifths are table.
    Centred, axes of the camera.

    Raises RoomError for a file without what its README names, ArrayFileError for one that cannot be read.

    Example:
        >>> learn, test = load_scans("mosd/mosd_4096.npz", points=512, generator=torch.Generator())  # doctest: +SKIP
    """
    data = read_arrays(file)
    try:
        scale = data["scale"] if "scale" in data else np.float32(1e-3)
        cloud = torch.tensor(data["points"].astype(np.float32) * np.asarray(scale, np.float32))
        labels, names = torch.tensor(data["labels"].astype(np.int64)), [str(name) for name in data["names"]]
    except (KeyError, ValueError) as error:
        raise RoomError(f"{file}: expected the scans of mosd_4096.npz: {error}") from error
    objects = labels > 1
    odds = torch.where(
        objects, 0.5 / objects.sum(-1, keepdim=True).clamp(min=1), 0.5 / (~objects).sum(-1, keepdim=True)
    )
    kept = torch.multinomial(odds, points, generator=generator)
    part = labels.gather(-1, kept) - labels.amin()
    found = cloud.gather(1, kept.unsqueeze(-1).expand(-1, -1, 3))
    clouds = Clouds(
        found - found.mean(1, keepdim=True), part, (part > 0).long(), torch.zeros(len(part), dtype=torch.int64)
    )
    learn = torch.tensor(["learn" in name for name in names])
    return clouds.take(learn.nonzero().flatten()), clouds.take((~learn).nonzero().flatten())
