"""How large powers and brackets of one random function on the sphere are: numbers that O(3) leaves alone, by degree."""

from itertools import permutations
from math import comb, factorial, pi

import numpy as np
import torch
from numpy.polynomial.legendre import leggauss, legvander

from intertwine.o3.clebsch_gordan import wigner_3j
from intertwine.o3.gaunt import bracket_factor
from intertwine.o3.irreps import Irreps


def power_moment(irreps: Irreps, order: int, l: int) -> float:
    r"""Second moment of a component of degree `l` of f_1 f_2 ... f_order, where all f_k = S(v_k x) share one x.

    x and the weights v_k per entry are independent N(0, 1). At two points of angle arccos(u) the entries of x give
    independent Gaussian pairs (A_i, B_i) of variance s_i = (2 l_i + 1) / 4 pi and correlation P_i(u), so that

        E[ f_1 ... f_n (r)  f_1 ... f_n (r') ] = E[ (sum_i A_i B_i)^n ] =: K_n(u)
        cumulant_k of sum_i A_i B_i = sum_i (k-1)!/2 s_i^k ( (P_i + 1)^k + (P_i - 1)^k )
        moment = 2 pi int K_n(u) P_l(u) du

    Example:
        >>> round(power_moment(Irreps("0e+1o"), 1, 1), 12), round(power_moment(Irreps("1o"), 2, 0) * 4 * pi, 12)
        (1.0, 15.0)
    """
    u, weight = leggauss((order * irreps.lmax + l) // 2 + 1)
    legendre = legvander(u, max(irreps.lmax, l)).T
    cumulants = [np.zeros_like(u) for _ in range(order + 1)]
    for k in range(1, order + 1):
        for ir in irreps:
            scale = factorial(k - 1) / 2 * (ir.dim / (4 * pi)) ** k
            cumulants[k] += scale * ((legendre[ir.l] + 1) ** k + (legendre[ir.l] - 1) ** k)
    moments = [np.ones_like(u)]
    for n in range(1, order + 1):
        moments.append(sum((comb(n - 1, k - 1) * cumulants[k] * moments[n - k] for k in range(1, n + 1)), 0 * u))
    return float(2 * pi * (weight * moments[order] * legendre[l]).sum())


def double_bracket_moment(irreps: Irreps, l: int) -> float:
    r"""Second moment of a component of degree `l` of {{f_1, f_2}, f_3}, where all f_k = S(v_k x) share one x.

    A sum over the entries i, j, k of x that the three legs read. Entries i = j give zero, as {f, f} = 0. Three
    different ones give the squared norm of a trilinear form T; k = i (and, the same, k = j) adds pairings of its slots:

        sum T_abc^2 + T_abc T_cba + sum_b (sum_a T_aba)^2

    Example:
        >>> double_bracket_moment(Irreps("0e+1o"), 1), double_bracket_moment(Irreps("1o+2e"), 1) > 0
        (0.0, True)
    """
    total = 0.0
    for i, j in permutations(irreps.degrees, 2):
        inner = {n: bracket_factor(i, j, n) for n in range(abs(i - j), i + j + 1)}
        for k in irreps.degrees:
            for n, factor in inner.items():
                if abs(n - k) <= l <= n + k:
                    total += (factor * bracket_factor(n, k, l)) ** 2 / (2 * n + 1)
        form = torch.zeros(2 * i + 1, 2 * j + 1, 2 * i + 1, 2 * l + 1, dtype=torch.float64)
        for n, factor in inner.items():
            if abs(n - i) <= l <= n + i:
                scale = factor * bracket_factor(n, i, l)
                form += scale * torch.einsum("abn,ncm->abcm", wigner_3j(i, j, n), wigner_3j(n, i, l))
        crossed = torch.einsum("abcm,cbam->", form, form) + torch.einsum("abam->bm", form).square().sum()
        total += 2 * float(crossed)
    return total / (2 * l + 1)
