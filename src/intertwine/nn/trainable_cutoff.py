"""An envelope whose shape is learned; a function of a distance, and so invariant."""

from math import comb

import torch
from jaxtyping import Float
from torch import Tensor, nn


class TrainableCutoff(nn.Module):
    r"""`PolynomialCutoff` with trainable coefficients: it starts as that one and stays as smooth at the cutoff.

        u(r) = (1 - t)^3  sum over k < p of  shape[k] (k+1)(k+2)/2 t^k          t = r / cutoff, u = 0 beyond

    shape = 1 is `PolynomialCutoff`. Whatever the shape, two derivatives vanish at the cutoff; those at r = 0, where no
    two atoms meet, need not.

    Shapes: r `*batch` in Angstrom, result `*batch`.

    Raises:
        ValueError: cutoff not above zero, or p < 2.

    Example:
        >>> TrainableCutoff(5.0)(torch.tensor([0.0, 5.0, 6.0])).detach()
        tensor([1., 0., 0.])

    Reference: the envelope of Miklaucic et al., 2025, arXiv:2509.08418 (Facet) has a trainable radius instead.
    """

    def __init__(self, cutoff: float, *, p: int = 6):
        super().__init__()
        if cutoff <= 0 or p < 2:
            raise ValueError(f"TrainableCutoff: expected cutoff > 0 and p >= 2, came cutoff={cutoff} and p={p}.")
        self.cutoff, self.coefficients = cutoff, [float(comb(k + 2, 2)) for k in range(p)]
        self.shape = nn.Parameter(torch.ones(p))

    def forward(self, r: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Evaluate u."""
        t = (r / self.cutoff).clamp(max=1)
        series = torch.zeros_like(t)
        for coefficient, shape in zip(reversed(self.coefficients), self.shape.flip(0), strict=True):
            series = series * t + coefficient * shape
        return (1 - t) ** 3 * series
