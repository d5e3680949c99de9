"""What a decomposed product leaves over of its coupling tensor, and how far that takes it from commuting with O(3)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.groups.classical import O
from intertwine.groups.error import equivariance_error
from intertwine.o3.irreps import Irreps
from intertwine.o3.representation import IrrepsRepresentation
from intertwine.tensor_products.cp.gauss_newton import Factors, unfoldings


@dataclass(frozen=True)
class ErrorBound:
    """How far a `CP` product is from the coupling it stands for, and from commuting with O(3)."""

    rank: int
    """Terms of the factors."""
    relative: float
    """Frobenius norm of what the factors leave over, over that of the coupling tensor."""
    bound: float
    """Largest equivariance error that this leaves room for on the inputs of `measured`."""
    measured: float
    """`equivariance_error` on random inputs of unit variance: the largest difference."""
    typical: float
    """The same with the root mean square of the differences in place of the largest."""
    amplification: float
    """Growth of rounding errors, see `Factors.amplification`."""


def error_bound(
    factors: Factors,
    tensor: Float[Tensor, "dim1 dim2 dim3"],
    irreps: tuple[Irreps, Irreps, Irreps],
    *,
    batch: int = 64,
    samples: int = 8,
    generator: torch.Generator | None = None,
) -> ErrorBound:
    r"""The error of factors of an invariant tensor, what it can do to equivariance, and what it does on random inputs.

    With E what the factors leave over of the tensor, and |E| the smallest spectral norm of its unfoldings,

        | f(g x, g y) - g f(x, y) | = | E(g x, g y) - g E(x, y) |  <=  2 |E| |x| |y|

    Both numbers in the unit of `equivariance_error`: largest difference, relative to the root mean square of f. TDN
    bounds |E| by the singular values that a Tucker form cuts off; here E is known, so the bound is much tighter. Both
    are in float64 and leave out the rounding of the product in other precisions.

    Args:
        tensor: one that the three irreps leave alone.
        batch: number of random pairs x, y.
        samples: number of random elements of O(3).
        generator: for both; a fixed seed where left out.

    Reference: Lin et al., 2025, Tensor Decomposition Networks (TDN), bound on the equivariance error.
    """
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    left_over = factors.tensor() - tensor

    def product(x: Tensor, y: Tensor) -> Tensor:
        return factors.out.T @ ((factors.in1 @ x) * (factors.in2 @ y))

    x, y = (torch.randn(batch, each.dim, 1, generator=generator, dtype=torch.float64) for each in irreps[:2])
    rep1, rep2, rep3 = (IrrepsRepresentation(each) for each in irreps)
    measured = equivariance_error(product, [x, y], [rep1, rep2], rep3, O(3), samples=samples, generator=generator)
    turned = [
        (product(rep1.act(g, x), rep2.act(g, y)), rep3.act(g, product(x, y)))
        for g in O(3).sample(samples, generator=generator, dtype=torch.float64)
    ]
    typical = sum(float((after - before).square().mean()) for after, before in turned) / samples
    spectral = min(float(torch.linalg.matrix_norm(each, 2)) for each in unfoldings(left_over))
    largest = float((x.norm(dim=-2) * y.norm(dim=-2)).max())
    size = float(product(x, y).square().mean().sqrt())
    return ErrorBound(
        rank=factors.rank,
        relative=float(left_over.norm() / tensor.norm()),
        bound=2 * spectral * largest / size,
        measured=measured,
        typical=typical**0.5 / size,
        amplification=factors.amplification(),
    )
