"""Coupling coefficients: the tensor of three `dim` axes that no element of O(3) changes; adds them for any degree."""

import math
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.o3.irreps import IrrepsError


def wigner_3j(
    l1: int, l2: int, l3: int, *, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None
) -> Float[Tensor, "dim1 dim2 dim3"]:
    r"""The tensor of three real irreps that no rotation changes, of Frobenius norm one.

        sum_{m1 m2 m3} w[m1, m2, m3] D^l1[n1, m1] D^l2[n2, m2] D^l3[n3, m3] = w[n1, n2, n3]

    It is unique up to its sign, which is that of e3nn 0.6. Coupling `x` and `y` to degree l3 by
    `einsum("ijk,i,j->k", w, x, y)` and multiplying by sqrt(2 l3 + 1) gives the usual Clebsch-Gordan product.
    Forbidden entries are exactly zero. Correct to a few units in the last place at any degree, because the sums
    behind it are done in whole numbers; computed once and cached.

    Raises `IrrepsError` unless |l1 - l2| <= l3 <= l1 + l2.

    Example:
        >>> wigner_3j(1, 1, 1)[0, 1, 2] * 6**0.5          # x, y -> z: the cross product
        tensor(1., dtype=torch.float64)

    Reference: Racah, 1942, Phys. Rev. 62, 438, equation (16).
    """
    return torch.tensor(real_wigner_3j(l1, l2, l3), dtype=dtype, device=device)


def check_triangle(l1: int, l2: int, l3: int, function: str) -> None:
    """Raise `IrrepsError` unless three degrees can couple."""
    if min(l1, l2, l3) < 0 or not abs(l1 - l2) <= l3 <= l1 + l2:
        raise IrrepsError(
            f"{function}: degrees {l1} and {l2} reach |l1 - l2| <= l3 <= l1 + l2 with l >= 0, came l3 = {l3}. "
            f"Choose l3 in that range."
        )


@cache
def real_wigner_3j(l1: int, l2: int, l3: int) -> np.ndarray:
    """`wigner_3j` as a read-only numpy array."""
    check_triangle(l1, l2, l3, "wigner_3j")
    complex_basis = complex_clebsch_gordan(l1, l2, l3) / math.sqrt(2 * l3 + 1)
    q1, q2, q3 = (real_to_complex(l) for l in (l1, l2, l3))
    coupled = np.einsum("abc,ai->ibc", complex_basis, q1)
    coupled = np.einsum("ibc,bj->ijc", coupled, q2)
    tensor = np.einsum("ijc,ck->ijk", coupled, q3.conj()).real * selection_rules(l1, l2, l3)
    tensor.setflags(write=False)
    return tensor


def selection_rules(l1: int, l2: int, l3: int) -> np.ndarray:
    """Where a real coupling tensor may differ from zero.

    Azimuthal orders add or subtract, and the number of sines (m < 0) is even exactly when l1 + l2 + l3 is.
    """
    m1, m2, m3 = np.ix_(*(np.arange(-l, l + 1) for l in (l1, l2, l3)))
    orders = (abs(m3) == abs(m1) + abs(m2)) | (abs(m3) == abs(abs(m1) - abs(m2)))
    sines = (m1 < 0).astype(int) + (m2 < 0) + (m3 < 0)
    return orders & (sines % 2 == (l1 + l2 + l3) % 2)


@cache
def complex_clebsch_gordan(l1: int, l2: int, l3: int) -> np.ndarray:
    """<l1 m1 l2 m2 | l3 m3> with Condon and Shortley's signs, as a read-only array [2 l1 + 1, 2 l2 + 1, 2 l3 + 1].

    Racah's sum over products of three binomials is an integer, and so is every factor under the root: nothing
    cancels in floating point.
    """
    check_triangle(l1, l2, l3, "clebsch_gordan")
    factorial = _factorials(l1 + l2 + l3 + 1)
    a, b, c = l1 + l2 - l3, l1 - l2 + l3, -l1 + l2 + l3
    rows_a, rows_b, rows_c = ([math.comb(n, k) for k in range(n + 1)] for n in (a, b, c))
    # prefactor^2 = (2 l3 + 1) prod (l_i + m_i)! (l_i - m_i)! / ( (l1 + l2 + l3 + 1)! a! b! c! )
    below = factorial[l1 + l2 + l3 + 1] * factorial[a] * factorial[b] * factorial[c]
    table = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1))
    mirror = (-1) ** a
    for m1 in range(-l1, l1 + 1):
        for m2 in range(max(-l2, -l3 - m1), min(l2, -m1) + 1):  # m3 <= 0; the rest by symmetry
            m3 = m1 + m2
            lowest = max(0, l1 - m1 - b, l2 + m2 - c)
            highest = min(a, l1 - m1, l2 + m2)
            total = 0
            for k in range(lowest, highest + 1):
                term = rows_a[k] * rows_b[l1 - m1 - k] * rows_c[l2 + m2 - k]
                total += -term if k % 2 else term
            above = (2 * l3 + 1) * total * total
            for l, m in ((l1, m1), (l2, m2), (l3, m3)):
                above *= factorial[l + m] * factorial[l - m]
            value = math.copysign(math.sqrt(above / below), total) if total else 0.0
            table[l1 + m1, l2 + m2, l3 + m3] = value
            table[l1 - m1, l2 - m2, l3 - m3] = mirror * value
    table.setflags(write=False)
    return table


@cache
def real_to_complex(l: int) -> np.ndarray:
    """Unitary matrix [complex m, real m]: complex harmonics from real ones, times (-i)^l to keep couplings real.

    Rows follow Condon and Shortley; column m < 0 is the sine, m > 0 the cosine, of |m| times the azimuth.
    """
    matrix = np.zeros((2 * l + 1, 2 * l + 1), dtype=complex)
    matrix[l, l] = 1
    half = math.sqrt(0.5)
    for m in range(1, l + 1):
        matrix[l - m, l + m], matrix[l - m, l - m] = half, -1j * half
        matrix[l + m, l + m], matrix[l + m, l - m] = (-1) ** m * half, (-1) ** m * 1j * half
    return (-1j) ** l * matrix


@cache
def _factorials(n: int) -> list[int]:
    return [math.factorial(k) for k in range(n + 1)]
