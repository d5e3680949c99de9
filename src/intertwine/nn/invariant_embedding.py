"""Points in coordinates of their own, which E(d), and scaling on demand, acting on the points leave alone."""

from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from intertwine.groups.frames.moments import centred
from intertwine.groups.frames.signs import SIGN_RULES, SignName, Signs
from intertwine.nn.classical_scaling import (
    ScalingError,
    principal_axes,
    principal_combinations,
    scalar_products,
)
from intertwine.nn.embedding import Embedding

ScaleName = Literal["rms", "max"]


class InvariantEmbedding(nn.Module):
    r"""Modified classical scaling: initial features of points that no motion of space changes.

        Z = U_q L_q^(1/2) s,    -1/2 J D^2 J = U L U^T,    s = +-1 by an odd statistic of every column

    With q = d all distances are kept, |Z_i - Z_j| = |x_i - x_j|, and with `scale` all ratios of distances. It has no
    parameters, does not see the order of points, and costs O(n d^2): the axes come from the d x d covariance.

    What is lost: mirror images have the same Z. Equal eigenvalues and undecided signs (shapes with symmetry) leave Z
    undetermined, and near them it jumps; `Embedding.degenerate` flags both. With one choice of signs, Z is a
    canonical position, a frame of size one; `sign="average"` is the frame of all 2^q.

    Args:
        q: columns of Z; None takes as many as points have dimensions. Distances need it.
        scale: divide distances by their root mean square over pairs, or by the largest (O(n^2)).
        tolerance: eigenvalue gaps and sign margins below it are flagged.
        detach: no gradient through axes and signs, whose derivative has no bound near degeneracy.

    Shapes: x `*batch point d`, mask `*batch point`, result as in `Embedding`. float16 is embedded in float32.

    Example:
        >>> embed = InvariantEmbedding()
        >>> x = torch.randn(2, 20, 3, dtype=torch.float64)
        >>> z = embed(x).points.squeeze(-3)
        >>> torch.allclose(torch.cdist(z, z), torch.cdist(x, x))
        True
        >>> torch.allclose(embed(5 - x.flip(-1)).points.squeeze(-3), z)
        True

    Reference: Zhang, Zhang, Sun, 2021, arXiv:2112.12345; classical scaling: Torgerson, 1952, Psychometrika 17, 401.
    """

    def __init__(
        self,
        q: int | None = None,
        *,
        scale: ScaleName | None = None,
        sign: SignName = "third_moment",
        tolerance: float = 1e-3,
        detach: bool = True,
    ):
        super().__init__()
        if q is not None and q < 1:
            raise ScalingError(f"InvariantEmbedding: expected q = 1, 2, ... columns or None, came q = {q}.")
        if scale not in (None, "rms", "max"):
            raise ScalingError(f'InvariantEmbedding: expected scale None, "rms" or "max", came {scale!r}.')
        if sign not in SIGN_RULES:
            raise ScalingError(f"InvariantEmbedding: expected sign of {', '.join(SIGN_RULES)}, came {sign!r}.")
        self.q, self.scale, self.tolerance, self.detach = q, scale, tolerance, detach
        self.sign: SignName = sign

    def forward(
        self, x: Float[Tensor, "*batch point d"], mask: Bool[Tensor, "*batch point"] | None = None
    ) -> Embedding:
        """Embed points.

        Raises:
            ScalingError: no points, a number that is not finite, or fewer dimensions than q.
        """
        dtype, q = x.dtype, self.q or x.shape[-1]
        if q > x.shape[-1] or not x.shape[-2]:
            raise ScalingError(
                f"InvariantEmbedding: expected x with points of at least q = {q} dimensions, came shape "
                f"{tuple(x.shape)}; lower q or add points."
            )
        with torch.autocast(x.device.type, enabled=False):
            x = _single(x) if mask is None else torch.where(mask.unsqueeze(-1), _single(x), 0.0)
            _require_finite(x, "x")
            shape, centre = centred(x, mask)
            shape = _without_rounding(shape, x)
            norms = shape.square().sum(-1)
            if self.scale == "max":
                scale = _pairs(torch.cdist(shape, shape), mask).flatten(-2).amax(-1)
            else:
                count = torch.tensor(x.shape[-2]) if mask is None else mask.sum(-1)
                scale = (2 * norms.sum(-1) / (count - 1).clamp(min=1)).sqrt()
            scale = self._scale(scale)
            shape = shape / scale[..., None, None]
            spectrum, axes = principal_axes(shape.detach() if self.detach else shape, q)
            z = shape @ axes
            signs = self._signs(z, mask)
            axes = axes.unsqueeze(-3) * signs.values.unsqueeze(-2)
            points = z.unsqueeze(-3) * signs.values.unsqueeze(-2)
        norms = norms / scale.square().unsqueeze(-1)
        return Embedding(points.to(dtype), axes, centre, scale, norms, spectrum, signs.margin, self.tolerance)

    def from_distances(
        self, distances: Float[Tensor, "*batch point point"], mask: Bool[Tensor, "*batch point"] | None = None
    ) -> Embedding:
        """Embed things of which only distances are known, such as nodes of a graph; O(n^3).

        Distances that no points have give negative eigenvalues: they count as zero, and `spectrum.residual` says how
        much they were.

        Raises:
            ScalingError: no q, a number that is not finite, or a matrix that no distances make.
        """
        if self.q is None:
            raise ScalingError("InvariantEmbedding: expected q, the columns of Z, to embed distances; came None.")
        if not distances.numel():
            raise ScalingError(
                f"InvariantEmbedding: expected distances of one point or more, came shape {tuple(distances.shape)}."
            )
        with torch.autocast(distances.device.type, enabled=False):
            dtype, d = distances.dtype, _pairs(_single(distances), mask)
            _require_finite(d, "distances")
            low, high, asymmetry = (float(each) for each in (d.detach().amin(), d.detach().amax(), _asymmetry(d)))
            if asymmetry > 1e-4 * high or low < 0:
                raise ScalingError(
                    f"InvariantEmbedding: expected distances symmetric and at least zero, came asymmetry "
                    f"{asymmetry:.2g} and smallest {low:.2g}."
                )
            n = d.shape[-1] if mask is None else mask.sum(-1)
            pairs = torch.as_tensor(n * (n - 1), dtype=d.dtype, device=d.device).clamp(min=1)
            if self.scale == "max":
                scale = self._scale(d.flatten(-2).amax(-1))
            else:
                scale = self._scale((d.square().sum((-2, -1)) / pairs).sqrt())
            products = scalar_products(d / scale[..., None, None], mask)
            spectrum, combinations = principal_combinations(products.detach() if self.detach else products, self.q)
            z = products @ combinations
            signs = self._signs(z, mask)
        points = z.unsqueeze(-3) * signs.values.unsqueeze(-2)
        norms = products.diagonal(dim1=-2, dim2=-1)
        return Embedding(points.to(dtype), None, None, scale, norms, spectrum, signs.margin, self.tolerance)

    def _scale(self, scale: Tensor) -> Tensor:
        if self.scale is None:
            return torch.ones_like(scale)
        return torch.where(scale > 0, scale, 1.0)

    def _signs(self, z: Tensor, mask: Tensor | None) -> Signs:
        signs = SIGN_RULES[self.sign](z.detach(), mask)
        return replace(signs, values=signs.values.to(z.dtype))


def _single(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _without_rounding(shape: Tensor, x: Tensor) -> Tensor:
    """Nothing where all points of a cloud are in one place: what is left there is rounding, not shape."""
    rounding = 100 * torch.finfo(x.dtype).eps * x.detach().abs().amax((-2, -1), keepdim=True)
    return torch.where(shape.detach().abs().amax((-2, -1), keepdim=True) <= rounding, 0.0, shape)


def _asymmetry(distances: Tensor) -> Tensor:
    return (distances - distances.mT).detach().abs().amax()


def _pairs(distances: Tensor, mask: Tensor | None) -> Tensor:
    return distances if mask is None else torch.where(mask.unsqueeze(-1) & mask.unsqueeze(-2), distances, 0.0)


def _require_finite(x: Tensor, name: str) -> None:
    if not torch.compiler.is_compiling() and not bool(x.isfinite().all()):
        raise ScalingError(f"InvariantEmbedding: expected finite numbers in {name}, came {_worst(x)}; clean the input.")


def _worst(x: Tensor) -> str:
    return "nan" if bool(x.isnan().any()) else "inf"
