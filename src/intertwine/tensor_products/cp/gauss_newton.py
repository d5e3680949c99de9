"""Least squares for three-factor forms of a tensor by damped Gauss-Newton steps; O(3) plays no part in the numbers.

Alternating sweeps crawl near an exact decomposition; these steps converge quadratically and end at rounding.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

LEGS = (0, 1, 2)
OTHERS = ((1, 2), (0, 2), (0, 1))
SMALLEST_DAMPING = 1e-13
DENSE = 1200
"""Unknown numbers up to which a step is solved directly."""
CONJUGATE_TOLERANCE = 1e-12
"""Of the squared residual of a step, in the metric of the preconditioner."""


class Factors(NamedTuple):
    """Three matrices of equal height whose rows, multiplied and added up, make a tensor of three axes.

        tensor[i, j, k] = sum_r in1[r, i] in2[r, j] out[r, k]

    Example:
        >>> Factors(*torch.eye(2).expand(3, 2, 2)).tensor().sum()
        tensor(2.)
    """

    in1: Float[Tensor, "rank dim1"]
    in2: Float[Tensor, "rank dim2"]
    out: Float[Tensor, "rank dim3"]

    @property
    def rank(self) -> int:
        """Number of terms."""
        return self.in1.shape[0]

    def tensor(self) -> Float[Tensor, "dim1 dim2 dim3"]:
        """The sum of all terms."""
        pairs = khatri_rao(self.in1, self.in2).T @ self.out
        return pairs.unflatten(0, (self.in1.shape[1], self.in2.shape[1]))

    def balanced(self) -> "Factors":
        """The same terms with the length of each shared equally among its three rows."""
        lengths = [factor.norm(dim=1, keepdim=True).clamp_min(1e-300) for factor in self]
        shared = (lengths[0] * lengths[1] * lengths[2]) ** (1 / 3)
        return Factors(*(factor * (shared / length) for factor, length in zip(self, lengths)))

    def amplification(self) -> float:
        """Sum of the lengths of all terms over the length of their sum: how much rounding grows, one at best."""
        lengths = self.in1.norm(dim=1) * self.in2.norm(dim=1) * self.out.norm(dim=1)
        return float(lengths.sum() / self.tensor().norm())

    def error(self, tensor: Float[Tensor, "dim1 dim2 dim3"]) -> float:
        """Frobenius distance to a tensor, over its norm."""
        return float((self.tensor() - tensor).norm() / tensor.norm())


def khatri_rao(one: Float[Tensor, "rank a"], two: Float[Tensor, "rank b"]) -> Float[Tensor, "rank ab"]:
    """All products of two rows of the same number."""
    return (one.unsqueeze(2) * two.unsqueeze(1)).flatten(1)


def unfoldings(tensor: Float[Tensor, "dim1 dim2 dim3"]) -> list[Tensor]:
    """The tensor as a matrix, each axis in turn against the two others."""
    return [tensor.movedim(leg, 0).flatten(1) for leg in LEGS]


def gauss_newton(
    tensor: Float[Tensor, "dim1 dim2 dim3"],
    start: Factors,
    *,
    penalty: float,
    tolerance: float,
    steps: int,
    inner: int = 200,
) -> Factors:
    r"""The factors nearest to a tensor of norm one that damped Gauss-Newton steps reach from a start.

        minimise  1/2 |tensor - factors.tensor()|^2 + penalty / 2 (|in1|^2 + |in2|^2 + |out|^2)

    Every step solves (J^T J + damping) step = -gradient, directly where it is small, else by conjugate gradients. J is
    never formed: J^T J needs the Gram matrices of the factors only. The damping follows the ratio of real and predicted
    gain.

    Args:
        penalty: keeps terms from growing against each other where no best approximation exists; zero for exact ones.
        tolerance: stop below this distance.
        steps, inner: largest numbers of steps and of conjugate gradients within one.
    """
    matrices = unfoldings(tensor)
    factors, value = start, _value(tensor, start, penalty)
    damping, stalled = 1e-3 * value**0.5, 0
    for _ in range(steps):
        grams = [factor @ factor.T for factor in factors]
        hessians = [grams[a] * grams[b] for a, b in OTHERS]
        gradient = [
            hessians[leg] @ factors[leg] - khatri_rao(factors[a], factors[b]) @ matrices[leg].T + penalty * factors[leg]
            for leg, (a, b) in enumerate(OTHERS)
        ]
        if sum(factor.numel() for factor in factors) <= DENSE:
            step = _solve_directly(factors, grams, hessians, gradient, damping + penalty)
        else:
            step = _solve_by_conjugate_gradients(factors, grams, hessians, gradient, damping + penalty, inner)
        moved = Factors(*(factor + change for factor, change in zip(factors, step)))
        reached = _value(tensor, moved, penalty)
        gain = (value - reached) / max(-_dot(gradient, step) / 2, 1e-300)
        if reached < value:
            stalled = stalled + 1 if value - reached < 1e-5 * value else 0
            factors, value = moved.balanced(), reached
            damping = max(damping / 4 if gain > 0.75 else damping, SMALLEST_DAMPING)
        if gain < 0.25:
            damping *= 3
        if damping > 1e3 or stalled >= 5 or float((tensor - factors.tensor()).norm()) < tolerance:
            break
    return factors


def _value(tensor: Tensor, factors: Factors, penalty: float) -> float:
    distance = (tensor - factors.tensor()).square().sum()
    return float(distance + penalty * sum(factor.square().sum() for factor in factors)) / 2


def _solve_directly(
    factors: Factors, grams: list[Tensor], hessians: list[Tensor], gradient: list[Tensor], damping: float
) -> list[Tensor]:
    """Cholesky's factorisation of J^T J, filled block by block."""
    rank, sides = factors.rank, [factor.shape[1] for factor in factors]
    rows = []
    for leg in LEGS:
        blocks = []
        for other in LEGS:
            if other == leg:
                eye = torch.eye(sides[leg], dtype=factors.in1.dtype)
                block = torch.einsum("rs,ij->risj", hessians[leg], eye)
            else:
                third = grams[3 - leg - other]
                block = torch.einsum("rs,si,rj->risj", third, factors[leg], factors[other])
            blocks.append(block.reshape(rank * sides[leg], rank * sides[other]))
        rows.append(torch.cat(blocks, 1))
    matrix, right = torch.cat(rows), -torch.cat([part.flatten() for part in gradient])
    parts = (
        torch.cholesky_solve(right.unsqueeze(1), _lower(matrix, damping))
        .squeeze(1)
        .split([rank * side for side in sides])
    )
    return [part.unflatten(0, (rank, side)) for part, side in zip(parts, sides)]


def _solve_by_conjugate_gradients(
    factors: Factors, grams: list[Tensor], hessians: list[Tensor], gradient: list[Tensor], damping: float, inner: int
) -> list[Tensor]:
    """Preconditioned with the blocks of each leg."""
    blocks = [_lower(hessian, damping) for hessian in hessians]

    def precondition(vector: list[Tensor]) -> list[Tensor]:
        return [torch.cholesky_solve(part, block) for part, block in zip(vector, blocks)]

    def apply(vector: list[Tensor]) -> list[Tensor]:
        crossed = [part @ factor.T for part, factor in zip(vector, factors)]
        return [
            hessians[leg] @ vector[leg]
            + (crossed[a] * grams[b] + crossed[b] * grams[a]).T @ factors[leg]
            + damping * vector[leg]
            for leg, (a, b) in enumerate(OTHERS)
        ]

    solution = [torch.zeros_like(part) for part in gradient]
    residual = [-part for part in gradient]
    preconditioned = precondition(residual)
    direction, size = preconditioned, _dot(residual, preconditioned)
    first = size
    for _ in range(inner):
        applied = apply(direction)
        length = size / _dot(direction, applied)
        solution = [a + length * b for a, b in zip(solution, direction)]
        residual = [a - length * b for a, b in zip(residual, applied)]
        preconditioned = precondition(residual)
        size, before = _dot(residual, preconditioned), size
        if size <= CONJUGATE_TOLERANCE * first:
            break
        direction = [a + (size / before) * b for a, b in zip(preconditioned, direction)]
    return solution


def _lower(matrix: Tensor, damping: float) -> Tensor:
    """Cholesky's factor of a matrix with damping; with more of it where rounding hides a small one."""
    eye = torch.eye(len(matrix), dtype=matrix.dtype)
    lower, failed = torch.linalg.cholesky_ex(matrix + damping * eye)
    while failed and damping < 1:
        damping *= 10
        lower, failed = torch.linalg.cholesky_ex(matrix + damping * eye)
    return lower


def _dot(one: list[Tensor], two: list[Tensor]) -> float:
    return float(sum((a * b).sum() for a, b in zip(one, two)))
