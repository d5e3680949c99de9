"""The method of equiadapt for point clouds, written anew from its description: a vector-neuron net picks the pose.

Kaba et al., 2023 (arXiv:2211.06489), with the network of Deng et al., 2021 (Vector Neurons): every edge of a graph of
20 nearest points carries three vectors (the difference, the point, their cross product); linear maps mix vectors, a
nonlinearity cuts them along a learned direction; three vectors, averaged over edges and points, become axes by
Gram-Schmidt. O(n^2) for the neighbours. equiadapt itself (0.1.2) needs Lightning, hydra and torchvision to import.
"""

import torch
from torch import Tensor, nn

from intertwine.groups.frames.frame import Frame
from intertwine.groups.frames.gram_schmidt import gram_schmidt


class VectorLayer(nn.Module):
    """Mixes vectors, `[..., 3, channel]`, and takes from each what points against a learned direction."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.mix, self.direction = nn.Linear(inputs, outputs, bias=False), nn.Linear(inputs, outputs, bias=False)

    def forward(self, v: Tensor) -> Tensor:
        mixed, direction = self.mix(v), self.direction(v)
        against = (mixed * direction).sum(-2, keepdim=True).clamp_max(0.0)
        return mixed - 0.8 * against * direction / (direction.square().sum(-2, keepdim=True) + 1e-6)


class VectorNeuronFrame(nn.Module):
    """A frame of one element from a vector-neuron net on edges."""

    def __init__(self, *, channels: int = 21, neighbours: int = 20):
        super().__init__()
        self.neighbours = neighbours
        self.edges, self.points = VectorLayer(3, channels), VectorLayer(channels, 3)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Frame:
        shift = x.mean(-2)
        cloud = x - shift[:, None]
        near = torch.cdist(cloud, cloud).topk(self.neighbours, largest=False).indices
        start = torch.arange(len(x), device=x.device)[:, None, None] * x.shape[1]
        other = cloud.flatten(0, 1)[near + start]
        own = cloud[:, :, None].expand_as(other)
        vectors = torch.stack([other - own, own, torch.linalg.cross(other, own, dim=-1)], -1)
        axes, left = gram_schmidt(self.points(self.edges(vectors).mean(2)).mean(1))
        gap = left.amin(-1).detach()
        return Frame(axes[:, None], shift, torch.ones_like(gap)[:, None], gap, gap <= 0, gap > 0)
