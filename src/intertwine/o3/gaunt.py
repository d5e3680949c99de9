"""Integrals of three harmonics, unchanged by O(3) on their `dim` axes; adds the product and bracket of functions."""

import math
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.o3.clebsch_gordan import check_triangle, complex_clebsch_gordan, wigner_3j


def gaunt(
    l1: int, l2: int, l3: int, *, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None
) -> Float[Tensor, "dim1 dim2 dim3"]:
    r"""Integral over the sphere of three real harmonics in the "integral" normalization.

        gaunt[m1, m2, m3] = int Y^l1_m1 Y^l2_m2 Y^l3_m3 = gaunt_factor(l1, l2, l3) wigner_3j(l1, l2, l3)

    It expands the product of two functions on the sphere. Zero when l1 + l2 + l3 is odd: see `poisson_bracket`.
    Raises `IrrepsError` unless |l1 - l2| <= l3 <= l1 + l2.

    Example:
        >>> gaunt(1, 1, 0)[:, :, 0].diagonal() * (4 * torch.pi) ** 0.5
        tensor([1.0000, 1.0000, 1.0000], dtype=torch.float64)
    """
    return gaunt_factor(l1, l2, l3) * wigner_3j(l1, l2, l3, dtype=dtype, device=device)


def poisson_bracket(
    l1: int, l2: int, l3: int, *, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None
) -> Float[Tensor, "dim1 dim2 dim3"]:
    r"""Integral over the sphere of a harmonic times the Poisson bracket of two others, "integral" normalization.

        poisson_bracket[m1, m2, m3] = int Y^l3_m3  r . (grad Y^l1_m1 x grad Y^l2_m2)
                                    = bracket_factor(l1, l2, l3) wigner_3j(l1, l2, l3)

    with tangential gradients on the unit sphere. It is antisymmetric in the first two, and reaches exactly the odd
    paths that `gaunt` misses: (l1, l2, l3) = (1, 1, 1) is the cross product. As the gradient flips with the point, the
    inversion acts on the bracket with p1 p2 as it does on the Clebsch-Gordan product.
    Raises `IrrepsError` unless |l1 - l2| <= l3 <= l1 + l2.

    Example:
        >>> poisson_bracket(1, 1, 1)[0, 1, 2] > 0, poisson_bracket(1, 1, 2).abs().max()
        (tensor(True), tensor(0., dtype=torch.float64))
    """
    return bracket_factor(l1, l2, l3) * wigner_3j(l1, l2, l3, dtype=dtype, device=device)


def gaunt_factor(l1: int, l2: int, l3: int) -> float:
    r"""Number by which `gaunt` differs from `wigner_3j`; zero when l1 + l2 + l3 is odd.

        gaunt_factor = sqrt( (2 l1 + 1)(2 l2 + 1)(2 l3 + 1) / 4 pi )  wigner_3j[m = 0, 0, 0]

    Example:
        >>> round(gaunt_factor(1, 1, 2), 4), gaunt_factor(1, 1, 1)
        (0.691, 0.0)
    """
    check_triangle(l1, l2, l3, "gaunt_factor")
    return _root(l1, l2, l3) * _at_the_pole(l1, l2, l3)


@cache
def _at_the_pole(l1: int, l2: int, l3: int) -> float:
    """wigner_3j[m = 0, 0, 0], by Racah's closed form; the real coupling is never negative there."""
    total, f = l1 + l2 + l3, math.factorial
    if total % 2:
        return 0.0
    half = total // 2
    root = math.sqrt(f(total - 2 * l1) * f(total - 2 * l2) * f(total - 2 * l3) / f(total + 1))
    return root * (f(half) / (f(half - l1) * f(half - l2) * f(half - l3)))


@cache
def bracket_factor(l1: int, l2: int, l3: int) -> float:
    r"""Number by which `poisson_bracket` differs from `wigner_3j`; zero when l1 + l2 + l3 is even.

        bracket_factor = (-1)^((l1 + l2 + l3 + 1) / 2)  sqrt( (2 l1 + 1)(2 l2 + 1)(2 l3 + 1) / 4 pi )
                         sqrt( l1 (l1 + 1) l2 (l2 + 1) )  3j(l1 l2 l3; 1 -1 0)

    from the product of two gradients as functions of spin weight +1 and -1. Not zero on any odd path with l1, l2 >= 1.

    Example:
        >>> round(bracket_factor(1, 1, 1), 4), bracket_factor(1, 1, 2)
        (1.1968, 0.0)
    """
    check_triangle(l1, l2, l3, "bracket_factor")
    if (l1 + l2 + l3) % 2 == 0:
        return 0.0
    if l1 == 0 or l2 == 0:
        return 0.0
    gradients = math.sqrt(l1 * (l1 + 1) * l2 * (l2 + 1))
    coupled = (-1) ** (l1 - l2) * complex_clebsch_gordan(l1, l2, l3)[l1 + 1, l2 - 1, l3] / math.sqrt(2 * l3 + 1)
    # the sign comes from the powers of i that make the real couplings real
    return (-1) ** ((l1 + l2 + l3 + 1) // 2) * _root(l1, l2, l3) * gradients * float(coupled)


def _root(l1: int, l2: int, l3: int) -> float:
    return math.sqrt((2 * l1 + 1) * (2 * l2 + 1) * (2 * l3 + 1) / (4 * math.pi))
