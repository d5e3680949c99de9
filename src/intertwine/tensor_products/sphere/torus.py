"""Features as functions on the torus, the paper's route through 2-D Fourier series; O(3) acts on `dim`."""

from math import pi

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intertwine.o3.constants import Constants
from intertwine.o3.fourier import fourier_to_harmonics, from_fourier, harmonics_to_fourier, to_fourier
from intertwine.o3.irreps import Irreps
from intertwine.tensor_products.sphere.function import SphereTransform


class TorusTransform(SphereTransform):
    r"""Harmonics to values on a square grid of the angles and back, by fast Fourier transforms.

        sample:    f_uv from x_lm,  f(theta, phi) = sum_uv f_uv exp(i (u theta + v phi))
        gradient:  a = df/dtheta,  b = df/dphi / sin(theta)         factors i u and i v on the coefficients
        expand:    the inverse, z_lm = sum_u zeta[l, m, u] f_u,|m|

    theta runs over a full circle, on which a function of degree l is a series of bandwidth l; `bandwidth` is that of
    the largest product to expand. Points start a quarter of a step off the pole, so that no sin(theta) is zero.

    Same interface and result as `GridTransform`, O(L^3) work, and slower in practice: many small steps, and twice the
    points in each angle. Kept for fidelity to the paper and as an independent check.

    Shapes: x `*batch dim channel`, values `*batch point channel` with (2 bandwidth + 1)^2 points.

    Reference: Luo, Chen, Krishnapriyan, 2024, arXiv:2401.10216, section 3.2.
    """

    def __init__(self, irreps: Irreps, bandwidth: int):
        super().__init__()
        lmax = irreps.lmax
        self.bandwidth, self.size, self.lmax = bandwidth, 2 * bandwidth + 1, lmax
        rows = torch.cat([torch.arange(l * l, (l + 1) ** 2) for l in irreps.degrees])
        self.register_buffer("rows", rows, persistent=False)
        theta = 2 * pi * (torch.arange(self.size, dtype=torch.float64) + 0.25) / self.size
        shift = 2 * pi * 0.25 / self.size * torch.arange(-bandwidth, bandwidth + 1, dtype=torch.float64)
        self.tables = Constants(
            to_series=harmonics_to_fourier(lmax),
            from_series=fourier_to_harmonics(lmax, bandwidth),
            sine=theta.sin()[:, None, None],
            shift=torch.stack([shift.cos(), shift.sin()]),
        )

    def sample(self, x: Float[Tensor, "*batch dim channel"]) -> Float[Tensor, "*batch point channel"]:
        """Values of the function."""
        return self._values(self._coefficients(x)).flatten(-3, -2)

    def gradient(
        self, x: Float[Tensor, "*batch dim channel"]
    ) -> tuple[Float[Tensor, "*batch point channel"], Float[Tensor, "*batch point channel"]]:
        """Derivatives of the function along theta and phi."""
        f = self._coefficients(x)
        u = torch.arange(-self.lmax, self.lmax + 1, device=x.device)[:, None, None]
        v = torch.arange(self.lmax + 1, device=x.device)[:, None]
        a, b = self._values(1j * u * f), self._values(1j * v * f) / self.tables.like(x, "sine")
        return a.flatten(-3, -2), b.flatten(-3, -2)

    def expand(self, f: Float[Tensor, "*batch point channel"]) -> Float[Tensor, "*batch dim channel"]:
        """Harmonics of the function."""
        values = f.unflatten(-2, (self.size, self.size))
        if values.numel() == 0:  # FFT libraries refuse empty batches
            return f.new_zeros(*f.shape[:-2], len(self.get_buffer("rows")), f.shape[-1])
        coefficients = torch.fft.rfft2(values, dim=(-3, -2), norm="forward")
        coefficients = torch.roll(coefficients, self.bandwidth, -3) * self._phase(self.bandwidth, f).conj()
        return from_fourier(coefficients, self.tables.like(f, "from_series")).index_select(-2, self.get_buffer("rows"))

    def _coefficients(self, x: Tensor) -> Tensor:
        full = x.new_zeros(*x.shape[:-2], (self.lmax + 1) ** 2, x.shape[-1])
        return to_fourier(full.index_add(-2, self.get_buffer("rows"), x), self.tables.like(x, "to_series"))

    def _values(self, f: Tensor) -> Tensor:
        if f.numel() == 0:
            return f.real.new_zeros(*f.shape[:-3], self.size, self.size, f.shape[-1])
        f = f * self._phase(self.lmax, f.real)
        width = self.bandwidth - self.lmax
        padded = torch.roll(nn.functional.pad(f, (0, 0, 0, width, width, width)), -self.bandwidth, -3)
        return torch.fft.irfft2(padded, s=(self.size, self.size), dim=(-3, -2), norm="forward")

    def _phase(self, band: int, like: Tensor) -> Tensor:
        """exp(i u theta_0) for u = -band .. band: the first point lies at theta_0."""
        cosine, sine = self.tables.like(like, "shift")[:, self.bandwidth - band : self.bandwidth + band + 1]
        return torch.complex(cosine, sine)[:, None, None]
