"""The first partition of a cloud: cells around seeds that are far apart. E(d) keeps it, moving parts do not."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from intertwine.groups.frames.segments import PartError


def farthest_points(x: Float[Tensor, "*batch point d"], count: int) -> Int[Tensor, "*batch count"]:
    """Indices of seeds, each the point farthest from those before; the first is farthest from the mean.

    Depends on distances only, and not on the order of the points unless two are equally far, where the first counts.

    Raises PartError for more seeds than points, or points that are not finite.

    Example:
        >>> farthest_points(torch.tensor([[0.0], [1.0], [2.0], [9.0]]), 3).tolist()
        [3, 0, 2]
    """
    if not 1 <= count <= x.shape[-2]:
        raise PartError(f"farthest_points: expected 1 to {x.shape[-2]} seeds for so many points, came {count}.")
    if not bool(x.isfinite().all()):
        raise PartError("farthest_points: expected finite points, came some that are not. Mend or drop them.")
    x = x.detach()
    seeds = [(x - x.mean(-2, keepdim=True)).square().sum(-1).argmax(-1)]
    nearest = x.new_full(x.shape[:-1], torch.inf)
    for _ in range(count - 1):
        seed = x.gather(-2, seeds[-1][..., None, None].expand(*x.shape[:-2], 1, x.shape[-1]))
        nearest = torch.minimum(nearest, (x - seed).square().sum(-1))
        seeds.append(nearest.argmax(-1))
    return torch.stack(seeds, -1)


def voronoi(x: Float[Tensor, "*batch point d"], count: int) -> Int[Tensor, "*batch point"]:
    """The partition into `count` cells: every point goes to the nearest of `farthest_points`.

    The more cells, the rarer a cell that reaches over a joint; with as many as points, every partition is refined.
    Where points coincide, cells may stay empty.

    Example:
        >>> voronoi(torch.tensor([[0.0], [1.0], [8.0], [9.5]]), 2).tolist()
        [1, 1, 0, 0]
    """
    seeds = farthest_points(x, count)
    centres = x.gather(-2, seeds.unsqueeze(-1).expand(*seeds.shape, x.shape[-1]))
    return torch.cdist(x.detach(), centres.detach(), compute_mode="donot_use_mm_for_euclid_dist").argmin(-1)
