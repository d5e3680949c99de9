"""Weights for two bases of the same symmetric contractions: the span is compared before anything is timed.

O(3) acts on the result; the weights stand for equivariant polynomials, and each library has a basis of its own.
"""

import numpy as np

WORST = 1e-5
"""Largest part of our basis, relative to its size, that the other side may be unable to write."""


class DifferentSpan(ValueError):
    """The two sides do not have the same couplings, so that there is nothing to compare."""


def change_of_basis(theirs: np.ndarray, ours: np.ndarray, *, wider: bool = False) -> np.ndarray:
    r"""The matrix M with  ours[p] = sum over q of M[q, p] theirs[q],  so that  weight_theirs = M weight_ours.

    Gradients go the other way: gradient_ours = M^T gradient_theirs. Where their basis is redundant, M is the smallest.

    Args:
        theirs, ours: `[weight, sample, dim]`, what each weight alone gives on the same samples.
        wider: they may have couplings that we lack.

    Raises:
        DifferentSpan: they lack a polynomial that we have, or have one that we lack.

    Example:
        >>> ours = np.array([[[1.0], [0.0]], [[0.0], [1.0]]])
        >>> change_of_basis(np.concatenate([2 * ours, ours]), ours).round(3).tolist()
        [[0.4, 0.0], [0.0, 0.4], [0.2, 0.0], [0.0, 0.2]]
    """
    a, b = (each.reshape(len(each), -1).T for each in (theirs, ours))
    matrix, _, rank, _ = np.linalg.lstsq(a, b, rcond=1e-6)
    missing = np.linalg.norm(a @ matrix - b) / np.linalg.norm(b)
    if missing > WORST:
        raise DifferentSpan(f"the other side cannot write {missing:.1e} of our couplings")
    if not wider and rank != np.linalg.matrix_rank(b, tol=1e-6 * np.linalg.norm(b)):
        raise DifferentSpan(f"the other side has {rank} independent couplings, ours {len(ours)}")
    return matrix
