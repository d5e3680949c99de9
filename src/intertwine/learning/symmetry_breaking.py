"""Which symmetries data breaks, read off the gradient of a symmetric model; candidates act on `dim`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from intertwine.learning.weight_projection import WeightProjection


@dataclass(frozen=True)
class Breaking:
    """How much data push weights out of what commutes with each group."""

    signal: Float[Tensor, "group"]
    """Unbiased estimate of the squared norm of the mean gradient outside; can be below zero."""
    noise: Float[Tensor, "group"]
    """Standard deviation of `signal` if the mean gradient outside were zero."""

    @property
    def score(self) -> Float[Tensor, "group"]:
        """Signal in units of noise: around zero for a symmetry of the data, many for one that they break."""
        return torch.where(self.noise > 0, self.signal / self.noise, 0.0)

    @property
    def broken(self) -> Float[Tensor, "group"]:
        """The score, but at least one, for differences below the noise say nothing: what `relaxed` compares."""
        return self.score.clamp(min=1.0)


def symmetry_breaking(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    projections: Sequence[WeightProjection],
    x: Float[Tensor, "sample dim_v channel_in"],
    y: Float[Tensor, "sample dim_w channel_out"],
    *,
    chunks: int = 64,
) -> Breaking:
    r"""Test each candidate group at weights that commute with all of them, in directions that do not.

        signal_g = mean over pairs of chunks b != b' of  < (1 - P_g) grad_b, (1 - P_g) grad_b' >

    If task and inputs have the symmetry g, so has the loss as a function of the weights, and at weights that g leaves
    alone its gradient is left alone too: it lies in the image of P_g, and the signal is zero up to noise. Pairs of
    different chunks make the estimate unbiased; the noise is sqrt(2 sum K_bb'^2) over the same pairs, with K the inner
    products of gradients from which their mean is taken. Noise in a single direction makes the score that of a
    (chi^2 - 1) / sqrt(2), with a longer tail than a normal number. Unlike penalties during training, it does not depend
    on how strengths, weight decay and the start of the training compete.

    What it is not: inputs whose distribution breaks g, with a model that is not at its optimum, give a signal too.

    Args:
        weights: of one model, commuting with the group that holds the candidates (train them with `Hard`).
        x, y: samples that the weights were not fitted to.

    Raises ValueError for fewer samples than chunks.

    Example:
        >>> from intertwine.groups.classical import O
        >>> from intertwine.groups.subgroup import FixedAxis
        >>> from intertwine.nn.soft_coupling import tensors
        >>> from intertwine.nn.soft_linear import SoftLinear
        >>> layer = SoftLinear(tensors(O(3), 1), tensors(O(3), 1), 1, 1)
        >>> weights = WeightProjection(layer, O(3))(dict(layer.named_parameters()))
        >>> x = torch.randn(640, 3, 1)
        >>> falls = x - torch.tensor([0.0, 0.0, 1.0])[:, None]
        >>> axes = [WeightProjection(layer, FixedAxis(3, axis)) for axis in range(3)]
        >>> (symmetry_breaking(layer, weights, axes, x, falls).score > 8.0).tolist()
        [True, True, False]

    Reference: ours.
    """
    if len(x) < chunks or chunks < 2:
        raise ValueError(
            f"symmetry_breaking: expected at least 2 chunks and a sample for each of {chunks} chunks, came {len(x)}."
        )
    size = len(x) // chunks * chunks
    parts = [each[:size].unflatten(0, (chunks, -1)) for each in (x, y)]

    def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return (functional_call(model, parameters, (x,)) - y).square().mean()

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))({n: w.detach() for n, w in weights.items()}, *parts)
    signals, noises = [], []
    for projection in projections:
        outside = projection.outside(gradients).double()
        inner, centred = (_off_diagonal(each @ each.mT) for each in (outside, outside - outside.mean(0)))
        pairs = chunks * (chunks - 1)
        signals.append(inner.sum() / pairs)
        noises.append((2 * centred.square().sum()).sqrt() / pairs)
    return Breaking(torch.stack(signals), torch.stack(noises))


def _off_diagonal(matrix: Tensor) -> Tensor:
    return matrix - matrix.diagonal().diag()
