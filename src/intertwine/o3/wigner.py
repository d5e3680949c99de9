"""Wigner matrices: O(3) acts by them on the `dim` axis of an irrep; adds any degree, differentiable in the rotation."""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.o3.grid import smallest_grid
from intertwine.o3.irreps import Irrep
from intertwine.o3.rotation import angles_to_matrix, quaternion_to_matrix
from intertwine.o3.spherical_harmonics import spherical_harmonics
from intertwine.o3.traced_constant import traced_constant


def wigner_d(l: int | Irrep | str, r: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch dim dim"]:
    r"""Matrix of an orthogonal 3 x 3 matrix on the harmonics of degree l.

        Y(R x) = D(R) Y(x),      D(R) = sum_q w_q Y(R x_q) Y(x_q)^T

    The sum over a sphere grid exact for degree 2 l is the integral itself, so D is exact up to rounding at any degree,
    polynomial in R, and has no singular direction. In e3nn's basis: D of degree 1 is R.

    A number l takes the proper part, R det(R), of a matrix with a reflection; an irrep ("1o") multiplies by its
    parity where det(R) < 0. R is trusted to be orthogonal.

    Example:
        >>> from intertwine.o3.rotation import random_rotation
        >>> r = random_rotation(dtype=torch.float64)
        >>> torch.allclose(wigner_d(1, r), r), torch.allclose(wigner_d("1o", -r), -r)
        (True, True)
    """
    irrep = Irrep.parse(l) if isinstance(l, str) else l
    degree = irrep.l if isinstance(irrep, Irrep) else irrep
    sign = determinant_sign(r)
    matrix = wigner_blocks(degree, r * sign[..., None, None], (degree,))[0]
    return matrix * sign[..., None, None] if isinstance(irrep, Irrep) and irrep.p == -1 else matrix


def wigner_d_from_quaternion(l: int | Irrep | str, q: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch dim dim"]:
    """`wigner_d` of the rotation of a quaternion (w, x, y, z).

    Example:
        >>> wigner_d_from_quaternion(2, torch.tensor([1.0, 0.0, 0.0, 0.0])).shape
        torch.Size([5, 5])
    """
    return wigner_d(l, quaternion_to_matrix(q))


def wigner_d_from_angles(
    l: int | Irrep | str,
    alpha: Float[Tensor, "*#batch"],
    beta: Float[Tensor, "*#batch"],
    gamma: Float[Tensor, "*#batch"],
) -> Float[Tensor, "*#batch dim dim"]:
    """`wigner_d` of R_y(alpha) R_x(beta) R_y(gamma), radians.

    Example:
        >>> wigner_d_from_angles(2, *torch.zeros(3)).diagonal().round()
        tensor([1., 1., 1., 1., 1.])
    """
    return wigner_d(l, angles_to_matrix(alpha, beta, gamma))


def wigner_blocks(lmax: int, r: Float[Tensor, "*batch 3 3"], degrees: tuple[int, ...]) -> list[Tensor]:
    """Wigner matrices of several degrees up to `lmax` for proper rotations, with the harmonics computed once."""
    points, weighted = _samples(lmax, r.dtype, r.device)
    moved = spherical_harmonics(range(lmax + 1), points @ r.mT, normalize=False)  # [*batch, point, dim]
    blocks = {}
    for l in set(degrees):
        rows = slice(l * l, (l + 1) ** 2)
        blocks[l] = moved[..., rows].mT @ weighted[:, rows]
    return [blocks[l] for l in degrees]


def determinant_sign(r: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """+1 for rotations, -1 where a reflection is involved."""
    a, b, c = r.detach().unbind(-2)
    return torch.where((a * torch.linalg.cross(b, c)).sum(-1) < 0, -1.0, 1.0).to(r.dtype)


def _samples(lmax: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    if torch.compiler.is_compiling():
        points, weighted = (torch.tensor(each, dtype=dtype, device=device) for each in _sampled_numbers(lmax))
        return points, weighted
    return _kept_samples(lmax, dtype, device)


@traced_constant
def _sampled_numbers(lmax: int) -> list:
    return [each.tolist() for each in _kept_samples(lmax, torch.float64, torch.device("cpu"))]


@cache
def _kept_samples(lmax: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):  # a cached inference tensor could not be used for training later
        grid = smallest_grid(2 * lmax)
        weighted = grid.weights[:, None] * spherical_harmonics(range(lmax + 1), grid.points, normalize=False)
        return grid.points.to(dtype=dtype, device=device), weighted.to(dtype=dtype, device=device)
