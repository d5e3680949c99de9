"""PointNet and a DGCNN: networks on sets of points, which a permutation acting on `point` leaves alone or moves along.

No rotation leaves them alone: `nn.FrameAverage` and `nn.TinvNN` see to that.
"""

import math
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class PointNet(nn.Module):
    r"""One network for every point, and the largest value of every channel over the points.

        h_p = mlp(x_p),    pooled = max_p h_p,    y = head(pooled)          for the whole cloud
                                                  y_p = head(h_p, pooled)   for every point, with `each_point`

    No alignment network and no batch norm: a cloud of a batch does not see the others.

    Shapes: x `*batch point in`, mask `*batch point` (True is a point), result `*batch out`, or `*batch point out`.

    Example:
        >>> net = PointNet(3, 10)
        >>> net(torch.randn(5, 100, 3)).shape
        torch.Size([5, 10])
        >>> PointNet(6, 3, each_point=True)(torch.randn(5, 100, 6)).shape
        torch.Size([5, 100, 3])

    Reference: Qi et al., 2017, arXiv:1612.00593, section 4.2.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        widths: tuple[int, ...] = (64, 64, 128),
        head: tuple[int, ...] = (64,),
        each_point: bool = False,
    ):
        super().__init__()
        self.points = _layers(inputs, *widths)
        self.head = _layers(widths[-1] * (2 if each_point else 1), *head, outputs, last=False)
        self.each_point = each_point

    def forward(
        self, x: Float[Tensor, "*batch point channel"], mask: Bool[Tensor, "*batch point"] | None = None
    ) -> Float[Tensor, "..."]:
        """Look at every point, then at all."""
        h = self.points(_real(x, mask))
        return self.head(_with_all(h, mask) if self.each_point else largest(h, mask))


class DGCNN(nn.Module):
    r"""Every point looks at its nearest points; in later layers, at those that are nearest in features.

        h'_p = max over q near p of  mlp(h_p, h_q - h_p),        y from all layers as in `PointNet`

    Shapes: as in `PointNet`. A masked point is nobody's neighbour. With fewer points than neighbours, all are near.

    Example:
        >>> net = DGCNN(3, 10, widths=(16, 16), neighbors=4)
        >>> net(torch.randn(5, 30, 3)).shape
        torch.Size([5, 10])

    Reference: Wang et al., 2019, arXiv:1801.07829, equations 1 and 7.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        widths: tuple[int, ...] = (32, 32, 64),
        head: tuple[int, ...] = (64,),
        neighbors: int = 12,
        each_point: bool = False,
    ):
        super().__init__()
        self.edges = nn.ModuleList(_layers(2 * a, b, b) for a, b in pairwise((inputs, *widths)))
        self.mix = _layers(sum(widths), 2 * widths[-1])
        self.head = _layers(2 * widths[-1] * (2 if each_point else 1), *head, outputs, last=False)
        self.neighbors, self.each_point = neighbors, each_point

    def forward(
        self, x: Float[Tensor, "*batch point channel"], mask: Bool[Tensor, "*batch point"] | None = None
    ) -> Float[Tensor, "..."]:
        """Gather from neighbours layer by layer, then look at all."""
        h, seen = _real(x, mask), []
        for layer in self.edges:
            near, real = nearest(h, self.neighbors, mask)
            here = h.unsqueeze(-2).expand_as(near)
            message = layer(torch.cat([here, near - here], dim=-1))
            message = message if mask is None else torch.where(real.unsqueeze(-1), message, -torch.inf)
            h = message.amax(-2)
            seen.append(h := _real(h, mask))
        h = self.mix(torch.cat(seen, dim=-1))
        return self.head(_with_all(h, mask) if self.each_point else largest(h, mask))


def nearest(
    h: Float[Tensor, "*batch point channel"], count: int, mask: Bool[Tensor, "*batch point"] | None = None
) -> tuple[Float[Tensor, "*batch point near channel"], Bool[Tensor, "*batch point near"]]:
    """Features of the nearest points of every point, itself among them, and which of them are real.

    Example:
        >>> near, real = nearest(torch.tensor([[0.0], [1.0], [5.0]]), 2)
        >>> near.squeeze(-1)
        tensor([[0., 1.],
                [1., 0.],
                [5., 1.]])
    """
    with torch.no_grad():
        far = torch.cdist(h, h)
        if mask is not None:
            far = far.masked_fill(~mask.unsqueeze(-2), torch.inf)
        distance, index = far.topk(min(count, h.shape[-2]), largest=False)
    rows = h.reshape(-1, h.shape[-1])  # gathered from one list: the gradient then has its size, not that of all pairs
    first = h.shape[-2] * torch.arange(math.prod(h.shape[:-2]), device=h.device).reshape(*h.shape[:-2], 1, 1)
    near = rows.index_select(0, (index + first).flatten()).unflatten(0, index.shape)
    # a row of padding has no real neighbour: let it see itself, so that nothing infinite arises
    real = distance.isfinite()
    return near, real | ~real.any(-1, keepdim=True)


def largest(
    h: Float[Tensor, "*batch point channel"], mask: Bool[Tensor, "*batch point"] | None = None
) -> Float[Tensor, "*batch channel"]:
    """The largest value of every channel over the points; zero where there is no point.

    Example:
        >>> largest(torch.tensor([[1.0], [2.0], [9.0]]), torch.tensor([True, True, False]))
        tensor([2.])
    """
    if mask is None:
        return h.amax(-2)
    found = torch.where(mask.unsqueeze(-1), h, -torch.inf).amax(-2)
    return torch.where(mask.any(-1, keepdim=True), found, 0.0)


def _real(h: Tensor, mask: Tensor | None) -> Tensor:
    """Zeros in place of padding, which may hold anything, nan too."""
    return h if mask is None else torch.where(mask.unsqueeze(-1), h, 0.0)


def _with_all(h: Tensor, mask: Tensor | None) -> Tensor:
    return torch.cat([h, largest(h, mask).unsqueeze(-2).expand_as(h)], dim=-1)


def _layers(*widths: int, last: bool = True) -> nn.Sequential:
    """Linear layers with ReLU after each, or after all but the last."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*(layers if last else layers[:-1]))
