"""Centre and covariance of clouds of points with padding: adds the quantities that frames of E(d) are made of."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def centred(
    x: Float[Tensor, "*batch point d"], mask: Bool[Tensor, "*batch point"] | None
) -> tuple[Float[Tensor, "*batch point d"], Float[Tensor, "*batch d"]]:
    """Points about their mean, and the mean; padding stays zero. An empty cloud has its mean at zero.

    Example:
        >>> centred(torch.tensor([[1.0], [3.0], [9.0]]), torch.tensor([True, True, False]))[1]
        tensor([2.])
    """
    if mask is None:
        mean = x.mean(-2)
        return x - mean[..., None, :], mean
    real = mask[..., None]
    mean = x.masked_fill(~real, 0.0).sum(-2) / real.sum(-2).clamp_min(1)
    return (x - mean[..., None, :]).masked_fill(~real, 0.0), mean


def unit_size(x: Float[Tensor, "*batch point d"]) -> Float[Tensor, "*batch point d"]:
    """The cloud scaled so that its largest coordinate is one: no moment of it can overflow. Scale gets no gradient.

    Example:
        >>> unit_size(torch.tensor([[3e30, 0.0]]))
        tensor([[1., 0.]])
    """
    largest = x.detach().abs().amax((-2, -1), keepdim=True)
    return x / torch.where(largest > 0, largest, 1.0)


def covariance(
    x: Float[Tensor, "*batch point d"], weight: Float[Tensor, "*batch point 1"] | None = None
) -> Float[Tensor, "*batch d d"]:
    """Sum of weight x x^T over the points, divided by its trace; zero for a cloud in which all points are zero.

    Example:
        >>> covariance(torch.tensor([[1.0, 0.0], [0.0, 3.0]]))
        tensor([[0.1000, 0.0000],
                [0.0000, 0.9000]])
    """
    second = x.mT @ (x if weight is None else weight * x)
    trace = second.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    return second / torch.where(trace > 0, trace, 1.0)
