"""The tensor-decomposed product: all Clebsch-Gordan paths in three small matrices; O(3) acts on `dim`, to an error."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.o3.constants import Constants
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.base import TensorProduct, Weights, check_choice
from intertwine.tensor_products.cp.coupling import SummedCoupling, irreps_once, rows_of_once
from intertwine.tensor_products.cp.error import ErrorBound, error_bound
from intertwine.tensor_products.cp.filter import CPFilterForm, blocks
from intertwine.tensor_products.cp.gauss_newton import Factors
from intertwine.tensor_products.cp.rank import Rank, check_rank, factors_of_rank
from intertwine.tensor_products.filter_form import FilterForm
from intertwine.tensor_products.kernels.decompose import decompose, takes
from intertwine.tensor_products.leg_weights import LegWeights

WIDE = 32
"""Channels from which a small product per sample is faster than all samples side by side in one large product."""
CHUNK = 2**17
"""Numbers between the products: the three arrays of this size stay in the cache of a core."""


class CP(TensorProduct):
    r"""Product of two features through a sum of `rank` products of three vectors, a CP decomposition.

        z = w3 * C^T ( A (w1 * x) * B (w2 * y) )         A[rank, dim1], B[rank, dim2], C[rank, dim3]

    Stands for `ClebschGordan` with one weight for all paths: sum_r A[r, i] B[r, j] C[r, k] is, up to an error, the sum
    of all coupling tensors. Three small matrix products take the place of a list of paths.

    Equivariant only as far as the factors are right. With rank="exact" that is rounding; with the rank of the paper it
    is not, see `error_bound`. Separate weights for single paths would break the factors apart and are not offered;
    weights on whole entries of the legs are exact for any rank, for O(3) does not mix entries.

    Cost: rank (dim1 + dim2 + dim3) multiply-adds per channel. Ranks of exact forms grow like L^4, so cost like L^6.
    Also known as: tensor decomposition network (TDN) product; path-weight sharing.

    Args:
        irreps_in1, irreps_in2: types of the two features; entries may repeat.
        irreps_out: type of the result; left out, one copy of every irrep that is reached, paths summed.
        rank: "exact"; "paper", 7 L^2 terms; a whole number, of terms; a fraction, the largest relative error, which the
            smallest rank found meets; or `Factors` of your own. Never more terms than a shipped exact form has.
        legs: which of the three legs carry weights, one an entry. None of them: one weight for the whole product.
        normalization: as in `ClebschGordan`.
        seed: of the random starts of a fit.

    Exact factors for degrees 0 to L on all legs, L up to 4, are shipped, for natural parity and for irreps that are all
    even (all paths, the tensor of the paper). Others are fitted on first use, with a warning when that takes more than
    seconds, and kept for the process. Factors are no parameters and not in the state dict, and a fit that is not exact
    may end elsewhere on another machine: keep `product.factors` with what you train on it, and pass them as `rank`.

    Shapes: as in `TensorProduct`; `weight_count` is 1, or the number of entries on the weighted legs.

    Raises:
        IrrepsError: a leg is empty, an entry of irreps_out is not reached, rank is no rank, or legs names no leg.

    Example:
        >>> product = CP("0e+1o+2e", "0e+1o+2e", "0e+1o+2e")
        >>> product.rank, product(torch.randn(5, 9, 8), torch.randn(5, 9, 8)).shape
        (18, torch.Size([5, 9, 8]))
        >>> paper = CP("0e+1e+2e", "0e+1e+2e", "0e+1e+2e", rank="paper").error_bound()
        >>> paper.rank, 1e-3 < paper.measured < paper.bound
        (28, True)

    Reference: Lin et al., 2025, Tensor Decomposition Networks for Fast Machine Learning Interatomic Potential
    Computations, section 3.
    """

    def __init__(
        self,
        irreps_in1: Irreps | str,
        irreps_in2: Irreps | str,
        irreps_out: Irreps | str | None = None,
        *,
        rank: Rank = "exact",
        weights: Weights = "none",
        legs: Sequence[int] = (),
        channels: int | None = None,
        normalization: Literal["component", "none"] = "component",
        seed: int = 0,
    ):
        check_choice("CP", "normalization", normalization, ("component", "none"))
        check_rank(rank)
        irreps_in1, irreps_in2 = Irreps(irreps_in1), Irreps(irreps_in2)
        if irreps_out is None:
            irreps_out = irreps_once(Irreps([ir3 for ir1 in irreps_in1 for ir2 in irreps_in2 for ir3 in ir1 * ir2]))
        irreps = (irreps_in1, irreps_in2, Irreps(irreps_out))
        self.coupling = SummedCoupling.of(irreps, component=normalization == "component")
        leg_weights = LegWeights(irreps, legs)
        self.shared = weights != "none" and not leg_weights.count
        super().__init__(*irreps, weight_count=leg_weights.count or 1, weights=weights, channels=channels)
        self.legs = leg_weights
        self.factors = factors_of_rank(self.coupling, rank, seed)
        in1, in2, out = (factor[:, rows_of_once(each)] for factor, each in zip(self.factors, irreps))
        self.tables = Constants(in1=in1.contiguous(), in2=in2.contiguous(), out=out.contiguous())

    @property
    def rank(self) -> int:
        """Number of terms."""
        return self.factors.rank

    def forward(
        self,
        x: Float[Tensor, "*batch dim1 channel"],
        y: Float[Tensor, "*batch dim2 #channel"],
        weight: Float[Tensor, "*#batch paths #channel"] | None = None,
    ) -> Float[Tensor, "*batch dim3 channel"]:
        """Scale the entries, and multiply: in the compiled kernel where there is one, else as `readable` does."""
        weight = self.effective_weight(weight)
        if weight is None:
            return self._multiply(x, y)
        if self.shared:
            return self._multiply(x * weight, y)
        legs = self.legs
        w1, w2, w3 = legs.split(weight)
        return legs.scale(self._multiply(legs.scale(x, 1, w1), legs.scale(y, 2, w2)), 3, w3)

    def _multiply(self, x: Tensor, y: Tensor) -> Tensor:
        batch, tables = x.shape[:-2], self.tables
        if len(batch) != 1:
            x, y = (each.reshape(math.prod(batch), *each.shape[-2:]) for each in (x, y))
        in1, in2, out = tables.like(x, "in1"), tables.like(x, "in2"), tables.like(x, "out")
        z = decompose(x, y, in1, in2, out) if takes(x, y, in1, in2) else self.readable(x, y)
        return z if len(batch) == 1 else z.reshape(*batch, *z.shape[-2:])

    def readable(
        self, x: Float[Tensor, "sample dim1 #channel"], y: Float[Tensor, "sample dim2 #channel"]
    ) -> Float[Tensor, "sample dim3 channel"]:
        """Bring both to `rank` numbers, multiply them, and bring the result back, a cacheful of samples at a time."""
        step = _samples_at_once(x, self.rank * max(x.shape[-1], y.shape[-1]))
        parts = [self._part(*part) for part in zip(x.split(step), y.split(step))]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _part(self, x: Tensor, y: Tensor) -> Tensor:
        in1, in2, out = (self.tables.like(x, name) for name in Factors._fields)
        if min(x.shape[-1], y.shape[-1]) >= WIDE:
            return out.T @ _times(in1 @ x, in2 @ y)
        product = _times(_columns(in1, x), _columns(in2, y))
        return (out.T @ product.flatten(1)).unflatten(1, product.shape[1:]).movedim(0, 1)

    def filter_form(self) -> FilterForm | CPFilterForm:
        """The same map for a `y` of one channel, weights outside; `Convolution` fuses it where legs have no weights."""
        weighted, irreps, tensor = self.weighted_outside(), self._irreps(), self._factors_of_rows().tensor()
        if weighted and self.legs.count:
            return CPFilterForm(irreps, tensor, legs=self.legs.legs)
        return FilterForm(irreps, blocks(irreps, tensor, shared=True), weighted=weighted)

    def error_bound(self, *, batch: int = 64, samples: int = 8, generator: torch.Generator | None = None) -> ErrorBound:
        """How far the factors are from the coupling, the equivariance error this allows, and the one measured.

        For the product without weights. See `cp_error.error_bound` for the formula and the arguments.
        """
        rows = [torch.tensor(rows_of_once(each)) for each in self._irreps()]
        tensor = self.coupling.tensor()[rows[0]][:, rows[1]][:, :, rows[2]]
        return error_bound(
            self._factors_of_rows(), tensor, self._irreps(), batch=batch, samples=samples, generator=generator
        )

    def _irreps(self) -> tuple[Irreps, Irreps, Irreps]:
        return self.irreps_in1, self.irreps_in2, self.irreps_out

    def _factors_of_rows(self) -> Factors:
        in1, in2, out = (self.tables.exact[name] for name in Factors._fields)
        return Factors(in1, in2, out)

    def extra_repr(self) -> str:
        """One line: the three types, the rank and the weights."""
        return f"{super().extra_repr()}, rank={self.rank}"


def _columns(factor: Float[Tensor, "rank dim"], x: Float[Tensor, "sample dim channel"]) -> Tensor:
    """A factor times all samples and channels side by side: one large product."""
    samples, dim, channels = x.shape
    return (factor @ x.movedim(1, 0).reshape(dim, samples * channels)).unflatten(1, (samples, channels))


def _times(one: Tensor, two: Tensor) -> Tensor:
    """The product of two; in the memory of the first where no derivative will need it."""
    spare = not torch.is_grad_enabled() and not torch.compiler.is_compiling() and one.shape[-1] >= two.shape[-1]
    return one.mul_(two) if spare else one * two


def _samples_at_once(x: Float[Tensor, "sample dim channel"], numbers: int) -> int:
    """Samples that stay in the cache, for so many numbers a sample; all of them where no cache is to be minded."""
    everything = x.device.type != "cpu" or torch.compiler.is_compiling()
    return max(len(x) if everything else CHUNK // max(numbers, 1), 1)
