"""Functions on the sphere as 2-D Fourier series, where products are convolutions; O(3) acts on `dim`."""

import math
from functools import cache

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from intertwine.o3.spherical_harmonics import spherical_harmonics


def to_fourier(
    x: Float[Tensor, "*batch dim channel"], table: Float[Tensor, "order u degree"]
) -> Complex[Tensor, "*batch u order channel"]:
    r"""Fourier coefficients of a function given by its harmonics, one of each degree 0 to lmax.

        F(theta, phi) = sum_lm x_lm Y_lm(theta, phi) = sum_{u, v} f_uv exp(i (u theta + v phi))

    theta is the angle from the polar axis y, continued to a full circle by letting sin(theta) change sign; phi runs
    from z towards x. F is real, so f_{-u,-v} is the conjugate of f_uv and only v >= 0 is stored:

        axis u: -lmax .. lmax,      axis v: 0 .. lmax

    Only m = +-v feeds column v: O(lmax^3) work. `table` is `harmonics_to_fourier(lmax)`, made once.

    Raises ValueError when the `dim` axis is not (lmax + 1)^2 long.

    Example:
        >>> to_fourier(torch.ones(1, 2), harmonics_to_fourier(0, dtype=torch.float32))   # the constant 1 / sqrt(4 pi)
        tensor([[[0.2821+0.j, 0.2821+0.j]]])

    Reference: Luo, Chen, Krishnapriyan, 2024, arXiv:2401.10216, section 3.2.
    """
    lmax = table.shape[0] - 1
    if x.shape[-2] != (lmax + 1) ** 2:
        raise ValueError(
            f"to_fourier: a table of lmax {lmax} asks for a dim axis of {(lmax + 1) ** 2}, came {x.shape[-2]}."
        )
    cosine, sine = _orders(lmax, x.device)
    padded = torch.cat([x, torch.zeros_like(x[..., :1, :])], -2)
    even = torch.einsum("vul,...vlc->...uvc", table, padded[..., cosine, :])
    odd = torch.einsum("vul,...vlc->...uvc", table, padded[..., sine, :])
    # cos(v phi) and sin(v phi) both hold exp(i v phi): halves 1/2 and -i/2; odd v carry sin(u theta): a further -i
    scale = torch.full((lmax + 1, 1), 0.5, dtype=x.dtype, device=x.device)
    scale[0] = 1.0
    is_odd = (torch.arange(lmax + 1, device=x.device) % 2 == 1)[:, None]
    return scale * torch.complex(torch.where(is_odd, -odd, even), torch.where(is_odd, -even, -odd))


def convolve(
    f: Complex[Tensor, "*#batch u1 v1 #channel"], g: Complex[Tensor, "*#batch u2 v2 #channel"]
) -> Complex[Tensor, "*#batch u3 v3 channel"]:
    """Fourier coefficients of the product of two functions, by fast Fourier transforms; degrees add.

    Example:
        >>> one = to_fourier(torch.full((1, 1), (4 * torch.pi) ** 0.5).double(), harmonics_to_fourier(0))
        >>> convolve(one, 2 * one).real.round()
        tensor([[[2.]]], dtype=torch.float64)
    """
    bands = [h.shape[-2] - 1 for h in (f, g)]
    size = 2 * sum(bands) + 1
    values = [torch.fft.irfft2(_padded(h, size), s=(size, size), dim=(-3, -2)) * size**2 for h in (f, g)]
    product = torch.fft.rfft2(values[0] * values[1], dim=(-3, -2)) / size**2
    return torch.roll(product, sum(bands), -3)


def from_fourier(
    f: Complex[Tensor, "*batch u v channel"], table: Float[Tensor, "order u degree"]
) -> Float[Tensor, "*batch dim channel"]:
    r"""Harmonics 0 to lmax of a function given by its Fourier coefficients: the inverse of `to_fourier`.

        z_lm = int F Y_lm = sum_u zeta[|m|, u, l] (Re, -Im) f_{u |m|}

    `table` is `fourier_to_harmonics(lmax, bandwidth)`, made once; degrees above lmax are dropped. Transform two
    functions, `convolve`, transform back: that is the Gaunt product.

    Example:
        >>> x = torch.randn(9, 4).double()
        >>> torch.allclose(from_fourier(to_fourier(x, harmonics_to_fourier(2)), fourier_to_harmonics(2, 2)), x)
        True
    """
    lmax, bandwidth = table.shape[0] - 1, f.shape[-2] - 1
    kept = min(lmax, bandwidth) + 1
    f = torch.nn.functional.pad(f[..., :kept, :], (0, 0, 0, lmax + 1 - kept))
    # odd orders hold sin(u theta) = Im exp(i u theta): multiply by i
    real = torch.einsum("vul,...uvc->...vlc", table, f.real)
    imaginary = torch.einsum("vul,...uvc->...vlc", table, f.imag)
    is_odd = (torch.arange(lmax + 1, device=f.device) % 2 == 1)[:, None, None]
    cosine = torch.where(is_odd, -imaginary, real)
    sine = torch.where(is_odd, -real, -imaginary)
    rows = [((m < 0) * (lmax + 1) + abs(m)) * (lmax + 1) + l for l in range(lmax + 1) for m in range(-l, l + 1)]
    return torch.cat([cosine, sine], -3).flatten(-3, -2)[..., rows, :]


def harmonics_to_fourier(
    lmax: int, *, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None
) -> Float[Tensor, "order u degree"]:
    r"""Real table y with which every harmonic is a Fourier series in theta.

        Y_l,m = cos(m phi) sum_u y[m, u + lmax, l] cos(u theta)       m even  (m < 0: sin(|m| phi), the same y)
        Y_l,m = cos(m phi) sum_u y[m, u + lmax, l] sin(u theta)       m odd

    By a discrete Fourier transform of samples on the full circle. Zero where degree < order.

    Example:
        >>> (harmonics_to_fourier(1)[1, :, 1] * (16 * torch.pi / 3) ** 0.5).round()      # Y_11 ~ sin(theta)
        tensor([-1.,  0.,  1.], dtype=torch.float64)
    """
    return torch.tensor(_forward_table(lmax), dtype=dtype, device=device)


def fourier_to_harmonics(
    lmax: int, bandwidth: int, *, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None
) -> Float[Tensor, "order u degree"]:
    r"""Real table zeta that integrates Fourier series, u = -bandwidth .. bandwidth, against the harmonics.

        zeta[m, u + bandwidth, l] = 2 pi int_0^pi Y_lm(theta, phi = 0) (cos | sin)(u theta) sin(theta) dtheta

    with cos for even and sin for odd m. The integrand is a polynomial of degree |u| + l in cos(theta), so the
    Gauss-Legendre rule used is exact.

    Example:
        >>> fourier_to_harmonics(0, 0)[0, 0, 0] * (4 * torch.pi) ** -0.5            # int of a constant
        tensor(1.0000, dtype=torch.float64)
    """
    return torch.tensor(_backward_table(lmax, bandwidth), dtype=dtype, device=device)


def _padded(f: Tensor, size: int) -> Tensor:
    # order of u for the FFT: 0, 1, ..., -2, -1; v from 0 to size // 2
    band, half = f.shape[-2] - 1, size // 2 + 1
    padded = f.new_zeros(*f.shape[:-3], size, half, f.shape[-1])
    padded[..., : 2 * band + 1, : band + 1, :] = f
    return torch.roll(padded, -band, -3)


def _orders(lmax: int, device: torch.device) -> tuple[Tensor, Tensor]:
    # rows of Y_l,m and Y_l,-m as [order, degree]; the row after the last stands for zero
    m, l = torch.arange(lmax + 1, device=device)[:, None], torch.arange(lmax + 1, device=device)[None]
    nothing = (lmax + 1) ** 2
    return torch.where(m <= l, l * l + l + m, nothing), torch.where((m > 0) & (m <= l), l * l + l - m, nothing)


def _meridian(lmax: int, theta: np.ndarray) -> np.ndarray:
    # Y_lm at phi = 0 as [order, degree, theta]: solid harmonics take the signed sine by themselves
    points = torch.tensor(np.stack([np.zeros_like(theta), np.cos(theta), np.sin(theta)], -1))
    values = spherical_harmonics(range(lmax + 1), points, normalize=False).numpy()
    table = np.zeros((lmax + 1, lmax + 1, len(theta)))
    for l in range(lmax + 1):
        table[: l + 1, l] = values[:, l * l + l : (l + 1) ** 2].T
    return table


def _waves(lmax: int, bandwidth: int, theta: np.ndarray) -> np.ndarray:
    # [order, u, theta]: cosines for even orders, sines for odd ones
    phase = np.arange(-bandwidth, bandwidth + 1)[:, None] * theta
    return np.stack([np.sin(phase) if m % 2 else np.cos(phase) for m in range(lmax + 1)])


@cache
def _forward_table(lmax: int) -> np.ndarray:
    theta = 2 * math.pi * np.arange(2 * lmax + 1) / (2 * lmax + 1)
    return np.einsum("mut,mlt->mul", _waves(lmax, lmax, theta), _meridian(lmax, theta)) / len(theta)


@cache
def _backward_table(lmax: int, bandwidth: int) -> np.ndarray:
    height, weight = np.polynomial.legendre.leggauss((lmax + bandwidth) // 2 + 1)
    theta = np.arccos(height)
    waves = _waves(lmax, bandwidth, theta)
    return 2 * math.pi * np.einsum("mut,mlt,t->mul", waves, _meridian(lmax, theta), weight)
