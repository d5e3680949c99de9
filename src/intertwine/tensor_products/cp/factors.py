"""Coupling tensors as short sums of products of three vectors, found by alternating least squares; O(3) acts on `dim`.

The fit knows numbers only. What it leaves over of the coupling tensor is what a `CP` product breaks of the symmetry.
"""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.o3.irreps import IrrepsError
from intertwine.tensor_products.cp.gauss_newton import (
    DENSE,
    LEGS,
    OTHERS,
    Factors,
    gauss_newton,
    khatri_rao,
    unfoldings,
)

EXACT = 1e-12
"""Relative error that counts as none."""
PENALTY = 1e-5
"""On the squared length of the factors, for a tensor of norm one, where no exact form is found."""
LARGEST_AMPLIFICATION = 50.0
"""Of an approximation; beyond it, terms cancel each other and rounding grows."""
SWEEPS, STEPS, INNER = 200, 150, 200
"""Of one start."""


def fit(
    tensor: Float[Tensor, "dim1 dim2 dim3"],
    rank: int,
    *,
    seed: int = 0,
    restarts: int = 4,
    tolerance: float = EXACT,
    steps: int = STEPS,
    quick: bool = False,
) -> Factors:
    r"""The best sum of `rank` products of three vectors that a few random starts find for a tensor.

        tensor[i, j, k]  ~  sum_r in1[r, i] in2[r, j] out[r, k]

    Each start: alternating least squares, one leg at a time with a proximal term that fades; then damped Gauss-Newton
    steps, once with a small penalty on the length of the factors and on without it, once without it from the beginning.
    Below the rank of a tensor a best approximation need not exist, and terms may grow against each other without end:
    such results are left aside. No start finds the best for sure: errors are upper bounds, and so is every rank called
    exact.

    Deterministic for a seed, on one machine and number of threads.

    Args:
        rank: number of terms.
        seed: of the first start; the others follow.
        restarts: number of starts; fewer are taken when one comes below the tolerance.
        tolerance: relative Frobenius error that ends the search.
        steps: largest number of Gauss-Newton steps; the last few terms of an exact form may take many.
        quick: without the penalised steps, as long as terms do not grow; finds exact forms as well, but less tame ones.

    Raises:
        IrrepsError: rank or restarts below one, or a tensor of zeros.

    Example:
        >>> from intertwine.o3.clebsch_gordan import wigner_3j
        >>> cross = wigner_3j(1, 1, 1)
        >>> [f"{fit(cross, rank).error(cross):.3f}" for rank in (3, 4)]
        ['0.577', '0.408']
        >>> fit(cross, 5).error(cross) < 1e-12
        True

    Reference: Kolda, Bader, 2009, Tensor Decompositions and Applications, section 3.4; Lin et al., 2025 (TDN).
    """
    norm = float(tensor.norm())
    if rank < 1 or restarts < 1 or not norm:
        raise IrrepsError(
            f"fit: expected rank and restarts of at least 1 and a tensor that is not zero, came rank={rank}, "
            f"restarts={restarts} and a tensor of norm {norm:g}."
        )
    unit = tensor.to(torch.float64) / norm
    best = None
    for start in range(restarts):
        found = _one_start(unit, rank, seed + start, tolerance, steps, quick)
        if best is None or found.error(unit) < best.error(unit):
            best = found
        if best.error(unit) <= tolerance:
            break
    assert best is not None
    return Factors(*(factor * norm ** (1 / 3) for factor in best))


def tamest(
    tensor: Float[Tensor, "dim1 dim2 dim3"], rank: int, *, seed: int = 0, starts: int = 4, steps: int = STEPS
) -> Factors:
    """Of a few starts the nearest to a tensor, and of those that are exact the one that amplifies rounding least."""
    found = [fit(tensor, rank, seed=seed + start, restarts=1, steps=steps) for start in range(starts)]
    return min(found, key=lambda each: (max(each.error(tensor), EXACT / 10), each.amplification()))


def smallest(tensor: Float[Tensor, "dim1 dim2 dim3"], tolerance: float = EXACT, *, seed: int = 0) -> Factors:
    """Factors of the smallest rank that comes within a relative error of a tensor, found by bisection over ranks.

    A tensor of generic numbers has the rank that `generic_rank` counts; the search goes up from there where one start
    fails, down to the largest side where it succeeds. Ends for sure: the trivial form, one term for each pair of
    components, is always exact.
    """
    low, high, found = max(tensor.shape) // 2, generic_rank(tensor.shape), None
    while found is None:
        attempt = (
            trivial(tensor)
            if high >= trivial_rank(tensor.shape)
            else fit(tensor, high, seed=seed, restarts=2, tolerance=tolerance, quick=True)
        )
        if attempt.error(tensor) <= tolerance:
            found = attempt
        else:
            low, high = high, high + max(1, high // 12)
    while found.rank - low > 1:
        middle = (low + found.rank) // 2
        attempt = fit(tensor, middle, seed=seed, restarts=2, tolerance=tolerance, quick=True)
        if attempt.error(tensor) <= tolerance:
            found = attempt
        else:
            low = middle
    if tolerance > EXACT or found.rank == trivial_rank(tensor.shape):
        return found
    tame = tamest(tensor, found.rank, seed=seed)
    return tame if tame.error(tensor) <= tolerance else found


def generic_rank(shape: tuple[int, ...]) -> int:
    """Terms that have as many free numbers as a tensor has entries: the rank of almost every tensor over C.

    Example:
        >>> [generic_rank((d, d, d)) for d in (4, 9, 16, 25)]
        [7, 30, 90, 215]
    """
    count = -(-math.prod(shape) // max(sum(shape) - 2, 1))
    return max(1, min(count, trivial_rank(shape)))


def trivial_rank(shape: tuple[int, ...]) -> int:
    """Terms of the trivial form: one for every pair of components of the two smallest legs."""
    small, medium, _ = sorted(shape)
    return small * medium


def trivial(tensor: Float[Tensor, "dim1 dim2 dim3"]) -> Factors:
    """One term for every pair of components of the two smallest legs: always exact."""
    long = max(LEGS, key=lambda leg: tensor.shape[leg])
    a, b = OTHERS[long]
    factors: list[Tensor] = [tensor] * 3
    factors[a] = torch.eye(tensor.shape[a], dtype=tensor.dtype).repeat_interleave(tensor.shape[b], 0)
    factors[b] = torch.eye(tensor.shape[b], dtype=tensor.dtype).repeat(tensor.shape[a], 1)
    factors[long] = unfoldings(tensor)[long].T.contiguous()
    return Factors(*factors)


def seconds(shape: tuple[int, ...], rank: int, *, starts: int = 4, flops: float = 2e10) -> float:
    """An upper estimate of the time of `fit` on a core that does so many floating-point operations a second."""
    unknown, block = rank * sum(shape), rank**2 * sum(shape)
    step = unknown**3 / 3 if unknown <= DENSE else INNER * 8 * block
    return 2.5 * starts * STEPS * (step / flops + 1e-3)


def _one_start(unit: Tensor, rank: int, seed: int, tolerance: float, steps: int, quick: bool) -> Factors:
    swept = _sweeps(unit, rank, seed)
    penalised = None if quick else _penalised(unit, swept, tolerance, steps)
    found = []
    for start in (swept,) if penalised is None else (penalised, swept):
        bare = gauss_newton(unit, start, penalty=0.0, tolerance=tolerance / 100, steps=steps, inner=INNER)
        if bare.error(unit) <= EXACT:
            return bare
        if bare.amplification() <= LARGEST_AMPLIFICATION:
            found.append(bare)
    found += [_penalised(unit, swept, tolerance, steps) if penalised is None else penalised]
    return min(found, key=lambda each: each.error(unit))


def _penalised(unit: Tensor, start: Factors, tolerance: float, steps: int) -> Factors:
    return gauss_newton(unit, start, penalty=PENALTY, tolerance=tolerance, steps=steps // 2, inner=INNER)


def _sweeps(unit: Tensor, rank: int, seed: int) -> Factors:
    """Alternating least squares from a random start: solve for one leg, keep the others, in turns."""
    matrices = unfoldings(unit)
    factors = list(_random(unit, rank, seed))
    for proximal in _fading(1e-1, 0.97, SWEEPS):
        for leg, (a, b) in enumerate(OTHERS):
            hessian = (factors[a] @ factors[a].T) * (factors[b] @ factors[b].T)
            pull = proximal * hessian.diagonal().mean()
            right = khatri_rao(factors[a], factors[b]) @ matrices[leg].T + pull * factors[leg]
            hessian.diagonal().add_(pull)
            factors[leg] = torch.cholesky_solve(right, torch.linalg.cholesky(hessian))
        factors = list(Factors(*factors).balanced())
    return Factors(*factors)


def _random(unit: Tensor, rank: int, seed: int) -> Factors:
    generator = torch.Generator().manual_seed(seed)
    draws = [torch.randn(rank, side, generator=generator, dtype=torch.float64) / side**0.5 for side in unit.shape]
    return Factors(*draws)


def _fading(first: float, ratio: float, count: int) -> Iterator[float]:
    return (first * ratio**step for step in range(count))
