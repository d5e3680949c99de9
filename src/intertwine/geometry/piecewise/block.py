"""A PointNet for every part at once, seen from frames: E(3) or SE(3) moves each part, vectors turn."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intertwine.groups.frames.part_frames import PartFrames
from intertwine.groups.frames.segments import segment_max, segment_mean


class PartBlock(nn.Module):
    r"""What a point is, from its part: positions, vectors and scalars in, vectors and scalars out.

        z_f,i = ( inside_f,i,  vectors in the frame,  |inside_f,i|,  |x_i - shift|,  spread of the part,  scalars_i )
        h     = relu(A relu(B z)),      pooled = ( mean, max ) of h over the points of the part
        out   = D relu(C (h_i, pooled_part(i))),    scalars' = mean_f out,    vectors' = mean_f elements_f out

    for each frame f of the part. The entries that no sign changes are not needed, but learnt from at once.
    Exactly equivariant under a motion of each part if the frames are, also where an axis is undetermined. Cost: a few
    products of [frame * point, hidden]; the number of parts does not matter.

    Args:
        length: unit in which the network reads positions and vectors.

    Shapes: x `node 3`, scalars `node scalar`, vectors `node 3 vector`, part `node`; results likewise.
    """

    def __init__(self, scalars: tuple[int, int], vectors: tuple[int, int], hidden: int, *, length: float = 1.0) -> None:
        super().__init__()
        self.length, self.scalars_out, self.vectors_out = length, scalars[1], vectors[1]
        self.inner = nn.Linear(3 + 3 * vectors[0] + 3 + 1 + 3 + scalars[0], hidden)
        self.outer = nn.Linear(hidden, hidden)
        self.of_point = nn.Linear(hidden, hidden)
        self.of_part = nn.Linear(2 * hidden, hidden, bias=False)
        self.read = nn.Linear(hidden, scalars[1] + 3 * vectors[1])

    def forward(
        self,
        x: Float[Tensor, "node 3"],
        scalars: Float[Tensor, "node scalar"],
        vectors: Float[Tensor, "node 3 vector"],
        part: Int[Tensor, "node"],
        frames: PartFrames,
        weight: Float[Tensor, "node"] | None = None,
    ) -> tuple[Float[Tensor, "node scalars_out"], Float[Tensor, "node 3 vectors_out"]]:
        """New scalars and vectors; `weight` from 0 to 1 says how far a point belongs to its part."""
        parts, count = frames.elements.shape[:2]
        placed = torch.cat([(x - frames.shift[part]).unsqueeze(-1), vectors], -1) / self.length
        inside = frames.invert_vectors(placed, part).flatten(-2)
        radius = placed[..., 0].norm(dim=-1, keepdim=True)
        unsigned = [inside[0, :, :: placed.shape[-1]].abs(), radius, frames.spread[part] / self.length, scalars]
        z = torch.cat([inside, torch.cat(unsigned, -1).expand(count, -1, -1)], -1)
        h = self.outer(self.inner(z).relu()).relu().flatten(0, 1)
        of_frame = (part + parts * torch.arange(count, device=part.device).unsqueeze(-1)).flatten()
        pooled = _pool(h, of_frame, parts * count, None if weight is None else weight.repeat(count))
        out = self.read((self.of_point(h) + self.of_part(pooled)[of_frame]).relu()).unflatten(0, (count, -1))
        turned = out[..., self.scalars_out :].unflatten(-1, (3, self.vectors_out)) * self.length
        return out[..., : self.scalars_out].mean(0), frames.apply_vectors(turned, part).mean(0)


def _pool(h: Tensor, part: Tensor, parts: int, weight: Tensor | None) -> Tensor:
    """Mean and maximum over each part. h is not negative, so a point of weight zero leaves the maximum alone."""
    if weight is None:
        return torch.cat([segment_mean(h, part, parts), segment_max(h, part, parts)], -1)
    weighted = weight.unsqueeze(-1) * h
    share = segment_mean(weight.unsqueeze(-1), part, parts)
    mean = segment_mean(weighted, part, parts) / torch.where(share > 0, share, 1.0)
    return torch.cat([mean, segment_max(weighted, part, parts)], -1)
