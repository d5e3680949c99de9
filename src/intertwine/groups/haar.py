"""Uniform random elements of O(n) and SO(n), as matrices on the last two axes; adds the Haar measure by QR."""

import torch
from jaxtyping import Float
from torch import Tensor


def haar_orthogonal(
    n: int,
    *shape: int,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, "*shape n n"]:
    """Orthogonal matrices drawn uniformly: Q of a Gaussian matrix = Q R, with the diagonal of R made positive.

    Without the sign fix the result depends on how the factorization chooses signs, and is not uniform.

    Example:
        >>> q = haar_orthogonal(3, 5, dtype=torch.float64)
        >>> torch.allclose(q @ q.mT, torch.eye(3, dtype=torch.float64).expand(5, 3, 3))
        True

    Reference: Mezzadri, 2007, Notices of the AMS 54, 592, section 5.
    """
    gaussian = standard_normal(*shape, n, n, generator=generator)
    q, r = torch.linalg.qr(gaussian)
    q = q * torch.where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0)[..., None, :]
    return q.to(dtype=dtype or torch.get_default_dtype(), device=device)


def haar_special_orthogonal(
    n: int,
    *shape: int,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, "*shape n n"]:
    """Rotations drawn uniformly: orthogonal matrices whose first column is flipped where the determinant is negative.

    Example:
        >>> torch.linalg.det(haar_special_orthogonal(4, 5)).round()
        tensor([1., 1., 1., 1., 1.])
    """
    q = haar_orthogonal(n, *shape, generator=generator, dtype=torch.float64)
    first = q[..., :1] * torch.linalg.det(q).sign()[..., None, None]
    return torch.cat([first, q[..., 1:]], -1).to(dtype=dtype or torch.get_default_dtype(), device=device)


def standard_normal(*shape: int, generator: torch.Generator | None = None) -> Float[Tensor, "..."]:
    """Gaussian numbers in float64 on the generator's device."""
    device = generator.device if generator is not None else None
    return torch.randn(shape, generator=generator, dtype=torch.float64, device=device)
