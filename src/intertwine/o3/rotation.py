"""Rotations of space acting on coordinates x, y, z; adds angles, quaternions and axes to matrices, and random draws."""

import torch
from jaxtyping import Float
from torch import Tensor

from intertwine.groups.haar import standard_normal


def angles_to_matrix(
    alpha: Float[Tensor, "*#batch"], beta: Float[Tensor, "*#batch"], gamma: Float[Tensor, "*#batch"]
) -> Float[Tensor, "*#batch 3 3"]:
    """R = R_y(alpha) R_x(beta) R_y(gamma), the Euler angles of e3nn, in radians.

    The image of the polar axis y has colatitude beta and azimuth alpha, counted from z towards x.

    Example:
        >>> angles_to_matrix(torch.tensor(0.0), torch.tensor(torch.pi / 2), torch.tensor(0.0)).round()
        tensor([[ 1.,  0.,  0.],
                [ 0., -0., -1.],
                [ 0.,  1., -0.]])
    """
    alpha, beta, gamma = torch.broadcast_tensors(alpha, beta, gamma)
    return rotation_about_y(alpha) @ rotation_about_x(beta) @ rotation_about_y(gamma)


def rotation_about_y(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Turns z towards x, radians."""
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([c, zero, s, zero, one, zero, -s, zero, c], -1).unflatten(-1, (3, 3))


def rotation_about_x(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Turns y towards z, radians."""
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([one, zero, zero, zero, c, -s, zero, s, c], -1).unflatten(-1, (3, 3))


def quaternion_to_matrix(q: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation of a quaternion (w, x, y, z) of any length but zero; q and -q give the same matrix.

    Example:
        >>> quaternion_to_matrix(torch.tensor([0.0, 0.0, 2.0, 0.0])).diagonal()      # half a turn about y
        tensor([-1.,  1., -1.])
    """
    w, x, y, z = (q / q.norm(dim=-1, keepdim=True)).unbind(-1)
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def matrix_to_quaternion(r: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit quaternion (w, x, y, z) of a rotation, with w >= 0.

    The four rows of 4 q q^T are all multiples of q; the longest is taken, so nothing is divided by a small number.

    Example:
        >>> matrix_to_quaternion(torch.eye(3))
        tensor([1., 0., 0., 0.])
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (row.unbind(-1) for row in r.unbind(-2))
    table = [
        *(1 + xx + yy + zz, zy - yz, xz - zx, yx - xy),
        *(zy - yz, 1 + xx - yy - zz, yx + xy, xz + zx),
        *(xz - zx, yx + xy, 1 - xx + yy - zz, zy + yz),
        *(yx - xy, xz + zx, zy + yz, 1 - xx - yy + zz),
    ]
    products = torch.stack(table, -1).unflatten(-1, (4, 4))
    longest = products.diagonal(dim1=-2, dim2=-1).argmax(-1)
    row = products.gather(-2, longest[..., None, None].expand(*longest.shape, 1, 4)).squeeze(-2)
    row = row / row.norm(dim=-1, keepdim=True)
    return torch.where(row[..., :1] < 0, -row, row)


def matrix_to_angles(
    r: Float[Tensor, "*batch 3 3"],
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Angles (alpha, beta, gamma) of a rotation, 0 <= beta <= pi; where the y axis stays or flips, gamma is zero.

    Not differentiable at those places: prefer matrices or quaternions inside a model.

    Example:
        >>> alpha, beta, gamma = matrix_to_angles(rotation_about_x(torch.tensor(0.5)))
        >>> beta
        tensor(0.5000)
    """
    sine = torch.hypot(r[..., 0, 1], r[..., 2, 1])
    beta = torch.atan2(sine, r[..., 1, 1])
    poles = sine < 8 * torch.finfo(r.dtype).eps
    alpha = torch.where(poles, torch.atan2(-r[..., 2, 0], r[..., 0, 0]), torch.atan2(r[..., 0, 1], r[..., 2, 1]))
    gamma = torch.where(poles, 0.0, torch.atan2(r[..., 1, 0], -r[..., 1, 2]))
    return alpha, beta, gamma


def axis_angle_to_matrix(
    axis: Float[Tensor, "*#batch 3"], angle: Float[Tensor, "*#batch"]
) -> Float[Tensor, "*#batch 3 3"]:
    """Right-handed rotation about an axis of any length but zero, radians.

    Example:
        >>> axis_angle_to_matrix(torch.tensor([0.0, 1.0, 0.0]), torch.tensor(0.3)).sub(
        ...     rotation_about_y(torch.tensor(0.3))).abs().max() < 1e-6
        tensor(True)
    """
    axis = axis / axis.norm(dim=-1, keepdim=True)
    half = (angle / 2)[..., None]
    vector = axis * half.sin()
    return quaternion_to_matrix(torch.cat([half.cos().expand_as(vector[..., :1]), vector], -1))


def random_quaternion(
    *shape: int,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, "*shape 4"]:
    """Unit quaternions of uniformly distributed rotations.

    Example:
        >>> random_quaternion(6).shape
        torch.Size([6, 4])
    """
    q = standard_normal(*shape, 4, generator=generator)
    return (q / q.norm(dim=-1, keepdim=True)).to(dtype=dtype or torch.get_default_dtype(), device=device)


def random_rotation(
    *shape: int,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, "*shape 3 3"]:
    """Uniformly distributed rotations.

    Example:
        >>> random_rotation(6).shape
        torch.Size([6, 3, 3])
    """
    q = random_quaternion(*shape, generator=generator, dtype=torch.float64)
    return quaternion_to_matrix(q).to(dtype=dtype or torch.get_default_dtype(), device=device)
